//! The kinds of registries, and what follows from a registry's kind: said here and nowhere else.

use aws::{AccountId, Region};

/// What kind a registry is of: a service of its own to clients, to policies and in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryKind<'a> {
    /// An account's in a region (ECR).
    Private(&'a Region),
    /// An account's that everybody pulls from, of no region (ECR Public).
    Public,
}

/// How many of everything a registry may have if nobody has said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryQuotas {
    /// Repositories.
    pub repositories: u64,
    /// Images of one repository.
    pub images_per_repository: u64,
    /// Tags of one image.
    pub tags_per_image: u64,
}

impl RegistryKind<'_> {
    /// The service of private registries, as signatures, ARNs and actions name it.
    pub const PRIVATE_SERVICE: &'static str = "ecr";
    /// The service of public registries.
    pub const PUBLIC_SERVICE: &'static str = "ecr-public";
    /// The source of events about private registries, as CloudTrail names it.
    pub const PRIVATE_EVENT_SOURCE: &'static str = "ecr.amazonaws.com";
    /// That of events about public ones.
    pub const PUBLIC_EVENT_SOURCE: &'static str = "ecr-public.amazonaws.com";
    /// The default quotas of private registries (reference/repositories-images.md 7).
    pub const PRIVATE_QUOTAS: RegistryQuotas =
        RegistryQuotas { repositories: 100_000, images_per_repository: 100_000, tags_per_image: 1_000 };
    /// Those of public ones (reference/public.md 4).
    pub const PUBLIC_QUOTAS: RegistryQuotas =
        RegistryQuotas { repositories: 10_000, images_per_repository: 100_000, tags_per_image: 1_000 };

    /// The service, as signatures, ARNs and actions name it.
    pub const fn service(self) -> &'static str {
        match self {
            Self::Private(_) => Self::PRIVATE_SERVICE,
            Self::Public => Self::PUBLIC_SERVICE,
        }
    }

    /// The ARN of a repository of the account's registry of this kind, or with wildcards of several.
    pub fn repository_arn(self, account: AccountId, name: &str) -> String {
        let (service, partition, region) = match self {
            Self::Private(region) => (self.service(), region.partition(), region.as_str()),
            // reference/public.md 1
            Self::Public => (self.service(), aws::Partition::Aws, ""),
        };
        format!("arn:{partition}:{service}:{region}:{account}:repository/{name}")
    }

    /// Whether an action, as policies name it, is one on registries of this kind.
    pub fn has_action(self, action: &str) -> bool {
        action.strip_prefix(self.service()).is_some_and(|rest| rest.starts_with(':'))
    }

    /// The source of events about it, as CloudTrail names it.
    pub const fn event_source(self) -> &'static str {
        match self {
            Self::Private(_) => Self::PRIVATE_EVENT_SOURCE,
            Self::Public => Self::PUBLIC_EVENT_SOURCE,
        }
    }

    /// The default quotas.
    pub const fn quotas(self) -> RegistryQuotas {
        match self {
            Self::Private(_) => Self::PRIVATE_QUOTAS,
            Self::Public => Self::PUBLIC_QUOTAS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_the_kind() {
        let account: AccountId = "123456789012".parse().expect("an account");
        let (home, china): (Region, Region) =
            ("eu-west-1".parse().expect("a region"), "cn-north-1".parse().expect("a region"));
        for (kind, arn, source, [own, other]) in [
            (
                RegistryKind::Private(&home),
                "arn:aws:ecr:eu-west-1:123456789012:repository/a/b",
                "ecr.amazonaws.com",
                ["ecr:PutImage", "ecr-public:PutImage"],
            ),
            (
                RegistryKind::Private(&china),
                "arn:aws-cn:ecr:cn-north-1:123456789012:repository/a/b",
                "ecr.amazonaws.com",
                ["ecr:PutImage", "ECR:PutImage"],
            ),
            (
                RegistryKind::Public,
                "arn:aws:ecr-public::123456789012:repository/a/b",
                "ecr-public.amazonaws.com",
                ["ecr-public:PutImage", "ecr:PutImage"],
            ),
        ] {
            assert_eq!(kind.repository_arn(account, "a/b"), arn);
            assert_eq!(kind.event_source(), source);
            assert!(source.strip_prefix(kind.service()).is_some_and(|rest| rest.starts_with('.')), "{source}");
            assert!(kind.has_action(own) && !kind.has_action(other), "{kind:?}");
        }
        assert_eq!(RegistryKind::Private(&home).quotas().repositories, 100_000);
        assert_eq!(RegistryKind::Public.quotas().repositories, 10_000);
    }
}
