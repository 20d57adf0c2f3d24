//! The services of the AWS protocols that Wharf has: the table that is handed to the protocols, which know none of them.

use crate::aws_api::service::{Protocol, QueryApi, Service, Services};
use crate::{cloudtrail, ecr, iam_api, kms, secrets, sts, wharf_api};

/// Every service, those of Amazon's in the order in which clients are told of them.
pub static SERVICES: Services = Services::new(&[
    Service {
        signing_name: "ecr",
        protocol: Protocol::Json { target: "AmazonEC2ContainerRegistry_V20150921" },
        operations: &[ecr::OPERATIONS],
        unsigned: &[],
        is_amazons: true,
    },
    Service {
        signing_name: "sts",
        protocol: Protocol::Query(QueryApi {
            version: "2011-06-15",
            namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
        }),
        operations: &[sts::OPERATIONS],
        unsigned: sts::UNSIGNED,
        is_amazons: true,
    },
    Service {
        signing_name: "iam",
        protocol: Protocol::Query(QueryApi {
            version: "2010-05-08",
            namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
        }),
        operations: iam_api::OPERATIONS,
        unsigned: &[],
        is_amazons: true,
    },
    Service {
        signing_name: "kms",
        protocol: Protocol::Json { target: "TrentService" },
        operations: &[kms::OPERATIONS],
        unsigned: &[],
        is_amazons: true,
    },
    Service {
        signing_name: "secretsmanager",
        protocol: Protocol::Json { target: "secretsmanager" },
        operations: &[secrets::OPERATIONS],
        unsigned: &[],
        is_amazons: true,
    },
    Service {
        signing_name: "cloudtrail",
        protocol: Protocol::Json { target: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101" },
        operations: &[cloudtrail::OPERATIONS],
        unsigned: &[],
        is_amazons: true,
    },
    Service {
        signing_name: "wharf",
        protocol: Protocol::Json { target: "Wharf_20261121" },
        operations: &[wharf_api::OPERATIONS],
        unsigned: &[],
        is_amazons: false,
    },
]);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nothing_has_the_name_of_another() {
        let mut names = HashSet::new();
        for service in SERVICES.all() {
            assert!(names.insert(service.signing_name), "{} is there twice", service.signing_name);
        }
        let mut operations = HashSet::new();
        for operation in SERVICES.operations() {
            assert!(operations.insert(operation), "{operation:?} is there twice");
        }
    }

    #[test]
    fn forms_that_name_no_service_are_for_sts() {
        assert_eq!(SERVICES.unnamed().service.signing_name, "sts");
    }
}
