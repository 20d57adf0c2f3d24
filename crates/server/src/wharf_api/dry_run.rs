//! `dryRun`: the operation itself, undone at its end, so that the answer cannot differ from the real one.

use store::db::Tx;
use store::error::StoreError;

use super::errors::WharfError;
use crate::aws_api::operation::Call;

/// Why a transaction is undone.
enum Undone<T> {
    Failed(Box<WharfError>),
    DryRun(T),
}

impl<T> From<StoreError> for Undone<T> {
    fn from(error: StoreError) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

/// Runs a transaction and, in a dry run, undoes all that it did.
pub async fn write<T, F>(call: &Call<'_>, is_dry_run: bool, run: F) -> Result<T, WharfError>
where
    T: Send + 'static,
    F: Fn(&mut dyn Tx) -> Result<T, WharfError> + Send + 'static,
{
    let ended = call.app().db.make_room(move |tx| {
        let output = run(tx).map_err(|error| Undone::Failed(Box::new(error)))?;
        if is_dry_run { Err(Undone::DryRun(output)) } else { Ok(output) }
    });
    match ended.await {
        Ok(output) | Err(Undone::DryRun(output)) => Ok(output),
        Err(Undone::Failed(error)) => Err(*error),
    }
}
