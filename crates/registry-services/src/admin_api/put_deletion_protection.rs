//! PutDeletionProtection: protects a repository, tags or an image from deletion.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::errors::RegistryError;
use registry::images::protection::MAX_PROTECTIONS;
use registry::images::repositories::require;
use serde::Serialize;
use store::tables::image_protections::{self, ProtectionTarget};
use store::tables::images;
use store::tables::repositories::RepositoryRef;

use super::constraints::ProtectionMembers;
use super::errors::WharfError;
use super::shapes::Protection;

/// Protects a repository, tags or an image from deletion.
pub struct PutDeletionProtection;

#[derive(Serialize)]
pub struct Output {
    protection: Protection,
}

impl Operation for PutDeletionProtection {
    const NAME: &'static str = "PutDeletionProtection";
    const ACTION: Action = Action::WharfPutDeletionProtection;
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
        let (now_ms, by) = (call.app.now_ms(), call.caller.arn());
        let written = call.app.db.write(move |tx| {
            let repository = require(tx, &place)?;
            // A digest stands for one image, and one that is not there is most likely mistyped. Tags may come later.
            if let ProtectionTarget::Digest(digest) = &target
                && images::find(tx, repository.id, digest)?.is_none()
            {
                return Err(WharfError::Registry(RegistryError::ImageNotFound));
            }
            let is_new = image_protections::insert(tx, repository.id, &target, now_ms, &by)?;
            if is_new && image_protections::targets(tx, repository.id)?.len() > MAX_PROTECTIONS {
                return Err(WharfError::TooManyProtections(MAX_PROTECTIONS));
            }
            let created = is_new.then(|| (now_ms, by.clone()));
            Ok::<_, WharfError>(Output { protection: Protection::new(&place, &target, created) })
        });
        written.await
    }
}
