//! The shape of the cases, and how they are run.

use iam::{
    Attached, Context, Decision, FederatingUser, Outcome, Policies, Policy, PolicyKind, Principal, Reason, Request,
    Source,
};

/// A test of one element: name, source, the element in JSON with single quotes, what the request has, whether it
/// matches.
pub type Row = (&'static str, &'static str, &'static str, &'static str, bool);

pub const ACCOUNT: &str = "123456789012";
pub const REPOSITORY: &str = "arn:aws:ecr:us-east-1:123456789012:repository/team/app";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/ci/Builder";

/// A statement that allows every action of ECR.
pub const ALLOW: &str = "{'Effect':'Allow','Action':'ecr:*','Resource':'*'}";
pub const DENY: &str = "{'Effect':'Deny','Action':'ecr:*','Resource':'*'}";
pub const ALLOW_PULL: &str = "{'Effect':'Allow','Action':['ecr:BatchGetImage','ecr:Get*'],'Resource':'*'}";
pub const DENY_PULL: &str = "{'Effect':'Deny','Action':['ecr:BatchGetImage','ecr:Get*'],'Resource':'*'}";
pub const ALLOW_ASSUME: &str = "{'Effect':'Allow','Action':'sts:*','Resource':'*'}";
pub const DENY_ASSUME: &str = "{'Effect':'Deny','Action':'sts:AssumeRole','Resource':'*'}";

/// A whole request with every policy in force. Policies are lists of statements; an empty list is no policy.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub name: &'static str,
    pub source: &'static str,
    pub who: &'static str,
    pub action: &'static str,
    pub resource: &'static str,
    pub given: &'static str,
    pub version: &'static str,
    pub identity: &'static [&'static str],
    pub boundary: &'static [&'static str],
    pub session: &'static [&'static [&'static str]],
    pub scope: &'static [&'static str],
    pub repository: &'static [&'static str],
    pub registry: &'static [&'static str],
    pub trust: &'static [&'static str],
    pub expected: Reason,
}

pub const BASE: Case = Case {
    name: "",
    source: "",
    who: "alice",
    action: "ecr:PutImage",
    resource: REPOSITORY,
    given: "",
    version: "2012-10-17",
    identity: &[],
    boundary: &[],
    session: &[],
    scope: &[],
    repository: &[],
    registry: &[],
    trust: &[],
    expected: Reason::Root,
};

/// Rows of whole cases: `name, source, who { policies } => reason;`.
#[macro_export]
macro_rules! cases {
    ($table:ident: $($name:literal, $source:expr, $who:literal { $($field:ident: $value:expr),* } => $expected:expr;)*) => {
        pub const $table: &[$crate::support::Case] = &[$(
            $crate::support::Case {
                name: $name,
                source: $source,
                who: $who,
                expected: $expected,
                $($field: $value,)*
                ..$crate::support::BASE
            },
        )*];
    };
}

/// A statement of a resource policy that allows (`to!`) or denies (`deny_to!`) an AWS principal everything.
#[macro_export]
macro_rules! to {
    ($principal:literal) => {
        concat!("{'Effect':'Allow','Principal':{'AWS':'", $principal, "'},'Action':'ecr:*','Resource':'*'}")
    };
}
#[macro_export]
macro_rules! deny_to {
    ($principal:literal) => {
        concat!("{'Effect':'Deny','Principal':{'AWS':'", $principal, "'},'Action':'ecr:*','Resource':'*'}")
    };
}

/// The people of the cases. Alice, Bob and Builder are of the account that owns the repository; Olga and Deployer of
/// another. Pat is a federated user of Alice, or of root.
pub fn principal(name: &str) -> Principal {
    let user = |account: &str, path: &str, id: &str| Principal::User {
        account: account.to_owned(),
        arn: format!("arn:aws:iam::{account}:user/{path}"),
        unique_id: id.to_owned(),
    };
    let session = |account: &str, path: &str, role: &str, id: &str, session: &str| Principal::AssumedRole {
        account: account.to_owned(),
        role_arn: format!("arn:aws:iam::{account}:role/{path}{role}"),
        role_unique_id: id.to_owned(),
        session_arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
    };
    match name {
        "root" => Principal::Root { account: ACCOUNT.to_owned() },
        "alice" => user(ACCOUNT, "alice", "AIDAALICEALICEALICE1"),
        "bob" => user(ACCOUNT, "team/bob", "AIDABOBBOBBOBBOBBOB1"),
        "builder" => session(ACCOUNT, "ci/", "Builder", "AROABUILDERBUILDER01", "run-1"),
        "other root" => Principal::Root { account: "999988887777".to_owned() },
        "olga" => user("999988887777", "olga", "AIDAOLGAOLGAOLGAOLG1"),
        "deployer" => session("999988887777", "", "Deployer", "AROADEPLOYERDEPLOY01", "d"),
        "pat" | "root's pat" => Principal::FederatedUser {
            account: ACCOUNT.to_owned(),
            arn: format!("arn:aws:sts::{ACCOUNT}:federated-user/pat"),
            user: (name == "pat").then(|| FederatingUser {
                arn: format!("arn:aws:iam::{ACCOUNT}:user/alice"),
                unique_id: "AIDAALICEALICEALICE1".to_owned(),
            }),
        },
        "service" => Principal::Service { name: "replication.ecr.amazonaws.com".to_owned() },
        "web" => Principal::WebIdentity {
            provider_arn: "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com".to_owned(),
        },
        "anonymous" => Principal::Anonymous,
        _ => panic!("nobody is called {name}"),
    }
}

