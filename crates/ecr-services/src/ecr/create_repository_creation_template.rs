//! CreateRepositoryCreationTemplate: says what repositories are like that Wharf creates by itself.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use store::tables::creation_templates::{self, CreationTemplate};

use super::creation_templates::{MAX_TEMPLATES, TemplateChanges, TemplateMembers, TemplateOutput};
use super::errors::EcrError;

/// Stores a template for the repositories under a prefix that Wharf creates by itself.
pub struct CreateRepositoryCreationTemplate;

/// The input, validated: the template, and what the caller put into it.
pub struct Checked {
    template: CreationTemplate,
    given: TemplateChanges,
}

impl Operation for CreateRepositoryCreationTemplate {
    const NAME: &'static str = "CreateRepositoryCreationTemplate";
    const ACTION: Action = Action::EcrCreateRepositoryCreationTemplate;
    const READ_ONLY: bool = false;
    type Input = TemplateMembers;
    type Output = TemplateOutput;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: TemplateMembers) -> Result<Checked, EcrError> {
        let given = input.check(call)?;
        let template = given.clone().create(call.own_registry(), call.app.now_ms())?;
        Ok(Checked { template, given })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        checked.given.needs(Self::ACTION, &checked.template.registry)
    }

    async fn run(call: &Call<'_>, Checked { template, .. }: Checked) -> Result<TemplateOutput, EcrError> {
        let created = call.app.db.write(move |tx| {
            let registry = &template.registry;
            if !creation_templates::insert(tx, &template)? {
                return Err(EcrError::TemplateAlreadyExists(registry.clone(), template.prefix.clone()));
            }
            if creation_templates::count(tx, registry)? > MAX_TEMPLATES {
                return Err(EcrError::TooManyTemplates);
            }
            Ok(template.clone())
        });
        Ok(created.await?.into())
    }
}
