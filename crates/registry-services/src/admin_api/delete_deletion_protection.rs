//! DeleteDeletionProtection: ends a protection from deletion.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::repositories::require;
use serde::Serialize;
use store::tables::image_protections::{self, ProtectionTarget};
use store::tables::repositories::RepositoryRef;

use super::constraints::ProtectionMembers;
use super::errors::WharfError;
use super::shapes::Protection;

/// Ends the protection of a repository, of tags or of an image from deletion.
pub struct DeleteDeletionProtection;

#[derive(Serialize)]
pub struct Output {
    protection: Protection,
}

impl Operation for DeleteDeletionProtection {
    const NAME: &'static str = "DeleteDeletionProtection";
    const ACTION: Action = Action::WharfDeleteDeletionProtection;
    const READ_ONLY: bool = false;
    type Input = ProtectionMembers;
    type Output = Output;
    type Checked = (RepositoryRef, ProtectionTarget);
    type Error = WharfError;

    fn check(call: &Call<'_>, input: ProtectionMembers) -> Result<Self::Checked, WharfError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, (place, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &place.registry, place.name.as_str())]
    }

    async fn run(call: &Call<'_>, (place, target): Self::Checked) -> Result<Output, WharfError> {
        let written = call.app.db.write(move |tx| {
            let repository = require(tx, &place)?;
            if !image_protections::delete(tx, repository.id, &target)? {
                return Err(WharfError::ProtectionNotFound(format!("{}{target}", place.name)));
            }
            Ok::<_, WharfError>(Output { protection: Protection::new(&place, &target, None) })
        });
        written.await
    }
}
