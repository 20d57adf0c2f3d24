//! Why a call has no answer.

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The endpoint has a host that no header can hold.
    #[error("the URL has no usable host")]
    Host,
    /// The server cannot be reached, or breaks off.
    #[error(transparent)]
    Unreachable(#[from] reqwest::Error),
    /// The answer is longer than any that is expected.
    #[error("the answer is too long")]
    TooLong,
}
