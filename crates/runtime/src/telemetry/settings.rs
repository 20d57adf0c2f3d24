//! What traces go by.

use http::header::HeaderMap;
use reqwest::Url;

/// What the configuration of traces comes to.
#[derive(Clone, Debug)]
pub struct TelemetrySettings {
    /// Where spans are sent.
    pub traces_url: Url,
    /// Headers of the requests.
    pub headers: HeaderMap,
    /// What the server is called.
    pub service_name: String,
    /// Percent of the traces that are sent.
    pub sample_percent: u32,
}
