//! Amazon Resource Names: `arn:partition:service:region:account:resource`.

use std::fmt;
use std::str::FromStr;

use crate::identity::Partition;

/// An ARN. Region and account may be empty; the resource may hold colons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arn {
    partition: String,
    service: String,
    region: String,
    account: String,
    resource: String,
}

/// A text is no ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ARN")]
pub struct ArnError;

impl Arn {
    /// Of its parts.
    pub fn new(partition: Partition, service: &str, region: &str, account: &str, resource: impl Into<String>) -> Self {
        Self {
            partition: partition.to_string(),
            service: service.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            resource: resource.into(),
        }
    }

    /// `aws`, `aws-cn`, …
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// `ecr`, `iam`, …
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The region's name, or nothing.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The account's id, or nothing.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// What it names.
    pub fn resource(&self) -> &str {
        &self.resource
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().map(str::to_owned).ok_or(ArnError);
        if next()? != "arn" {
            return Err(ArnError);
        }
        let arn = Self { partition: next()?, service: next()?, region: next()?, account: next()?, resource: next()? };
        if arn.partition.is_empty() || arn.service.is_empty() || arn.resource.is_empty() {
            return Err(ArnError);
        }
        Ok(arn)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn table() {
        let text = "arn:aws:ecr:us-east-1:123456789012:repository/a/b:c";
        let arn: Arn = text.parse().expect("valid");
        assert_eq!((arn.service(), arn.resource()), ("ecr", "repository/a/b:c"));
        assert_eq!(arn.to_string(), text);
        for bad in ["", "arn", "arn:aws:ecr:us-east-1:1", "x:aws:ecr:::r", "arn::ecr:::r", "arn:aws:ecr:::"] {
            assert_eq!(bad.parse::<Arn>(), Err(ArnError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_prints_what_it_read(text: String) {
            if let Ok(arn) = text.parse::<Arn>() {
                prop_assert_eq!(arn.to_string(), text);
            }
        }
    }
}
