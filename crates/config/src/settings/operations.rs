//! The sections about running a server: `[metrics]`, `[telemetry]` and `[log]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use runtime::config_error::ConfigError;
use runtime::hidden::Hidden;
use runtime::metrics::settings::MetricsSettings;
use runtime::telemetry::settings::TelemetrySettings;
use serde::{Deserialize, Serialize};

use super::read_listen;

/// Repositories whose pulls are told, if nothing else is said.
const DEFAULT_REPOSITORIES: u32 = 20;
/// Each is a time series of its own.
const MAX_REPOSITORIES: u32 = 10_000;
/// A token that can be guessed protects nothing.
const MIN_TOKEN_BYTES: usize = 16;
const DEFAULT_SERVICE_NAME: &str = "wharf";
const DEFAULT_SAMPLE_PERCENT: u32 = 100;

/// Prometheus metrics. They are off unless one of the two places is named.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// A listener of its own, without TLS, such as `127.0.0.1:9090`.
    #[serde(default, deserialize_with = "read_listen")]
    pub listen: Option<SocketAddr>,
    /// Whether the server's own listener has them, too; then a token is needed. Default: false.
    #[serde(default)]
    pub on_main_listener: bool,
    /// What readers must send as `Authorization: Bearer`. Default: none is needed.
    pub token: Option<Hidden>,
    /// So many repositories have their pulls told by name, those that are pulled most; 0 for none. Default: 20.
    pub repositories: Option<u32>,
}

impl MetricsConfig {
    /// The settings in force.
    pub fn settings(&self) -> Result<MetricsSettings, ConfigError> {
        let wrong = |text: String| Err(ConfigError(format!("metrics.{text}")));
        if self.on_main_listener && self.token.is_none() {
            return wrong(
                "on_main_listener: whoever reaches the registry could read them, so set metrics.token".into(),
            );
        }
        if self.token.as_ref().is_some_and(|token| token.expose().len() < MIN_TOKEN_BYTES) {
            return wrong(format!("token: at least {MIN_TOKEN_BYTES} characters are needed"));
        }
        let repositories = self.repositories.unwrap_or(DEFAULT_REPOSITORIES);
        if repositories > MAX_REPOSITORIES {
            return wrong(format!("repositories: at most {MAX_REPOSITORIES}, as each is a time series"));
        }
        // Nobody reads what nobody can reach.
        let is_on = self.listen.is_some() || self.on_main_listener;
        Ok(MetricsSettings {
            on_main_listener: self.on_main_listener,
            token: self.token.clone(),
            repositories: if is_on { repositories as usize } else { 0 },
        })
    }

    /// With the defaults filled in.
    pub(super) fn filled(&self) -> Self {
        Self { repositories: Some(self.repositories.unwrap_or(DEFAULT_REPOSITORIES)), ..self.clone() }
    }
}

/// Traces for a collector of OpenTelemetry. They are off without one.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The collector, to whose `/v1/traces` spans are sent as JSON over HTTP.
    pub otlp_endpoint: Option<String>,
    /// Headers of the requests to it, such as one with a key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub otlp_headers: BTreeMap<String, Hidden>,
    /// What the collector is to call the server. Default: wharf.
    pub service_name: Option<String>,
    /// Percent of the traces that begin here which are sent. Traces of clients are sent if the client says so. Default: 100.
    pub sample_percent: Option<u32>,
}

