//! The errors of Wharf's own API, with their names and texts in one place.

use access::auth::authorize::Refusal;
use access::root_key_rotation::NotRetired;
use api::protocols::operation::Call;
use aws::{AccountId, AwsError};
use registry::images::errors::RegistryError;
use registry::replication::receive::ReceiveError;
use runtime::aws_error::{IntoAwsError, store_error};
use store::error::StoreError;
use store::tables::repositories::RepositoryRef;

use api::registry_error::registry_error;

/// What an operation answers with instead of its output.
#[derive(Debug)]
pub enum WharfError {
    /// A member is missing or is not what it must be.
    Validation {
        /// The member.
        member: String,
        /// What it must be.
        rule: String,
    },
    /// The registry has a token of that name.
    TokenAlreadyExists(String),
    /// The registry has no token of that name.
    TokenNotFound(String),
    /// An account can have so many tokens.
    TooManyTokens(u64),
    /// Temporary keys cannot make what outlives them.
    TemporaryCredentials,
    /// The principal to explain is not there.
    PrincipalNotFound(String),
    /// No image has the name.
    ImageNotFound(String),
    /// The image was never scanned by the registry's type of scanning, or its scan has not found out anything.
    ScanNotFound(String),
    /// The image is archived.
    ImageArchived(String),
    /// The image cannot be scanned, as it is none that is run.
    UnsupportedImageType(String),
    /// A policy does not allow it; with ECR's text.
    Denied(String),
    /// Images would be restored into a repository that is not there.
    NothingToRestoreInto(RepositoryRef),
    /// Nothing is protected in that way; as `wharf unprotect` names it.
    ProtectionNotFound(String),
    /// A repository can have so many protections.
    TooManyProtections(usize),
    /// The repository has no lifecycle policy.
    LifecyclePolicyNotFound(RepositoryRef),
    /// The pages of a plan would not fit together.
    RepositoryChanged(RepositoryRef),
    /// What ECR refuses, too.
    Registry(RegistryError),
    /// The server knows no such check of what is stored.
    StorageCheckNotFound(String),
    /// The server has no such job to try again.
    JobNotFound(i64),
    /// There is no feed of advisories, and no file of one, of that name.
    AdvisoryFeedNotFound(String),
    /// That feed of advisories is switched off.
    AdvisoryFeedOff(String),
    /// The server fetches nothing.
    Offline,
    /// Another node has made a root key at the same moment.
    RootKeyBeingMade,
    /// A root key stays; with its number and why.
    RootKeyNotRetired(u32, NotRetired),
    /// What belongs to the whole server is for the principals of its first account, which this is.
    NotOperator(AccountId),
}

impl From<ReceiveError> for WharfError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Denied(text) => Self::Denied(text),
            ReceiveError::Registry(error) => error.into(),
        }
    }
}

impl From<Refusal> for WharfError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(text) => Self::Denied(text),
            Refusal::Store(error) => error.into(),
        }
    }
}

impl WharfError {
    /// Refuses who is not of the account that the server itself is run with: its first.
    pub fn unless_operator(call: &Call<'_>) -> Result<(), Self> {
        match call.app.accounts.ids().first() {
            Some(operator) if *operator != call.caller.account => Err(Self::NotOperator(*operator)),
            _ => Ok(()),
        }
    }

    /// A member is not what it must be.
    pub fn validation(member: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Validation { member: member.into(), rule: rule.into() }
    }
}

impl From<StoreError> for WharfError {
    fn from(error: StoreError) -> Self {
        Self::Registry(error.into())
    }
}

