//! ExplainAccess: whether a principal may do something, which statement decides, and what would have to change.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::{self, Need, NeededAction, Resource};
use access::auth::caller::{Caller, Credentials};
use access::auth::directory::Identity;
use access::auth::session::{NewSession, Session};
use api::protocols::operation::{Call, Operation};
use aws::{AccountId, Arn, SessionToken};
use iam::{Matched, Outcome, Principal, Reason};
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;
use store::tables::registry_kind::RegistryKind;

use super::constraints::Check;
use super::errors::WharfError;

/// Decides whether a principal may do something, and tells which statement decides and what would have to change.
pub struct ExplainAccess;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    principal_arn: Option<String>,
    action: Option<String>,
    resource_arn: Option<String>,
    context: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    decision: &'static str,
    reason: String,
    advice: String,
    statements: Vec<Statement>,
    /// What would deny it if condition keys that have no value in the question had one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open_denies: Vec<OpenDeny>,
    /// Said of an action that no operation asks for, as a misspelt one.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    source: String,
    policy_name: String,
    statement: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    effect: String,
    line: usize,
    column: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenDeny {
    condition_keys: Vec<String>,
    statement: Statement,
}

impl From<&Matched> for Statement {
    fn from(matched: &Matched) -> Self {
        Self {
            source: format!("{:?}", matched.source),
            policy_name: matched.policy_name.clone(),
            statement: matched.statement + 1,
            sid: matched.sid.clone(),
            effect: format!("{:?}", matched.effect),
            line: matched.start.line,
            column: matched.start.column,
        }
    }
}

/// The input, validated.
pub struct Checked {
    caller: Caller,
    need: Need,
}

impl Operation for ExplainAccess {
    const NAME: &'static str = "ExplainAccess";
    const ACTION: Action = Action::WharfExplainAccess;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, WharfError> {
        let principal_arn = Check::required("principalArn", input.principal_arn)?;
        let action = Check::required("action", input.action)?;
        if !action.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty()) {
            return Err(WharfError::validation("action", "must be a service and an action, such as ecr:PutImage"));
        }
        let resource = resource(call, &Check::required("resourceArn", input.resource_arn)?)?;
        let caller = principal(call, &principal_arn)?;
        let keys = input.context.unwrap_or_default().into_iter().collect();
        Ok(Checked { caller, need: Need { action: NeededAction::Explained(action), resource, keys, new_grant: None } })
    }

    fn needs(_: &Call<'_>, _: &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, Checked { caller, need }: Checked) -> Result<Output, WharfError> {
        let directory = call.app.identities.current();
        let decision = authorize::decide(call.http, &directory, &caller, &need).await?;
        let open_denies = match decision.outcome {
            Outcome::Allowed => authorize::open_denies(call.http, &directory, &caller, &need).await?,
            Outcome::ExplicitDeny | Outcome::ImplicitDeny => Vec::new(),
        };
        let open_denies = open_denies
            .into_iter()
            .map(|open| OpenDeny { statement: Statement::from(&open.statement), condition_keys: open.keys });
        let resource = authorize::arn(&need);
        let context = iam::Context::default();
        let owner = need.owner(&caller);
        let request = iam::Request {
            principal: &caller.principal,
            action: need.action.as_str(),
            resource: &resource,
            resource_account: owner.as_str(),
            context: &context,
        };
        let reason = match decision.reason {
            Reason::Root => "the root user may do everything in its account".to_owned(),
            Reason::AllowedBy(source) => format!("allowed by {}", iam::source_name(source)),
            Reason::DeniedBy(_) | Reason::NotAllowedBy(_) => decision.because(need.action.as_str()).trim().to_owned(),
        };
        // The statement that decided comes first.
        let deciding = decision.deciding();
        let others = decision.matched.iter().filter(|matched| Some(*matched) != deciding);
        Ok(Output {
            decision: match decision.outcome {
                Outcome::Allowed => "allowed",
                Outcome::ExplicitDeny => "explicitDeny",
                Outcome::ImplicitDeny => "implicitDeny",
            },
            reason,
            advice: iam::advice(&request, &decision),
            statements: deciding.into_iter().chain(others).map(Statement::from).collect(),
            open_denies: open_denies.collect(),
            warning: call.app.action_names.warning(need.action.as_str()),
        })
    }
}

