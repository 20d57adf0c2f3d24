//! DeleteRepositoryCreationTemplate: removes a creation template; repositories that came of it stay as they are.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryPrefix;
use serde::Deserialize;
use store::tables::creation_templates;

use super::creation_templates::{TemplateOutput, prefix};
use super::errors::EcrError;

/// Deletes a creation template; repositories that came of it stay as they are.
pub struct DeleteRepositoryCreationTemplate;

#[derive(Deserialize)]
pub struct Input {
    prefix: Option<String>,
}

impl Operation for DeleteRepositoryCreationTemplate {
    const NAME: &'static str = "DeleteRepositoryCreationTemplate";
    const ACTION: Action = Action::EcrDeleteRepositoryCreationTemplate;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = TemplateOutput;
    type Checked = RepositoryPrefix;
    type Error = EcrError;

    fn check(_: &Call<'_>, input: Input) -> Result<RepositoryPrefix, EcrError> {
        prefix("prefix", input.prefix)
    }

    fn needs(_: &Call<'_>, _: &RepositoryPrefix) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, prefix: RepositoryPrefix) -> Result<TemplateOutput, EcrError> {
        let registry = call.own_registry();
        let deleted = call.app.db.make_room(move |tx| {
            let stored = creation_templates::find(tx, &registry, &prefix)?
                .ok_or_else(|| EcrError::TemplateNotFound(registry.clone(), prefix.clone()))?;
            creation_templates::delete(tx, &registry, &prefix)?;
            Ok::<_, EcrError>(stored)
        });
        Ok(deleted.await?.into())
    }
}