impl From<RegistryError> for WharfError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl IntoAwsError for WharfError {
    fn into_aws_error(self, request_id: uuid::Uuid) -> AwsError {
        match self {
            Self::Validation { member, rule } => AwsError::new("ValidationException", format!("'{member}' {rule}")),
            Self::TokenAlreadyExists(name) => {
                AwsError::new("TokenAlreadyExistsException", format!("The registry has a token '{name}' already"))
            }
            Self::TokenNotFound(name) => {
                AwsError::new("TokenNotFoundException", format!("The registry has no token '{name}'"))
            }
            Self::TooManyTokens(limit) => AwsError::new(
                "LimitExceededException",
                format!(
                    "An account can have at most {limit} robot tokens, which is the quota 'robot_tokens'. Revoke those that \
                     nobody needs any more"
                ),
            ),
            Self::TemporaryCredentials => AwsError::new(
                "ValidationException",
                "A token would outlive the temporary credentials that ask for it: use a user's access key",
            ),
            Self::PrincipalNotFound(arn) => AwsError::new(
                "PrincipalNotFoundException",
                format!("'{arn}' is not the root, a user, a role or a role's session of this account"),
            ),
            Self::ImageNotFound(name) => AwsError::new("ImageNotFoundException", format!("There is no image {name}")),
            Self::ScanNotFound(name) => AwsError::new(
                "ScanNotFoundException",
                format!(
                    "The image {name} was not scanned yet by the type of scanning that the registry has, or that scan has not \
                     found out anything: DescribeImageScan tells how far it is"
                ),
            ),
            Self::ImageArchived(name) => {
                AwsError::new("ImageArchivedException", format!("The image {name} is archived: restore it first"))
            }
            Self::UnsupportedImageType(name) => AwsError::new(
                "UnsupportedImageTypeException",
                format!("{name} is not made of layers of files: there is nothing to scan in it"),
            ),
            Self::Denied(text) => AwsError::new("AccessDeniedException", text),
            Self::NothingToRestoreInto(RepositoryRef { registry, name }) => AwsError::new(
                "RepositoryNotFoundException",
                format!(
                    "The repository with name '{name}' does not exist in the registry with id '{}'. Create it first, or \
                     let the restore do it with 'createRepository' (wharf image restore --create-repository)",
                    registry.account
                ),
            ),
            Self::ProtectionNotFound(what) => {
                AwsError::new("ProtectionNotFoundException", format!("'{what}' is not protected from deletion"))
            }
            Self::TooManyProtections(limit) => {
                AwsError::new("LimitExceededException", format!("A repository can have at most {limit} protections"))
            }
            Self::LifecyclePolicyNotFound(RepositoryRef { registry, name }) => AwsError::new(
                "LifecyclePolicyNotFoundException",
                format!(
                    "Lifecycle policy does not exist for the repository with name '{name}' in the registry with id '{}'",
                    registry.account
                ),
            ),
            Self::RepositoryChanged(RepositoryRef { name, .. }) => AwsError::new(
                "RepositoryChangedException",
                format!("Something has changed in the repository '{name}' since the first page. Begin with it again."),
            ),
            Self::Registry(RegistryError::Store(error)) => store_error(request_id, &error),
            Self::Registry(error) => registry_error(error, request_id),
            Self::StorageCheckNotFound(id) => AwsError::new(
                "StorageCheckNotFoundException",
                format!("There is no check '{id}'; the last ten are kept"),
            ),
            Self::JobNotFound(id) => AwsError::new(
                "JobNotFoundException",
                format!("No job {id} waits or was given up: it is being worked on, or is done"),
            ),
            Self::AdvisoryFeedNotFound(name) => AwsError::new(
                "AdvisoryFeedNotFoundException",
                format!(
                    "There is no feed of advisories '{name}', and no file of one: `wharf advisories sources` lists them"
                ),
            ),
            Self::AdvisoryFeedOff(name) => AwsError::new(
                "AdvisoryFeedDisabledException",
                format!(
                    "The feed of advisories '{name}' is switched off: `enabled = true` in [[advisories.feeds]] of the server's \
                     configuration switches it on"
                ),
            ),
            Self::Offline => AwsError::new(
                "OfflineException",
                "This server fetches no advisories (scanning.offline). Fetch the file where there is a network, and import \
                 it with `wharf advisories import FEED FILE`",
            ),
            Self::RootKeyBeingMade => AwsError::new(
                "ConflictException",
                "Another node has made a root key at this moment: look at that one first",
            ),
            Self::RootKeyNotRetired(number, why) => {
                let (code, text) = match why {
                    NotRetired::NotFound => ("RootKeyNotFoundException", format!("There is no root key {number}")),
                    NotRetired::InUse => {
                        ("RootKeyInUseException", format!("Root key {number} is the newest, which seals: rotate first"))
                    }
                    NotRetired::TooEarly(from_ms) => (
                        "RootKeyInUseException",
                        format!(
                            "Root key {number} may still be needed. It can be retired when a search that began after {} \
                             has found nothing sealed by it",
                            aws::time::iso8601(from_ms)
                        ),
                    ),
                    NotRetired::RobotTokens(count) => (
                        "RootKeyInUseException",
                        format!(
                            "Root key {number} is needed for {count} robot tokens made before it was followed by another: \
                             replace or revoke them first"
                        ),
                    ),
                };
                AwsError::new(code, text)
            }
            Self::NotOperator(operator) => AwsError::new(
                "AccessDeniedException",
                format!("Only principals of account {operator} may do this, as it concerns all accounts of the server"),
            ),
        }
    }
}