impl TelemetryConfig {
    /// The settings in force; none without a collector.
    pub fn settings(&self) -> Result<Option<TelemetrySettings>, ConfigError> {
        let wrong = |text: String| ConfigError(format!("telemetry.{text}"));
        let sample_percent = self.sample_percent.unwrap_or(DEFAULT_SAMPLE_PERCENT);
        if sample_percent > 100 {
            return Err(wrong("sample_percent: 0 to 100 is needed".to_owned()));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.otlp_headers {
            let parsed = HeaderName::try_from(name)
                .map_err(|_| wrong(format!("otlp_headers: '{name}' is not the name of a header")))?;
            if [CONTENT_TYPE, CONTENT_LENGTH, HOST].contains(&parsed) {
                return Err(wrong(format!("otlp_headers: '{name}' is set by Wharf")));
            }
            let mut value = HeaderValue::try_from(value.expose())
                .map_err(|_| wrong(format!("otlp_headers: the value of '{name}' cannot be one")))?;
            value.set_sensitive(true);
            headers.insert(parsed, value);
        }
        let Some(endpoint) = &self.otlp_endpoint else { return Ok(None) };
        let traces_url = Url::parse(&format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host() && url.query().is_none());
        let traces_url = traces_url
            .ok_or_else(|| wrong("otlp_endpoint: a URL such as http://localhost:4318 is needed".to_owned()))?;
        if !traces_url.username().is_empty() || traces_url.password().is_some() {
            return Err(wrong("otlp_endpoint has a user name or password: use otlp_headers".to_owned()));
        }
        let service_name = self.service_name.clone().unwrap_or_else(|| DEFAULT_SERVICE_NAME.to_owned());
        Ok(Some(TelemetrySettings { traces_url, headers, service_name, sample_percent }))
    }

    /// With the defaults filled in.
    pub(super) fn filled(&self) -> Self {
        let mut filled = self.clone();
        if filled.otlp_endpoint.is_some() {
            filled.service_name.get_or_insert_with(|| DEFAULT_SERVICE_NAME.to_owned());
            filled.sample_percent.get_or_insert(DEFAULT_SAMPLE_PERCENT);
        }
        filled
    }
}

/// The log on standard error.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// How it is written. Default: text.
    pub format: Option<LogFormat>,
    /// Whether every request has a line. Default: false.
    #[serde(default)]
    pub access: bool,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// An object of JSON per line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let config: super::super::Config = toml::from_str(text).expect("well-formed");
        config.problems().join("\n")
    }

    #[test]
    fn what_cannot_be_right_is_a_problem() {
        for (text, expected) in [
            ("[metrics]\non_main_listener = true", "metrics.on_main_listener"),
            ("[metrics]\ntoken = \"short\"", "metrics.token"),
            ("[metrics]\nrepositories = 10001", "metrics.repositories"),
            ("[telemetry]\notlp_endpoint = \"collector\"", "telemetry.otlp_endpoint"),
            ("[telemetry]\notlp_endpoint = \"http://u:p@collector\"", "otlp_headers"),
            ("[telemetry]\nsample_percent = 101", "telemetry.sample_percent"),
            ("[telemetry]\notlp_headers = { Host = \"x\" }", "'Host' is set by Wharf"),
            ("[telemetry]\notlp_headers = { \"a b\" = \"x\" }", "'a b'"),
        ] {
            let told = problem(text);
            assert!(told.contains(expected), "{text}: {told}");
        }
        assert_eq!(problem("[metrics]\nlisten = \"127.0.0.1:9090\"\n[log]\nformat = \"json\"\naccess = true"), "");
    }

    #[test]
    fn the_collectors_address() {
        for (endpoint, expected) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("https://collector.example.com/otlp/", "https://collector.example.com/otlp/v1/traces"),
        ] {
            let config = TelemetryConfig { otlp_endpoint: Some(endpoint.to_owned()), ..TelemetryConfig::default() };
            let settings = config.settings().expect("good").expect("there");
            assert_eq!(settings.traces_url.as_str(), expected);
        }
        assert!(TelemetryConfig::default().settings().expect("good").is_none());
    }

    #[test]
    fn nothing_is_remembered_of_repositories_if_nobody_can_read_it() {
        assert_eq!(MetricsConfig::default().settings().expect("good").repositories, 0);
        let config = MetricsConfig { listen: "127.0.0.1:9090".parse().ok(), ..MetricsConfig::default() };
        assert_eq!(config.settings().expect("good").repositories, DEFAULT_REPOSITORIES as usize);
    }
}