/// Reads `key=value|value;key=value`.
pub fn context(given: &str) -> Context {
    let mut context = Context::default();
    for (key, values) in given.split(';').filter_map(|one| one.split_once('=')) {
        context.set_all(key, values.split('|'));
    }
    context
}

pub fn policy(kind: PolicyKind, version: &str, statements: &[&str]) -> Policy {
    let text = format!("{{'Version':'{version}','Statement':[{}]}}", statements.join(","));
    // `\'` stays a single quote.
    let text = text.replace("\\'", "\u{1}").replace('\'', "\"").replace('\u{1}', "'");
    Policy::parse(kind, &text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn attached(kind: PolicyKind, version: &str, statements: &[&str]) -> Option<Attached> {
    let is_given = !statements.is_empty();
    is_given.then(|| Attached { name: format!("{kind:?}"), policy: policy(kind, version, statements) })
}

impl Case {
    /// Everything that decides, in one text.
    pub fn input(&self) -> String {
        format!("{:?}", Case { name: "", source: "", expected: Reason::Root, ..*self })
    }

    pub fn decide(&self) -> Decision {
        const NEW: &str = "2012-10-17";
        let principal = principal(self.who);
        let context = context(self.given);
        let resource = if self.trust.is_empty() { self.resource } else { ROLE };
        let request = Request {
            principal: &principal,
            action: self.action,
            resource,
            resource_account: ACCOUNT,
            context: &context,
        };
        let identity: Vec<Attached> = attached(PolicyKind::Identity, NEW, self.identity).into_iter().collect();
        let boundary = attached(PolicyKind::Identity, NEW, self.boundary);
        let sessions: Vec<Vec<Attached>> = self
            .session
            .iter()
            .map(|union| union.iter().filter_map(|one| attached(PolicyKind::Identity, NEW, &[one])).collect())
            .collect();
        let session: Vec<&[Attached]> = sessions.iter().map(Vec::as_slice).collect();
        let scope = attached(PolicyKind::Identity, NEW, self.scope);
        let repository = attached(PolicyKind::Repository, self.version, self.repository);
        let registry = attached(PolicyKind::Registry, self.version, self.registry);
        let policies = Policies {
            identity: &identity,
            groups: &[],
            boundary: boundary.as_ref(),
            session: &session,
            scope: scope.as_ref(),
            repository: repository.as_ref(),
            registry: registry.as_ref(),
        };
        match attached(PolicyKind::Trust, self.version, self.trust) {
            Some(trust) => iam::decide_trust(&request, &trust, &policies),
            None => iam::decide(&request, &policies),
        }
    }
}

pub fn run(cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let decision = case.decide();
        let outcome = match case.expected {
            Reason::DeniedBy(_) => Outcome::ExplicitDeny,
            Reason::NotAllowedBy(_) => Outcome::ImplicitDeny,
            Reason::AllowedBy(_) | Reason::Root => Outcome::Allowed,
        };
        if decision.reason != case.expected || decision.outcome != outcome {
            wrong.push(format!("{} ({}): {:?}, not {:?}", case.name, case.source, decision.reason, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs rows of which `statement` makes the elements of a statement without its effect, and `request` the request's
/// action, resource and context: matching means that an Allow allows and that a Deny denies.
pub fn run_rows(rows: &[Row], statement: impl Fn(&str) -> String, request: impl Fn(&str) -> (String, String, Context)) {
    let alice = principal("alice");
    let mut wrong = Vec::new();
    for (name, source, element, given, expected) in rows {
        let (action, resource, context) = request(given);
        let request = Request {
            principal: &alice,
            action: &action,
            resource: &resource,
            resource_account: ACCOUNT,
            context: &context,
        };
        let decide = |statements: &[&str]| {
            let identity = attached(PolicyKind::Identity, "2012-10-17", statements);
            let policies = Policies { identity: identity.as_slice(), ..Policies::default() };
            iam::decide(&request, &policies).reason
        };
        let elements = statement(element);
        let allowed = decide(&[&format!("{{'Effect':'Allow',{elements}}}")]);
        let denied =
            decide(&[&format!("{{'Effect':'Deny',{elements}}}"), "{'Effect':'Allow','Action':'*','Resource':'*'}"]);
        let as_expected = if *expected {
            (Reason::AllowedBy(Source::Identity), Reason::DeniedBy(Source::Identity))
        } else {
            (Reason::NotAllowedBy(Source::Identity), Reason::AllowedBy(Source::Identity))
        };
        if (allowed, denied) != as_expected {
            wrong.push(format!("{name} ({source}): {element} given {given}: {allowed:?}, {denied:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs rows whose element is a `Condition`.
pub fn run_conditions(rows: &[Row]) {
    run_rows(
        rows,
        |condition| format!("'Action':'*','Resource':'*','Condition':{condition}"),
        |given| ("ecr:PutImage".to_owned(), REPOSITORY.to_owned(), context(given)),
    );
}
