//! UpdateAccessKey: lets a key be used, or not.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::Deserialize;
use store::db::Tx;
use store::tables::iam::access_keys;

use crate::iam_api::constraints::Check;
use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};

/// Makes an access key of a user active or inactive.
pub struct UpdateAccessKey {
    user: EntityRef,
    id: String,
    is_active: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    user_name: Option<String>,
    access_key_id: Option<String>,
    status: Option<String>,
}

impl IamOperation for UpdateAccessKey {
    const ACTION: Action = Action::IamUpdateAccessKey;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let status = Check::required("status", input.status)?;
        let status = Check::one_of("status", &status, &["Active", "Inactive"], |name| name)?;
        let user = EntityRef::user_or_caller(call, input.user_name)?;
        Ok(Self { user, id: super::check_id(input.access_key_id)?, is_active: status == "Active" })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.user.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let user = self.user.require(tx)?;
        let key = super::require(tx, &user, &self.id)?;
        access_keys::set_active(tx, &key.id, self.is_active)?;
        Ok(())
    }
}
