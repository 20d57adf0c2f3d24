//! What can go wrong with a part of an import, and whether trying again may help.

use std::time::Duration;

use aws_client::root_cause;
use reqwest::{StatusCode, Url};

use crate::error::Error;
use crate::scheme::Mismatch;

/// A part of an import did not work. The texts name who did what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It is not there.
    #[error("{0}")]
    NotFound(String),
    /// What was sent cannot be used, or was refused for good.
    #[error("{0}")]
    Final(String),
    /// The target refuses to move an immutable tag.
    #[error("{0}")]
    ImmutableTag(String),
    /// The bytes have another digest.
    #[error("{0}")]
    WrongDigest(String),
    /// What was to be made is there already.
    #[error("{0}")]
    Exists(String),
    /// It may work later.
    #[error("{cause}")]
    Passing {
        /// What happened.
        cause: String,
        /// How long the other side asks to wait.
        retry_after: Option<Duration>,
        /// Whether the other side says that it is asked too often.
        is_throttled: bool,
    },
}

impl Failure {
    /// Nobody answered, or what came broke off.
    pub(super) fn passing(cause: impl Into<String>) -> Self {
        Self::Passing { cause: cause.into(), retry_after: None, is_throttled: false }
    }

    /// Of an answer that is no success. `what` says who answered what.
    pub(super) fn of_status(status: StatusCode, retry_after: Option<Duration>, what: String) -> Self {
        match status {
            // What a server does not offer it does not have.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                Self::NotFound(what)
            }
            StatusCode::TOO_MANY_REQUESTS => Self::Passing { cause: what, retry_after, is_throttled: true },
            // A part of an upload that does not follow the last one: how far it is must be asked anew.
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::RANGE_NOT_SATISFIABLE => {
                Self::Passing { cause: what, retry_after, is_throttled: false }
            }
            _ if status.is_server_error() => Self::Passing { cause: what, retry_after, is_throttled: false },
            _ => Self::Final(what),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = match error.hint() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        };
        match &error {
            // It will speak the same in a minute.
            Error::Unreachable { cause, .. } if cause.starts_with("it speaks ") => Self::Final(text),
            Error::Unreachable { .. } => Self::passing(text),
            Error::Refused { code, .. } => match code.as_str() {
                "ThrottlingException" | "Throttling" | "TooManyRequestsException" => {
                    Self::Passing { cause: text, retry_after: None, is_throttled: true }
                }
                "ServerException" | "InternalFailure" | "InternalServerError" | "ServiceUnavailable" => {
                    Self::passing(text)
                }
                code if code.ends_with("NotFoundException") => Self::NotFound(text),
                code if code.ends_with("AlreadyExistsException") => Self::Exists(text),
                _ => Self::Final(text),
            },
            Error::Usage(_) | Error::File { .. } | Error::Unreadable { .. } | Error::Unknown(_) | Error::Output(_) => {
                Self::Final(text)
            }
        }
    }
}

impl Failure {
    /// No answer came from a URL, which `who` is called by.
    pub(super) fn unreachable(who: &str, url: &Url, error: &reqwest::Error) -> Self {
        let cause = root_cause(error);
        match Mismatch::of_cause(url, &cause) {
            Some(mismatch) => Self::Final(format!("{who} cannot be used: {}: {}", mismatch.cause(), mismatch.hint(""))),
            None => Self::passing(format!("{who} cannot be reached: {cause}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_work_later() {
        for (status, is_passing) in [(400, false), (401, false), (403, false), (404, false), (408, true), (429, true)]
            .into_iter()
            .chain([(500, true), (503, true)])
        {
            let status = StatusCode::from_u16(status).expect("a status");
            let failure = Failure::of_status(status, None, String::new());
            assert_eq!(matches!(failure, Failure::Passing { .. }), is_passing, "{status}");
        }
        let refused = |code: &str| {
            Failure::from(Error::Refused {
                operation: "X".to_owned(),
                code: code.to_owned(),
                message: "no".to_owned(),
                request: None,
                credentials: "AKIA".to_owned(),
            })
        };
        assert!(matches!(refused("ThrottlingException"), Failure::Passing { is_throttled: true, .. }));
        assert!(matches!(refused("RepositoryNotFoundException"), Failure::NotFound(_)));
        assert!(matches!(refused("InvalidParameterException"), Failure::Final(_)));
    }
}
