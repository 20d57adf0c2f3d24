//! A value that a call needs, with what gave it, which errors name.

use reqwest::Url;

/// What gives the endpoint of an import's source.
pub(crate) const SOURCE_ENDPOINT: &str = "--source-endpoint";
/// What gives it otherwise: it is Amazon's.
pub(crate) const OF_SOURCE_REGION: &str = "the source's region";

/// Something that a call needs, and what gave it.
#[derive(Clone, Debug)]
pub(crate) struct Given<T> {
    pub(crate) value: T,
    /// Such as `--endpoint`, `AWS_REGION` or `the data folder /var/lib/wharf`.
    pub(crate) by: String,
}

impl Given<Url> {
    /// Whether this is where an import copies from: no Wharf perhaps, and with options of its own.
    pub(crate) fn is_source(&self) -> bool {
        [SOURCE_ENDPOINT, OF_SOURCE_REGION].contains(&self.by.as_str())
    }
}
