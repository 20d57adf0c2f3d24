//! `dryRun`: the operation itself, undone at its end, so that the answer cannot differ from the real one.

use access::auth::tag_rights::Undone;
use api::protocols::operation::Call;
use store::db::Tx;
use store::error::StoreError;

use super::errors::WharfError;

/// Why a transaction ends without effect.
enum Ended<T> {
    Undone(Box<Undone<WharfError>>),
    DryRun(T),
}

impl<T> From<StoreError> for Ended<T> {
    fn from(error: StoreError) -> Self {
        Self::Undone(Box::new(error.into()))
    }
}

/// Runs a transaction and, in a dry run, undoes all that it did.
pub async fn write<T, F>(call: &Call<'_>, is_dry_run: bool, run: F) -> Result<T, Undone<WharfError>>
where
    T: Send + 'static,
    F: Fn(&mut dyn Tx) -> Result<T, Undone<WharfError>> + Send + 'static,
{
    let ended = call.app.db.make_room(move |tx| {
        let output = run(tx).map_err(|undone| Ended::Undone(Box::new(undone)))?;
        if is_dry_run { Err(Ended::DryRun(output)) } else { Ok(output) }
    });
    match ended.await {
        Ok(output) | Err(Ended::DryRun(output)) => Ok(output),
        Err(Ended::Undone(undone)) => Err(*undone),
    }
}
