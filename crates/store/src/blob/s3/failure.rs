//! What a bucket's failures mean.

use std::error::Error;

use object_store::Error as BucketError;

use crate::error::{StoreError, StoreErrorKind};

/// The bucket cannot be reached, or does not do what is asked: nothing is known to be damaged.
pub(super) fn unavailable(context: impl Into<String>, error: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, context).with_source(error)
}

/// A failed request: `Full` if the store has no room, else `Unavailable`.
pub(super) fn failed(context: impl Into<String>, error: BucketError) -> StoreError {
    // 507, and what servers that keep their objects on disks call it.
    const FULL: [&str; 3] = ["507 Insufficient", "XMinioStorageFull", "QuotaExceeded"];
    let text = chain(&error);
    let kind =
        if FULL.iter().any(|sign| text.contains(sign)) { StoreErrorKind::Full } else { StoreErrorKind::Unavailable };
    StoreError::new(kind, context).with_source(error)
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let next = source.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = source.source();
    }
    text
}
