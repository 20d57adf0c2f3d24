//! Error codes of the registry protocol (OCI distribution, "Error Codes") and their envelope.

use serde::Serialize;

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $status:literal;)*) => {
        /// A code of the specification, or one that ECR and docker know beside it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorCode {
            $($(#[doc = $doc])* $name,)*
        }

        impl ErrorCode {
            /// As it is written on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that goes with it unless a case says otherwise.
            pub const fn default_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

error_codes! {
    /// code-1
    BlobUnknown = "BLOB_UNKNOWN", 404;
    /// code-2
    BlobUploadInvalid = "BLOB_UPLOAD_INVALID", 400;
    /// code-3
    BlobUploadUnknown = "BLOB_UPLOAD_UNKNOWN", 404;
    /// code-4
    DigestInvalid = "DIGEST_INVALID", 400;
    /// code-5
    ManifestBlobUnknown = "MANIFEST_BLOB_UNKNOWN", 404;
    /// code-6
    ManifestInvalid = "MANIFEST_INVALID", 400;
    /// code-7
    ManifestUnknown = "MANIFEST_UNKNOWN", 404;
    /// code-8
    NameInvalid = "NAME_INVALID", 400;
    /// code-9
    NameUnknown = "NAME_UNKNOWN", 404;
    /// code-10
    SizeInvalid = "SIZE_INVALID", 400;
    /// code-11
    Unauthorized = "UNAUTHORIZED", 401;
    /// code-12
    Denied = "DENIED", 403;
    /// code-13
    Unsupported = "UNSUPPORTED", 405;
    /// code-14
    TooManyRequests = "TOOMANYREQUESTS", 429;
    /// ECR's and docker's: the tag is malformed, or is immutable and taken (reference/access.md 7).
    TagInvalid = "TAG_INVALID", 400;
    /// docker's, for what is not the client's doing.
    Internal = "UNKNOWN", 500;
}

#[derive(Serialize)]
struct Envelope<'a> {
    errors: [ErrorEntry<'a>; 1],
}

#[derive(Serialize)]
struct ErrorEntry<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<serde_json::Value>,
}

/// The body of an error answer.
pub fn error_body(code: ErrorCode, message: &str, detail: Option<serde_json::Value>) -> Vec<u8> {
    serde_json::to_vec(&Envelope { errors: [ErrorEntry { code: code.as_str(), message, detail }] })
        .expect("texts can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelope() {
        let body = error_body(ErrorCode::NameUnknown, "no \"x\"", None);
        assert_eq!(body, br#"{"errors":[{"code":"NAME_UNKNOWN","message":"no \"x\""}]}"#);
    }
}
