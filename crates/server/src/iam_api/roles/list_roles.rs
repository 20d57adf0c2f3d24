//! ListRoles: the roles of the account, in the order of their names.

use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::{self, EntityKind};

use crate::app::App;
use crate::auth::authorize::Need;
use crate::aws_api::operation::Call;
use crate::iam_api::constraints;
use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::paging::{Page, PageInput, PageOutput};
use crate::iam_api::shapes::Role;

/// The operation.
pub struct ListRoles {
    account: aws::AccountId,
    path_prefix: String,
    page: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    path_prefix: Option<String>,
    #[serde(flatten)]
    page: PageInput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    roles: Vec<Role>,
    #[serde(flatten)]
    page: PageOutput,
}

impl IamOperation for ListRoles {
    const ACTION: &'static str = "iam:ListRoles";
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let path_prefix = constraints::path_prefix(input.path_prefix)?;
        Ok(Self { account: call.caller.account, path_prefix, page: input.page.check()? })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    fn run(&self, _: &App, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let Page { limit, after } = &self.page;
        let found = entities::list(tx, self.account, EntityKind::Role, &self.path_prefix, after, limit + 1)?;
        let (found, page) = self.page.cut(found, |entity| entity.name.to_ascii_lowercase());
        Ok(Output { roles: found.iter().map(Role::listed).collect(), page })
    }
}
