//! UpdateRepositoryCreationTemplate: changes a creation template; repositories that came of it stay as they are.

use access::action::Action;
use access::auth::authorize::{self, Need};
use api::protocols::operation::{Call, Operation};
use store::tables::creation_templates;

use super::creation_templates::{TemplateChanges, TemplateMembers, TemplateOutput, needs_of};
use super::errors::EcrError;

/// Changes a creation template; repositories that came of it stay as they are.
pub struct UpdateRepositoryCreationTemplate;

impl Operation for UpdateRepositoryCreationTemplate {
    const NAME: &'static str = "UpdateRepositoryCreationTemplate";
    const ACTION: Action = Action::EcrUpdateRepositoryCreationTemplate;
    const READ_ONLY: bool = false;
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
        let (registry, app) = (call.own_registry(), call.app);
        let now_ms = app.now_ms();
        loop {
            let (place, prefix) = (registry.clone(), changes.prefix.clone());
            let found = app.db.read_point(move |tx| creation_templates::find(tx, &place, &prefix));
            let not_found = || EcrError::TemplateNotFound(registry.clone(), changes.prefix.clone());
            let stored = found.await?.ok_or_else(not_found)?;
            let template = changes.clone().apply(stored.clone(), now_ms)?;
            // What stays in the template is done as well, to more repositories than before if it is for more.
            for need in needs_of(&template) {
                authorize::authorize(call.http, &call.caller, &need).await?;
            }
            let updated = app.db.write(move |tx| {
                let is_same = creation_templates::find(tx, &stored.registry, &stored.prefix)?.as_ref() == Some(&stored);
                if is_same {
                    creation_templates::update(tx, &template)?;
                }
                Ok::<_, EcrError>(is_same.then(|| template.clone()))
            });
            // What another request has made of it meanwhile was not decided on.
            if let Some(template) = updated.await? {
                return Ok(template.into());
            }
        }
    }
}
