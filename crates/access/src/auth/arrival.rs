//! What replication brings, from where, and to where: what the paths for its layers are sealed with.

use aws::{AccountId, Region};
use oci::RepositoryName;
use store::tables::registry_id::RegistryId;

/// What comes where.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The registry that it comes from.
    pub origin: Origin,
    /// The registry that it comes to.
    pub registry: RegistryId,
    /// The repository, of the same name there as here.
    pub repository: RepositoryName,
}

/// Where replication brings images from. What it has brought, it may take away again, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A registry of this server.
    Here(RegistryId),
    /// What another Wharf calls its registry, which is none of this server's. One of an older version does not say the region.
    Elsewhere(AccountId, Option<Region>),
}

impl Origin {
    /// The account.
    pub fn account(&self) -> AccountId {
        match self {
            Self::Here(registry) => registry.account,
            Self::Elsewhere(account, _) => *account,
        }
    }

    /// The region, if it is known.
    pub fn region(&self) -> Option<&Region> {
        match self {
            Self::Here(registry) => Some(&registry.region),
            Self::Elsewhere(_, region) => region.as_ref(),
        }
    }

    /// As images and tags remember it.
    pub fn key(&self) -> String {
        let (account, region) = (self.account(), self.region().map(Region::as_str).unwrap_or_default());
        match self {
            Self::Here(_) => format!("{account}/{region}"),
            Self::Elsewhere(..) => format!("another Wharf's {account}/{region}"),
        }
    }
}
