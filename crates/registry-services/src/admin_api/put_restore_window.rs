//! PutRestoreWindow: sets for how many days images of a repository can be restored that are deleted from now on.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::repositories::require;
use registry::images::restore::{self, MAX_RESTORE_WINDOW_DAYS};
use serde::Deserialize;
use store::tables::repositories::{self, RepositoryRef};

use super::constraints;
use super::errors::WharfError;
use super::shapes::RestoreWindow;

/// Stores for how many days images of a repository can be restored that are deleted from now on.
pub struct PutRestoreWindow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    /// 0 for not at all; absent for the server's own setting.
    restore_window_days: Option<i64>,
}

impl Operation for PutRestoreWindow {
    const NAME: &'static str = "PutRestoreWindow";
    const ACTION: Action = Action::WharfPutRestoreWindow;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = RestoreWindow;
    type Checked = (RepositoryRef, Option<i64>);
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, WharfError> {
        let days = input.restore_window_days;
        if days.is_some_and(|days| !(0..=MAX_RESTORE_WINDOW_DAYS).contains(&days)) {
            let rule = format!("must be 0 to {MAX_RESTORE_WINDOW_DAYS} (ten years)");
            return Err(WharfError::validation("restoreWindowDays", rule));
        }
        let place = constraints::repository(call, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        Ok((place, days))
    }

    fn needs(_: &Call<'_>, (place, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &place.registry, place.name.as_str())]
    }

    async fn run(call: &Call<'_>, (place, days): Self::Checked) -> Result<RestoreWindow, WharfError> {
        let default_days = call.app.limits.restore_window_days;
        let written = call.app.db.write(move |tx| {
            let repository = require(tx, &place)?;
            repositories::set_restore_window_days(tx, repository.id, days)?;
            let window = restore::window_days(tx, repository.id, default_days)?;
            Ok::<_, WharfError>(RestoreWindow::new(&place, window))
        });
        written.await
    }
}
