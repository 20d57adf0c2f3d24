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

/// What to do about a bucket that cannot be used. The text of an error holds the key of an object, which is random: only
/// what no key can hold is looked for in it.
pub(super) fn remedy(error: &BucketError) -> &'static str {
    let text = chain(error);
    let says = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
    if says(&["NoSuchBucket"]) {
        "the bucket does not exist: create it, Wharf does not"
    } else if says(&["InvalidAccessKeyId", "SignatureDoesNotMatch"]) {
        "the access key or its secret is wrong"
    } else if says(&["PermanentRedirect", "AuthorizationHeaderMalformed", "Received redirect"]) {
        "the bucket is in another region: set storage.region"
    } else if matches!(error, BucketError::PermissionDenied { .. } | BucketError::Unauthenticated { .. }) {
        "its owner does not allow it: s3:PutObject, s3:GetObject, s3:DeleteObject, s3:AbortMultipartUpload and \
         s3:ListBucket are needed"
    } else {
        "check the endpoint and the network"
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of an object that holds the statuses of other failures.
    const KEY: &str = "probe/4033013010000000000000000000507d";

    fn refused(status: u16, body: &str) -> Box<dyn Error + Send + Sync> {
        format!("PUT http://127.0.0.1:9000/bucket/{KEY} in 1ms - Server returned non-2xx status code: {status}: {body}")
            .into()
    }

    #[test]
    fn a_remedy_is_for_the_failure_and_not_for_the_key() {
        let generic = |source: Box<dyn Error + Send + Sync>| BucketError::Generic { store: "S3", source };
        let denied = |body| BucketError::PermissionDenied { path: KEY.to_owned(), source: refused(403, body) };
        let redirect = "Received redirect without LOCATION, this normally indicates an incorrectly configured region";
        for (error, expected) in [
            (generic(format!("PUT /bucket/{KEY}: error sending request").into()), "check the endpoint"),
            (generic(refused(500, "<Code>InternalError</Code>")), "check the endpoint"),
            (generic(redirect.into()), "storage.region"),
            (generic(refused(400, "<Code>AuthorizationHeaderMalformed</Code>")), "storage.region"),
            (BucketError::NotFound { path: KEY.to_owned(), source: refused(404, "NoSuchBucket") }, "create it"),
            (denied("<Code>AccessDenied</Code>"), "s3:PutObject"),
            (denied(""), "s3:PutObject"),
            (denied("<Code>InvalidAccessKeyId</Code>"), "access key"),
            (denied("<Code>SignatureDoesNotMatch</Code>"), "access key"),
            (BucketError::Unauthenticated { path: KEY.to_owned(), source: refused(401, "") }, "s3:PutObject"),
        ] {
            let found = remedy(&error);
            assert!(found.contains(expected), "{error}: {found}");
        }
    }
}
