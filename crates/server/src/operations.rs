//! Every operation that the server has, by service, from the tables that it answers from: what `wharf operations` prints.

use std::collections::BTreeSet;

use crate::services::SERVICES;

/// Services by the names that signatures have for them, and by those that people have, in the order in which they are shown.
const NAMES: [(&str, &str); 7] = [
    ("ecr", "ECR"),
    ("iam", "IAM"),
    ("sts", "STS"),
    ("kms", "KMS"),
    ("secretsmanager", "Secrets Manager"),
    ("cloudtrail", "CloudTrail"),
    ("wharf", "Wharf's own"),
];

/// A service and what it can be asked for.
#[derive(Debug)]
pub struct ServiceOperations {
    /// The service, as people call it.
    pub service: &'static str,
    /// Its operations, in the order of their names.
    pub operations: BTreeSet<&'static str>,
}

/// Every service of the AWS protocols with its operations.
pub fn by_service() -> Vec<ServiceOperations> {
    let of = |signing_name: &str| {
        SERVICES.operations().filter(|known| known.service == signing_name).map(|known| known.name).collect()
    };
    NAMES.map(|(signing_name, service)| ServiceOperations { service, operations: of(signing_name) }).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_service_is_left_out() {
        let shown: usize = by_service().iter().map(|service| service.operations.len()).sum();
        assert_eq!(shown, SERVICES.operations().count(), "a service is not in NAMES, or an operation is there twice");
    }
}
