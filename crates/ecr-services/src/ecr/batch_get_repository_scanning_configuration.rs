//! BatchGetRepositoryScanningConfiguration: how the images of several repositories are scanned.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryName;
use scanning::configuration::Configuration;
use serde::{Deserialize, Serialize};
use store::tables::repositories;

use super::constraints::{self, NewerCheck};
use super::errors::EcrError;
use super::scanning_configuration::ScanningRepositoryFilter;

/// The code of a repository that is not there; ECR's reason for it is not known to be another.
const NOT_FOUND: &str = "REPOSITORY_NOT_FOUND";

/// Tells how the images of up to 25 repositories of the caller's registry are scanned, and which filters decided that.
pub struct BatchGetRepositoryScanningConfiguration;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    repository_names: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    scanning_configurations: Vec<RepositoryScanningConfiguration>,
    failures: Vec<RepositoryScanningConfigurationFailure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryScanningConfiguration {
    repository_arn: String,
    repository_name: String,
    scan_on_push: bool,
    scan_frequency: &'static str,
    applied_scan_filters: Vec<ScanningRepositoryFilter>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryScanningConfigurationFailure {
    repository_name: String,
    failure_code: &'static str,
    failure_reason: &'static str,
}

impl Operation for BatchGetRepositoryScanningConfiguration {
    const NAME: &'static str = "BatchGetRepositoryScanningConfiguration";
    const ACTION: Action = Action::EcrBatchGetRepositoryScanningConfiguration;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Vec<RepositoryName>;
    type Error = EcrError;

    fn check(_: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let names = NewerCheck::list("repositoryNames", input.repository_names, 1, 25)?;
        names.into_iter().map(|name| constraints::repository_name("repositoryNames", Some(name))).collect()
    }

    fn needs(call: &Call<'_>, names: &Self::Checked) -> Vec<Need> {
        let registry = call.own_registry();
        names.iter().map(|name| Need::on_repository(Self::ACTION, &registry, name.as_str())).collect()
    }

    async fn run(call: &Call<'_>, names: Self::Checked) -> Result<Output, EcrError> {
        let registry = call.own_registry();
        let read = call.app.db.read(move |tx| {
            let configuration = Configuration::find(tx, &registry)?;
            let (mut scanning_configurations, mut failures) = (Vec::new(), Vec::new());
            for name in &names {
                let repository_name = name.to_string();
                let Some(repository) = repositories::find(tx, &registry.repository(name))? else {
                    let failure = RepositoryScanningConfigurationFailure {
                        repository_name,
                        failure_code: NOT_FOUND,
                        failure_reason: NOT_FOUND,
                    };
                    failures.push(failure);
                    continue;
                };
                let effective = configuration.of(&repository);
                scanning_configurations.push(RepositoryScanningConfiguration {
                    repository_arn: registry.repository_arn(name.as_str()),
                    repository_name,
                    scan_on_push: effective.is_on_push,
                    scan_frequency: effective.frequency.as_str(),
                    applied_scan_filters: ScanningRepositoryFilter::list(&effective.filters),
                });
            }
            Ok::<_, EcrError>(Output { scanning_configurations, failures })
        });
        read.await
    }
}
