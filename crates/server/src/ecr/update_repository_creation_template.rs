//! UpdateRepositoryCreationTemplate: changes a creation template; repositories that came of it stay as they are.

use store::tables::creation_templates;

use super::creation_templates::{TemplateChanges, TemplateMembers, TemplateOutput};
use super::errors::EcrError;
use crate::auth::authorize::Need;
use crate::aws_api::operation::{Call, Operation};

/// The operation.
pub struct UpdateRepositoryCreationTemplate;

impl Operation for UpdateRepositoryCreationTemplate {
    const NAME: &'static str = "UpdateRepositoryCreationTemplate";
    const ACTION: &'static str = "ecr:UpdateRepositoryCreationTemplate";
    type Input = TemplateMembers;
    type Output = TemplateOutput;
    type Checked = TemplateChanges;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: TemplateMembers) -> Result<TemplateChanges, EcrError> {
        input.check(call)
    }

    fn needs(call: &Call<'_>, changes: &TemplateChanges) -> Vec<Need> {
        changes.needs(Self::ACTION, &call.own_registry())
    }

    async fn run(call: &Call<'_>, changes: TemplateChanges) -> Result<TemplateOutput, EcrError> {
        let (registry, now_ms) = (call.own_registry(), call.app().now_ms());
        let updated = call.app().db.write(move |tx| {
            let stored = creation_templates::find(tx, &registry, &changes.prefix)?
                .ok_or_else(|| EcrError::TemplateNotFound(registry.clone(), changes.prefix.clone()))?;
            let template = changes.clone().apply(stored, now_ms)?;
            creation_templates::update(tx, &template)?;
            Ok::<_, EcrError>(template)
        });
        Ok(updated.await?.into())
    }
}
