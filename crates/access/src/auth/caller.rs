//! The principal behind a request.

use std::sync::Arc;

use aws::{AccountId, Region};
use iam::{Attached, Principal};
use store::tables::registry_id::RegistryId;

use super::anonymous_pull::AnonymousPull;
use super::directory::Identity;
use super::session::Session;

/// Who is behind the credentials.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// The root user of the account.
    Root,
    /// A user with a key of its own.
    User(Arc<Identity>),
    /// Temporary keys: of a role, a user or the root user.
    Session(Arc<Session>),
    /// None: a pull through the transparent mirror by whoever comes. It is of no account, so no policy of a user, role or
    /// account speaks for it: those of resources may deny it what the mirror opens to everybody, and nothing else is allowed.
    Anonymous(Arc<AnonymousPull>),
}

/// An authenticated principal and the region that it calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account that the principal belongs to; of nobody that of the registry that is asked, which gives no rights.
    pub account: AccountId,
    /// The region of the request: of the signature's scope, or of the registry token.
    pub region: Region,
    /// The access key that signed, or that the token was made with; for robot tokens the token's id. Empty for nobody.
    pub access_key_id: String,
    /// What the key stands for.
    pub credentials: Credentials,
    /// The principal that policies name.
    pub principal: Arc<Principal>,
    /// What a robot token is limited to.
    pub scope: Option<Arc<Attached>>,
    /// The identity version that it was looked up at; what has changed since is not in here.
    pub identity_version: i64,
}

impl Caller {
    /// Nobody in particular, as far as the mirror lets everybody pull.
    pub fn nobody(pull: AnonymousPull) -> Self {
        let RegistryId { account, region } = pull.place.registry.clone();
        Self {
            account,
            region,
            access_key_id: String::new(),
            credentials: Credentials::Anonymous(Arc::new(pull)),
            principal: Arc::new(Principal::Anonymous),
            scope: None,
            // Nobody is in no directory.
            identity_version: 0,
        }
    }

    /// The registry of its account in the region that it calls.
    pub fn own_registry(&self) -> RegistryId {
        RegistryId { account: self.account, region: self.region.clone() }
    }

    /// The principal's ARN.
    pub fn arn(&self) -> String {
        let arn = self.principal.arn();
        match self.region.partition() {
            aws::Partition::Aws => arn.into_owned(),
            partition => arn.replacen("arn:aws:", &format!("arn:{partition}:"), 1),
        }
    }

    /// The principal's unique id (STS: `UserId`); of the root user it is the account's id, of nobody `anonymous`.
    pub fn user_id(&self) -> String {
        match &self.credentials {
            Credentials::Root => self.account.to_string(),
            Credentials::User(user) => user.entity.id.clone(),
            Credentials::Session(session) => session.user_id(),
            Credentials::Anonymous(_) => "anonymous".to_owned(),
        }
    }

    /// The user or role whose policies speak for the principal; none for the root user and for nobody.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.credentials {
            Credentials::Root | Credentials::Anonymous(_) => None,
            Credentials::User(user) => Some(user),
            Credentials::Session(session) => session.identity.as_deref(),
        }
    }

    /// Whether it is a federated user, whom IAM and most of STS refuse (GetFederationToken: 'Permissions').
    pub fn is_federated(&self) -> bool {
        matches!(&*self.principal, Principal::FederatedUser { .. })
    }

    /// The session, if the keys are temporary.
    pub fn session(&self) -> Option<&Session> {
        match &self.credentials {
            Credentials::Session(session) => Some(session),
            Credentials::Root | Credentials::User(_) | Credentials::Anonymous(_) => None,
        }
    }

    /// What is pulled, if nobody in particular does.
    pub fn anonymous(&self) -> Option<&Arc<AnonymousPull>> {
        match &self.credentials {
            Credentials::Anonymous(pull) => Some(pull),
            Credentials::Root | Credentials::User(_) | Credentials::Session(_) => None,
        }
    }
}