/// The resource of a question: only the caller's own, since the answer shows what its policies say.
fn resource(call: &Call<'_>, text: &str) -> Result<Resource, WharfError> {
    if text == "*" {
        return Ok(Resource::Any);
    }
    let arn: Arn = text.parse().map_err(|_| WharfError::validation("resourceArn", "must be an ARN or *"))?;
    if arn.account() != call.caller.account.as_str() {
        return Err(WharfError::validation("resourceArn", "must be a resource of your account"));
    }
    if arn.service() == RegistryKind::PRIVATE_SERVICE
        && let Some(name) = arn.resource().strip_prefix("repository/")
    {
        let region = arn.region().parse().map_err(|_| WharfError::validation("resourceArn", "must name a region"))?;
        let registry = RegistryId { account: call.caller.account, region };
        return Ok(Resource::Repository { registry, name: name.to_owned() });
    }
    if let Some(id) = access::secret_values::arn(text) {
        return Ok(Resource::Secret(id));
    }
    if arn.service() == "kms"
        && let Ok(key) = access::kms::key_ref(call.caller.account, &call.caller.region, text)
    {
        return Ok(Resource::Key(key));
    }
    Ok(Resource::Own(text.to_owned()))
}

/// The caller that the principal of a question would be: only one of the caller's own account, since the answer shows what
/// its policies say. Of another account's it is not even told who is there.
fn principal(call: &Call<'_>, text: &str) -> Result<Caller, WharfError> {
    let absent = || WharfError::PrincipalNotFound(text.to_owned());
    let arn: Arn = text.parse().map_err(|_| WharfError::validation("principalArn", "must be an ARN"))?;
    let account: AccountId = arn.account().parse().map_err(|_| absent())?;
    if account != call.caller.account {
        return Err(absent());
    }
    let directory = call.app.identities.current();
    let credentials = match (arn.service(), arn.resource()) {
        ("iam", "root") => Credentials::Root,
        ("iam", resource) if resource.starts_with("user/") => {
            Credentials::User(Arc::clone(directory.identity_by_arn(text).ok_or_else(absent)?))
        }
        ("iam", _) => session(call, directory.identity_by_arn(text).ok_or_else(absent)?, "explain"),
        ("sts", resource) => {
            let (role, name) =
                resource.strip_prefix("assumed-role/").and_then(|rest| rest.split_once('/')).ok_or_else(absent)?;
            session(call, directory.role(account, role).ok_or_else(absent)?, name)
        }
        _ => return Err(absent()),
    };
    let principal = match &credentials {
        Credentials::Root => Arc::new(Principal::Root { account: account.to_string() }),
        Credentials::User(user) => Arc::clone(&user.user_principal),
        Credentials::Session(session) => session.principal(),
        Credentials::Anonymous(_) => Arc::new(Principal::Anonymous),
    };
    Ok(Caller {
        account,
        region: call.caller.region.clone(),
        access_key_id: String::new(),
        credentials,
        principal,
        scope: None,
        identity_version: call.caller.identity_version,
    })
}

/// A session of a role as it would be without a session policy.
fn session(call: &Call<'_>, role: &Arc<Identity>, name: &str) -> Credentials {
    let now_ms = call.app.now_ms();
    let claims = NewSession {
        identity_id: role.entity.id.clone(),
        account: role.entity.account,
        name: Some(name.to_owned()),
        is_federated: false,
        issued_at_ms: now_ms,
        expires_at_ms: now_ms,
        policy: None,
        policy_arns: Vec::new(),
        tags: Vec::new(),
        web_identity: Vec::new(),
        web_identity_provider: None,
        transitive_tag_keys: Vec::new(),
        source_identity: None,
    };
    let session = Session {
        claims,
        identity: Some(Arc::clone(role)),
        policies: Vec::new(),
        token: SessionToken::new(String::new()),
    };
    Credentials::Session(Arc::new(session))
}
