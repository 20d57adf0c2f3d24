//! Which registry a row belongs to: an account in a region.

use super::repositories::RepositoryRef;
use aws::{AccountId, Region};
use oci::RepositoryName;

use super::registry_kind::RegistryKind;

/// A registry as ECR defines it: one per account and region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryId {
    /// The owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
}

impl RegistryId {
    /// One of its repositories, which need not be there.
    pub fn repository(&self, name: &RepositoryName) -> RepositoryRef {
        RepositoryRef { registry: self.clone(), name: name.clone() }
    }

    /// What kind it is of: all that there are have a region.
    pub const fn kind(&self) -> RegistryKind<'_> {
        RegistryKind::Private(&self.region)
    }

    /// The ARN of one of its repositories, or with wildcards of several.
    pub fn repository_arn(&self, name: &str) -> String {
        self.kind().repository_arn(self.account, name)
    }
}

impl std::fmt::Display for RegistryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}
