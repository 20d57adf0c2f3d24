//! The condition keys of a request (reference/access.md 5): made only when a policy reads them.

use aws::AccountId;
use http::header;
use iam::{Context, Principal};

use super::caller::Caller;
use crate::request::RequestContext;

/// Condition keys that only one request has, with their values.
pub type OwnKeys = [(String, Vec<String>)];
/// What the names of keys begin with whose values nobody but the server says, whatever an issuer calls itself.
const OWN_PREFIXES: [&str; 7] = ["aws:", "ecr:", "ecr-public:", "iam:", "kms:", "secretsmanager:", "sts:"];

/// Where the values of condition keys come from.
pub struct RequestKeys<'a> {
    http: &'a RequestContext,
    /// None where someone presents a web identity.
    caller: Option<&'a Caller>,
    of_request: &'a OwnKeys,
    owner: AccountId,
    /// The tags of the resource, if they were read.
    pub resource_tags: Vec<(String, String)>,
    /// Condition keys in lower case that say what the resource is.
    pub of_resource: Vec<(&'static str, Vec<String>)>,
}

impl<'a> RequestKeys<'a> {
    /// The keys of one permission that a request needs, on a resource of `owner`.
    pub const fn new(
        http: &'a RequestContext,
        caller: Option<&'a Caller>,
        of_request: &'a OwnKeys,
        owner: AccountId,
    ) -> Self {
        Self { http, caller, of_request, owner, resource_tags: Vec::new(), of_resource: Vec::new() }
    }

    /// The context that holds those of `keys` (lower case) that have a value.
    pub fn context<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Context {
        let mut context = Context::default();
        for key in keys {
            if context.get(key).is_none() {
                context.set_each(key, self.values(key));
            }
        }
        context
    }

    /// What a key has under each name that differs from it by case alone: mostly there is one name.
    fn values(&self, key: &str) -> Vec<Vec<String>> {
        let of_request: Vec<Vec<String>> =
            self.of_request.iter().filter(|(name, _)| is_name(name, key)).map(|(_, values)| values.clone()).collect();
        if !of_request.is_empty() {
            return of_request;
        }
        if let Some((_, values)) = self.of_resource.iter().find(|(name, _)| *name == key) {
            return vec![values.clone()];
        }
        if !OWN_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
            return vec![self.web_identity(key)];
        }
        if let Some((prefix, tag)) = key.split_once('/') {
            return match prefix {
                "aws:resourcetag" | "ecr:resourcetag" | "iam:resourcetag" | "secretsmanager:resourcetag" => {
                    find_tags(&self.resource_tags, tag)
                }
                "aws:principaltag" => self.principal_tags(tag),
                _ => Vec::new(),
            };
        }
        vec![self.value(key).into_iter().collect()]
    }

    /// What the web identity said that the session was made for. Such names may hold slashes: they begin with a URL.
    fn web_identity(&self, key: &str) -> Vec<String> {
        let session = self.caller.and_then(Caller::session);
        let keys = session.map_or(&[][..], |session| &session.claims.web_identity);
        keys.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.clone()).collect()
    }

    /// A session's tags go before those of its role.
    fn principal_tags(&self, key: &str) -> Vec<Vec<String>> {
        let Some(caller) = self.caller else { return Vec::new() };
        let of_session = caller.session().map_or_else(Vec::new, |session| find_tags(&session.claims.tags, key));
        if !of_session.is_empty() {
            return of_session;
        }
        caller.identity().map_or_else(Vec::new, |identity| find_tags(&identity.entity.tags, key))
    }

    fn value(&self, key: &str) -> Option<String> {
        let header = |name| self.http.header(name).map(str::to_owned);
        match key {
            "aws:viaawsservice" => Some("false".to_owned()),
            "aws:resourceaccount" => Some(self.owner.to_string()),
            "aws:sourceip" => Some(self.http.source_ip.to_string()),
            "aws:securetransport" => Some(self.http.is_secure.to_string()),
            "aws:currenttime" => Some(aws::time::iso8601(self.http.app.now_ms())),
            "aws:epochtime" => Some((self.http.app.now_ms() / 1000).to_string()),
            "aws:useragent" => header(header::USER_AGENT),
            "aws:referer" => header(header::REFERER),
            _ => self.caller.and_then(|caller| of_caller(caller, key)),
        }
    }
}

fn of_caller(caller: &Caller, key: &str) -> Option<String> {
    match key {
        "aws:principalarn" => Some(match &*caller.principal {
            Principal::AssumedRole { role_arn, .. } => role_arn.clone(),
            other => other.arn().into_owned(),
        }),
        "aws:principalaccount" | "kms:calleraccount" => caller.principal.account().map(str::to_owned),
        "aws:principaltype" => Some(
            match &*caller.principal {
                Principal::Root { .. } => "Account",
                Principal::User { .. } => "User",
                Principal::AssumedRole { .. } | Principal::WebIdentity { .. } => "AssumedRole",
                Principal::FederatedUser { .. } => "FederatedUser",
                Principal::Service { .. } => "Service",
                Principal::Anonymous => "Anonymous",
            }
            .to_owned(),
        ),
        "aws:principalisawsservice" => match &*caller.principal {
            Principal::Service { .. } => Some("true".to_owned()),
            Principal::Anonymous => None,
            _ => Some("false".to_owned()),
        },
        "aws:userid" => Some(caller.user_id()),
        "aws:username" => match &*caller.principal {
            Principal::User { .. } => caller.identity().map(|user| user.entity.name.clone()),
            _ => None,
        },
        "aws:requestedregion" => Some(caller.region.to_string()),
        "aws:tokenissuetime" => caller.session().map(|session| aws::time::iso8601(session.claims.issued_at_ms)),
        // Nobody here has a second factor; permanent keys do not even have the key (IAM User Guide).
        "aws:multifactorauthpresent" => caller.session().map(|_| "false".to_owned()),
        "aws:sourceidentity" => caller.session().and_then(|session| session.claims.source_identity.clone()),
        "aws:federatedprovider" => caller.session().and_then(|session| session.claims.web_identity_provider.clone()),
        _ => None,
    }
}

/// Tag keys differ by case where they are stored, and do not in condition keys.
fn find_tags(tags: &[(String, String)], key: &str) -> Vec<Vec<String>> {
    tags.iter().filter(|(name, _)| is_name(name, key)).map(|(_, value)| vec![value.clone()]).collect()
}

/// Whether a name is that of a condition key, which is in lower case. Names of clients are of any script.
fn is_name(name: &str, key: &str) -> bool {
    name.eq_ignore_ascii_case(key) || (!key.is_ascii() && name.to_lowercase() == key)
}
