//! Who asks, and the element `Principal` or `NotPrincipal`.

use crate::{Effect, held};

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The owner of an account.
    Root { account: String },
    /// An IAM user; `unique_id` starts with `AIDA`.
    User { account: String, arn: String, unique_id: String },
    /// A session of a role. `role_arn` has the role's path, `session_arn`
    /// (`arn:aws:sts::ID:assumed-role/Role/Session`) has not; `role_unique_id` starts with `AROA`.
    AssumedRole { account: String, role_arn: String, role_unique_id: String, session_arn: String },
    /// A federated user (STS: GetFederationToken): `arn:aws:sts::ID:federated-user/Name`, with rights out of those of the
    /// user who made it; of the root user if there is none.
    FederatedUser { account: String, arn: String, user: Option<FederatingUser> },
    /// Who presents a token of an OpenID Connect provider, before a role is assumed with it.
    WebIdentity { provider_arn: String },
    /// A service of the platform, such as `replication.ecr.amazonaws.com`.
    Service { name: String },
    /// Who presents no credentials.
    Anonymous,
}

/// The user who made a federated user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatingUser {
    /// The user's ARN.
    pub arn: String,
    /// `AIDA…`.
    pub unique_id: String,
}

impl Principal {
    /// The account whose policies speak for this principal, if it belongs to one.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Root { account }
            | Self::User { account, .. }
            | Self::AssumedRole { account, .. }
            | Self::FederatedUser { account, .. } => Some(account),
            Self::WebIdentity { .. } | Self::Service { .. } | Self::Anonymous => None,
        }
    }

    /// The name that messages use: `arn:aws:iam::ID:root`, the user, the session, the provider, the service.
    pub fn arn(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Root { account } => format!("arn:aws:iam::{account}:root").into(),
            Self::User { arn, .. } | Self::FederatedUser { arn, .. } => arn.into(),
            Self::AssumedRole { session_arn, .. } => session_arn.into(),
            Self::WebIdentity { provider_arn } => provider_arn.into(),
            Self::Service { name } => name.into(),
            Self::Anonymous => "anonymous".into(),
        }
    }
}

/// How far an Allow of a resource policy reaches for one principal, weakest first (reference/access.md 5, step 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grant {
    None,
    /// To the account: its own identity policies decide.
    Account,
    /// To the role: boundary and session policy limit it.
    Role,
    /// To exactly this principal, or to everyone.
    Direct,
}

/// One value of the element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PrincipalPattern {
    Everyone,
    /// A twelve-digit id, alone or in `arn:aws:iam::ID:root`; with the text as written.
    Account {
        id: String,
        text: String,
    },
    /// A user, role or session ARN.
    Arn(String),
    /// `AIDA...` or `AROA...`: what the ARN of a deleted user or role turns into (reference/access.md 4).
    UniqueId(String),
    Service(String),
    Federated(String),
    /// An S3 canonical user: nobody here has one.
    CanonicalUser,
}

