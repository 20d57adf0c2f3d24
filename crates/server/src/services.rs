//! The services of the AWS protocols that Wharf has: the table that is handed to the protocols, which know none of them.

use account_services::{iam_api, kms_api, secrets_api, sts};
use api::protocols::service::{QueryService, Services};
use ecr_services::ecr;
use registry_services::{admin_api, cloudtrail};

/// Every service, those of Amazon's in the order in which people are told of them.
pub static SERVICES: Services = Services::new(
    &[
        &ecr::SERVICE,
        &sts::SERVICE,
        &iam_api::SERVICE,
        &kms_api::SERVICE,
        &secrets_api::SERVICE,
        &cloudtrail::SERVICE,
        &admin_api::SERVICE,
    ],
    QueryService { service: &sts::SERVICE, api: &sts::API },
);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use access::action::Action;

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

    /// The actions of ECR that operations of Wharf's own ask for.
    const OF_ECR: [Action; 2] = [Action::EcrDescribeImageScanFindings, Action::EcrStartImageScan];

    #[test]
    fn operations_ask_for_actions_of_their_own_service() {
        for service in SERVICES.all() {
            for entry in service.operations.iter().copied().flatten() {
                let (name, action) = (entry.name, entry.action);
                // What tells more of the same as an operation of ECR's may be asked by whoever may ask that one.
                let is_of_ecr = service.signing_name == "wharf" && OF_ECR.contains(&action);
                assert!(is_of_ecr || action.service() == service.signing_name, "{name} asks for {action}");
            }
        }
    }

    #[test]
    fn forms_that_name_no_service_are_for_sts() {
        assert_eq!(SERVICES.unnamed().service.signing_name, "sts");
    }
}
