//! The one place where it is decided whether a principal may do something.

use aws::{AccountId, Arn};

use super::caller::Caller;

/// What a decision is about.
#[derive(Clone, Debug)]
pub enum Resource {
    /// A resource that has an ARN, and the account that owns it.
    Owned {
        /// The resource.
        arn: Arn,
        /// Its owner.
        owner: AccountId,
    },
    /// Actions without a resource level (access.md 1): `*` in the caller's account.
    Any,
}

impl Resource {
    /// A repository, or with `*` as name all repositories of the registry.
    pub fn repository(registry: &store::tables::registry_id::RegistryId, name: &str) -> Self {
        Self::Owned {
            arn: Arn::new(
                registry.region.partition(),
                "ecr",
                registry.region.as_str(),
                registry.account.as_str(),
                format!("repository/{name}"),
            ),
            owner: registry.account,
        }
    }
}

/// A refusal, with ECR's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What the client is told (access.md 5).
    pub message: String,
}

/// Decides on one action. The root user may do everything in its own account, and nobody anything elsewhere.
pub fn authorize(caller: &Caller, action: &str, resource: &Resource) -> Result<(), Denied> {
    let (owner, shown) = match resource {
        Resource::Any => (caller.account, "*".to_owned()),
        Resource::Owned { arn, owner } => (*owner, arn.to_string()),
    };
    if owner == caller.account {
        return Ok(());
    }
    Err(Denied {
        message: format!(
            "User: {} is not authorized to perform: {action} on resource: {shown} because no resource-based policy \
             allows the {action} action",
            caller.arn()
        ),
    })
}
