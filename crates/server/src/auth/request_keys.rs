//! The condition keys of a request (access.md 5): made only when a policy reads them.

use aws::AccountId;
use http::header;
use iam::{Context, Principal};

use super::authorize::Need;
use super::caller::{Caller, Credentials};
use crate::http::request::RequestContext;

/// Where the values of condition keys come from.
pub struct RequestKeys<'a> {
    http: &'a RequestContext,
    caller: &'a Caller,
    need: &'a Need,
    owner: AccountId,
    /// The tags of the resource, if they were read.
    pub resource_tags: Vec<(String, String)>,
}

impl<'a> RequestKeys<'a> {
    /// The keys of one permission that a request needs, on a resource of `owner`.
    pub const fn new(http: &'a RequestContext, caller: &'a Caller, need: &'a Need, owner: AccountId) -> Self {
        Self { http, caller, need, owner, resource_tags: Vec::new() }
    }

    /// The context that holds those of `keys` (lower case) that have a value.
    pub fn context<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Context {
        let mut context = Context::default();
        for key in keys {
            if context.get(key).is_none() {
                context.set_all(key, self.values(key));
            }
        }
        context
    }

    fn values(&self, key: &str) -> Vec<String> {
        let of_request = self.need.keys.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        if let Some((_, values)) = of_request {
            return values.clone();
        }
        if let Some((prefix, tag)) = key.split_once('/') {
            let tags = match prefix {
                "aws:resourcetag" | "ecr:resourcetag" => &self.resource_tags,
                "aws:principaltag" => return self.principal_tag(tag).into_iter().collect(),
                _ => return Vec::new(),
            };
            return find_tag(tags, tag).into_iter().collect();
        }
        let web_identity = self.caller.session().map_or(&[][..], |session| &session.claims.web_identity);
        if let Some((_, value)) = web_identity.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)) {
            return vec![value.clone()];
        }
        self.value(key).into_iter().collect()
    }

    /// A session's tags go before those of its role.
    fn principal_tag(&self, key: &str) -> Option<String> {
        let of_session = self.caller.session().and_then(|session| find_tag(&session.claims.tags, key));
        of_session.or_else(|| self.caller.identity().and_then(|identity| find_tag(&identity.entity.tags, key)))
    }

    fn value(&self, key: &str) -> Option<String> {
        let header = |name| self.http.header(name).map(str::to_owned);
        match key {
            "aws:principalarn" => Some(match &*self.caller.principal {
                Principal::AssumedRole { role_arn, .. } => role_arn.clone(),
                other => other.arn().into_owned(),
            }),
            "aws:principalaccount" => Some(self.caller.account.to_string()),
            "aws:principaltype" => Some(
                match &*self.caller.principal {
                    Principal::Root { .. } => "Account",
                    Principal::User { .. } => "User",
                    Principal::AssumedRole { .. } | Principal::WebIdentity { .. } => "AssumedRole",
                    Principal::Service { .. } => "Service",
                    Principal::Anonymous => "Anonymous",
                }
                .to_owned(),
            ),
            "aws:userid" => Some(self.caller.user_id()),
            "aws:username" => match &*self.caller.principal {
                Principal::User { .. } => self.caller.identity().map(|user| user.entity.name.clone()),
                _ => None,
            },
            "aws:tokenissuetime" => {
                self.caller.session().map(|session| aws::time::iso8601(session.claims.issued_at_ms))
            }
            "aws:multifactorauthpresent" => {
                matches!(self.caller.credentials, Credentials::Session(_)).then(|| "false".to_owned())
            }
            "aws:viaawsservice" => Some("false".to_owned()),
            "aws:resourceaccount" => Some(self.owner.to_string()),
            "aws:requestedregion" => Some(self.caller.region.to_string()),
            "aws:sourceip" => Some(self.http.source_ip.to_string()),
            "aws:securetransport" => Some((self.http.app.hosts.scheme() == "https").to_string()),
            "aws:currenttime" => Some(aws::time::iso8601(self.http.app.now_ms())),
            "aws:epochtime" => Some((self.http.app.now_ms() / 1000).to_string()),
            "aws:useragent" => header(header::USER_AGENT),
            "aws:referer" => header(header::REFERER),
            _ => None,
        }
    }
}

/// Tag keys differ by case where they are stored, and do not in condition keys.
fn find_tag(tags: &[(String, String)], key: &str) -> Option<String> {
    tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.clone())
}
