//! GetRestoreWindow: for how many days deleted images of a repository can be restored.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::repositories::require;
use registry::images::restore;
use serde::Deserialize;
use store::tables::repositories::RepositoryRef;

use super::constraints;
use super::errors::WharfError;
use super::shapes::RestoreWindow;

/// Tells for how many days deleted images of a repository can be restored.
pub struct GetRestoreWindow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
}

impl Operation for GetRestoreWindow {
    const NAME: &'static str = "GetRestoreWindow";
    const ACTION: Action = Action::WharfGetRestoreWindow;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = RestoreWindow;
    type Checked = RepositoryRef;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<RepositoryRef, WharfError> {
        constraints::repository(call, input.registry_id.as_deref(), input.repository_name.as_deref())
    }

    fn needs(_: &Call<'_>, place: &RepositoryRef) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &place.registry, place.name.as_str())]
    }

    async fn run(call: &Call<'_>, place: RepositoryRef) -> Result<RestoreWindow, WharfError> {
        let default_days = call.app.limits.restore_window_days;
        let read = call.app.db.read(move |tx| {
            let repository = require(tx, &place)?;
            let window = restore::window_days(tx, repository.id, default_days)?;
            Ok::<_, WharfError>(RestoreWindow::new(&place, window))
        });
        read.await
    }
}
