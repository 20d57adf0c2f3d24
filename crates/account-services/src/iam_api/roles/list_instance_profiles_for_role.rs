//! ListInstanceProfilesForRole: always empty, as there are no instances here. Tools ask before they delete a role.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::EntityKind;

use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::paging::{PageInput, PageOutput};

/// Answers with an empty list for any role that is there: Wharf has no instances.
pub struct ListInstanceProfilesForRole(EntityRef);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    role_name: Option<String>,
    #[serde(flatten)]
    page: PageInput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    instance_profiles: [(); 0],
    #[serde(flatten)]
    page: PageOutput,
}

impl IamOperation for ListInstanceProfilesForRole {
    const ACTION: Action = Action::IamListInstanceProfilesForRole;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        input.page.check()?;
        EntityRef::new(call, EntityKind::Role, input.role_name).map(Self)
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.0.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        self.0.require(tx)?;
        Ok(Output { instance_profiles: [], page: PageOutput::default() })
    }
}
