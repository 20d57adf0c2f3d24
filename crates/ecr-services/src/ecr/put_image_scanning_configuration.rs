//! PutImageScanningConfiguration: decides whether the images of a repository are scanned when they are pushed.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::repositories::require;
use scanning::configuration::Configuration;
use serde::{Deserialize, Serialize};
use store::tables::repositories::{self, RepositoryRef};
use store::tables::scanning_configurations::ScanType;

use super::constraints::Check;
use super::errors::EcrError;
use super::shapes::{RepositoryMembers, ScanningConfiguration};

/// Stores whether the images of a repository are scanned when they are pushed.
pub struct PutImageScanningConfiguration;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    #[serde(flatten)]
    repository: RepositoryMembers,
    image_scanning_configuration: Option<ScanningConfiguration>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    image_scanning_configuration: ScanningConfiguration,
}

impl Operation for PutImageScanningConfiguration {
    const NAME: &'static str = "PutImageScanningConfiguration";
    const ACTION: Action = Action::EcrPutImageScanningConfiguration;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = (RepositoryRef, ScanningConfiguration);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let repository = input.repository.check(call)?;
        let configuration = Check::required("imageScanningConfiguration", input.image_scanning_configuration)?;
        Ok((repository, configuration))
    }

    fn needs(_: &Call<'_>, (repository, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &repository.registry, repository.name.as_str())]
    }

    async fn run(call: &Call<'_>, (repository, configuration): Self::Checked) -> Result<Output, EcrError> {
        let output = Output {
            registry_id: repository.registry.account.to_string(),
            repository_name: repository.name.to_string(),
            image_scanning_configuration: configuration,
        };
        call.app
            .db
            .write(move |tx| {
                let stored = require(tx, &repository)?;
                // Repositories' own flags are of basic scanning (reference/repositories-images.md 2).
                if Configuration::find(tx, &repository.registry)?.scan_type == ScanType::Enhanced {
                    return Err(EcrError::ScanningDisabled);
                }
                Ok(repositories::set_scan_on_push(tx, stored.id, configuration.scan_on_push)?)
            })
            .await?;
        Ok(output)
    }
}