/// Whether the text is an account id.
pub(crate) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the text can be the name of a role's session.
fn is_session_name(text: &str) -> bool {
    (2..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

impl PrincipalPattern {
    /// Reads one value of `Principal` under its key, `*` for the bare star; none if it can name nobody.
    pub(crate) fn read(kind: &str, value: &str) -> Option<Self> {
        match kind {
            "*" => Some(Self::Everyone),
            "AWS" => Self::aws(value),
            "Service" => {
                let is_name = value.contains('.')
                    && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
                is_name.then(|| Self::Service(value.to_owned()))
            }
            "Federated" => (!value.is_empty() && !value.contains('*')).then(|| Self::Federated(value.to_owned())),
            "CanonicalUser" => (!value.is_empty()).then_some(Self::CanonicalUser),
            _ => None,
        }
    }

    /// Reads a value under the key `AWS`; none if it has no form that can name a principal.
    fn aws(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everyone);
        }
        if is_account_id(text) {
            return Some(Self::Account { id: text.to_owned(), text: text.to_owned() });
        }
        if let Some(rest) = text.strip_prefix("arn:") {
            let mut parts = rest.splitn(5, ':');
            let (_partition, service, region, account, resource) =
                (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
            if !region.is_empty() || !is_account_id(account) || text.contains(['*', '?']) {
                return None;
            }
            return match (service, resource) {
                ("iam", "root") => Some(Self::Account { id: account.to_owned(), text: text.to_owned() }),
                ("iam", resource) if named(resource, &["user/", "role/"]) => Some(Self::Arn(text.to_owned())),
                ("sts", resource) if named(resource, &["assumed-role/", "federated-user/"]) => {
                    Some(Self::Arn(text.to_owned()))
                }
                _ => None,
            };
        }
        // Of a session of a role that was deleted, the session's name is left as well.
        let (id, session) = match text.split_once(':') {
            Some((id, session)) if id.starts_with("AROA") => (id, Some(session)),
            _ => (text, None),
        };
        let is_unique_id = id.len() >= 16
            && ["AIDA", "AROA"].iter().any(|prefix| id.starts_with(prefix))
            && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && session.is_none_or(is_session_name);
        is_unique_id.then(|| Self::UniqueId(text.to_owned()))
    }

    /// The text of a value under the key `AWS`, if it names someone.
    pub(crate) fn aws_text(&self) -> Option<&str> {
        match self {
            Self::Account { text, .. } | Self::Arn(text) | Self::UniqueId(text) => Some(text),
            Self::Everyone | Self::Service(_) | Self::Federated(_) | Self::CanonicalUser => None,
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Everyone | Self::CanonicalUser => 0,
            Self::Account { id, text } => held::string(id) + held::string(text),
            Self::Arn(text) | Self::UniqueId(text) | Self::Service(text) | Self::Federated(text) => held::string(text),
        }
    }

    fn grant(&self, principal: &Principal) -> Grant {
        let (grant, matches) = match (self, principal) {
            // A token holder is let in by naming the provider alone.
            (Self::Everyone, Principal::WebIdentity { .. }) => (Grant::None, false),
            (Self::Everyone, _) => (Grant::Direct, true),
            (Self::Account { id, .. }, Principal::Root { account }) => (Grant::Direct, id == account),
            (
                Self::Account { id, .. },
                Principal::User { account, .. }
                | Principal::AssumedRole { account, .. }
                | Principal::FederatedUser { account, .. },
            ) => (Grant::Account, id == account),
            (Self::Arn(named), Principal::User { arn, .. }) => (Grant::Direct, named == arn),
            (Self::Arn(named), Principal::AssumedRole { role_arn, session_arn, .. }) => {
                if named == session_arn {
                    (Grant::Direct, true)
                } else {
                    (Grant::Role, named == role_arn)
                }
            }
            (Self::Arn(named), Principal::FederatedUser { arn, user, .. }) => {
                if named == arn {
                    (Grant::Direct, true)
                } else {
                    // What the user is given is its federated users' as far as their policies go.
                    (Grant::Role, user.as_ref().is_some_and(|user| *named == user.arn))
                }
            }
            (Self::UniqueId(named), Principal::FederatedUser { user: Some(user), .. }) => {
                (Grant::Role, *named == user.unique_id)
            }
            (Self::UniqueId(named), Principal::User { unique_id, .. }) => (Grant::Direct, named == unique_id),
            (Self::UniqueId(named), Principal::AssumedRole { role_unique_id, .. }) => {
                (Grant::Role, named == role_unique_id)
            }
            (Self::Service(named), Principal::Service { name }) => (Grant::Direct, named == name),
            (Self::Federated(named), Principal::WebIdentity { provider_arn }) => (Grant::Direct, named == provider_arn),
            (
                Self::Account { .. }
                | Self::Arn(_)
                | Self::UniqueId(_)
                | Self::Service(_)
                | Self::Federated(_)
                | Self::CanonicalUser,
                _,
            ) => (Grant::None, false),
        };
        if matches { grant } else { Grant::None }
    }

    fn covers(&self, principal: &Principal) -> bool {
        *self == Self::Everyone || self.grant(principal) > Grant::None
    }
}

fn named(resource: &str, kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| resource.strip_prefix(kind).is_some_and(|name| !name.is_empty()))
}

/// Whom a statement of a resource policy is about.
#[derive(Debug)]
pub(crate) struct Principals {
    pub(crate) negated: bool,
    pub(crate) patterns: Box<[PrincipalPattern]>,
}

impl Principals {
    /// What it takes of the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let of_patterns: usize = self.patterns.iter().map(PrincipalPattern::heap_bytes).sum();
        held::list::<PrincipalPattern>(self.patterns.len()) + of_patterns
    }

    /// How far the statement reaches for this principal: `None` if it is not about it.
    pub(crate) fn grant(&self, effect: Effect, principal: &Principal) -> Grant {
        let direct = |covers| if covers { Grant::Direct } else { Grant::None };
        match (self.negated, effect) {
            (false, Effect::Allow) => {
                self.patterns.iter().map(|pattern| pattern.grant(principal)).max().unwrap_or(Grant::None)
            }
            (false, Effect::Deny) => direct(self.patterns.iter().any(|pattern| pattern.covers(principal))),
            // As for `*`, a token holder is let in by naming the provider alone.
            (true, Effect::Allow) => direct(
                !matches!(principal, Principal::WebIdentity { .. })
                    && !self.patterns.iter().any(|pattern| pattern.covers(principal)),
            ),
            (true, Effect::Deny) => direct(!self.exempts(principal)),
        }
    }

    /// Whether a Deny with `NotPrincipal` leaves the principal out: the list must name its account, its role and its
    /// session (reference/access.md 5, "NotPrincipal"); a user's account and the user.
    fn exempts(&self, principal: &Principal) -> bool {
        let account_listed = || {
            principal.account().is_some_and(|account| {
                self.patterns
                    .iter()
                    .any(|pattern| matches!(pattern, PrincipalPattern::Account { id, .. } if id == account))
            })
        };
        let listed = |grant: Grant| self.patterns.iter().any(|pattern| pattern.grant(principal) == grant);
        if self.patterns.contains(&PrincipalPattern::Everyone) {
            return true;
        }
        match principal {
            Principal::Root { .. } => account_listed(),
            Principal::User { .. } => account_listed() && listed(Grant::Direct),
            Principal::AssumedRole { .. } => account_listed() && listed(Grant::Role) && listed(Grant::Direct),
            Principal::FederatedUser { user, .. } => {
                account_listed() && (user.is_none() || listed(Grant::Role)) && listed(Grant::Direct)
            }
            Principal::WebIdentity { .. } | Principal::Service { .. } => listed(Grant::Direct),
            Principal::Anonymous => false,
        }
    }
}
