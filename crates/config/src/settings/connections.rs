//! The section `[connections]`, and the proxies before the server.

use std::time::Duration;

use runtime::config_error::ConfigError;
use runtime::http::forwarded::TrustedProxies;
use runtime::http::head_budget::HeadBudget;
use runtime::http::listener_settings::{
    DEFAULT_HEAD_TIMEOUT_SECONDS, DEFAULT_IDLE_TIMEOUT_SECONDS, DEFAULT_MAX, DEFAULT_MIN_BYTES_PER_SECOND,
    DEFAULT_STALL_TIMEOUT_SECONDS, ListenerSettings, MOST_FOR_HEADS, SHARE_FOR_CONNECTIONS,
};
use runtime::http::machine::Means;
use runtime::http::pace::PaceLimits;
use serde::{Deserialize, Serialize};

/// More would need more memory than such a machine has for them.
const LARGEST_MAX: u64 = 1_000_000;
/// Files that are open beside connections: the database, blobs that are read and written, other servers.
const OTHER_FILES: u64 = 256;
/// What a connection is reckoned to need: some 10 KiB when it is idle in clear, 40 in TLS, and more while it is at work.
const CONNECTION_BYTES: u64 = 64 * 1024;
const LEAST_FOR_CONNECTIONS: u64 = 8 * 1024 * 1024;
/// One part in so many of the memory is for long heads, within these.
const SHARE_FOR_HEADS: u64 = 16;
const LEAST_FOR_HEADS: u64 = 4 * 1024 * 1024;
const LARGEST_TIMEOUT_SECONDS: u32 = 24 * 60 * 60;

/// How long connections may take, and how many there may be.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionsConfig {
    /// Connections that one node holds. Default: 16384, or as many as open files and memory allow.
    pub max: Option<u64>,
    /// Seconds from the beginning of a connection to its first request, and from that of any head to its end. Default: 30.
    pub head_timeout_seconds: Option<u32>,
    /// Seconds that a connection may wait for its next request. Default: 120.
    pub idle_timeout_seconds: Option<u32>,
    /// Seconds that a client may be silent in a body, or may not read an answer. Default: 60.
    pub stall_timeout_seconds: Option<u32>,
    /// Bytes that make good for a second of these. Default: 500.
    pub min_bytes_per_second: Option<u32>,
}

impl ConnectionsConfig {
    /// The settings in force on a machine of these means.
    pub(super) fn settings(&self, means: Means) -> Result<ListenerSettings, ConfigError> {
        let wrong = |key: &str, rule: &str| ConfigError(format!("connections.{key}: {rule}"));
        let within = |key: &str, value: Option<u32>, default: Duration| match value {
            None => Ok(default),
            Some(seconds) if (1..=LARGEST_TIMEOUT_SECONDS).contains(&seconds) => {
                Ok(Duration::from_secs(u64::from(seconds)))
            }
            Some(_) => Err(wrong(key, &format!("1 to {LARGEST_TIMEOUT_SECONDS} is needed"))),
        };
        let defaults = ListenerSettings::default();
        let for_files = (means.open_files / 4).max(OTHER_FILES.min(means.open_files / 2));
        let affordable = (means.open_files.saturating_sub(for_files)).min(means.memory_bytes / CONNECTION_BYTES).max(1);
        let max = match self.max {
            None => DEFAULT_MAX.min(affordable),
            Some(max) if (1..=LARGEST_MAX).contains(&max) => max,
            Some(_) => return Err(wrong("max", &format!("1 to {LARGEST_MAX} is needed"))),
        };
        if self.min_bytes_per_second == Some(0) {
            return Err(wrong("min_bytes_per_second", "at least 1 is needed"));
        }
        Ok(ListenerSettings {
            max_connections: max as usize,
            connection_bytes: (means.memory_bytes / SHARE_FOR_CONNECTIONS).max(LEAST_FOR_CONNECTIONS),
            head_budget: HeadBudget::new((means.memory_bytes / SHARE_FOR_HEADS).clamp(LEAST_FOR_HEADS, MOST_FOR_HEADS)),
            head_timeout: within("head_timeout_seconds", self.head_timeout_seconds, defaults.head_timeout)?,
            idle_timeout: within("idle_timeout_seconds", self.idle_timeout_seconds, defaults.idle_timeout)?,
            pace: PaceLimits {
                allowance: within("stall_timeout_seconds", self.stall_timeout_seconds, defaults.pace.allowance)?,
                bytes_per_second: self.min_bytes_per_second.unwrap_or(DEFAULT_MIN_BYTES_PER_SECOND),
            },
            ..defaults
        })
    }

    /// With the defaults filled in, but for the number that depends on the process.
    pub(super) fn filled(&self) -> Self {
        Self {
            max: self.max,
            head_timeout_seconds: self.head_timeout_seconds.or(Some(DEFAULT_HEAD_TIMEOUT_SECONDS)),
            idle_timeout_seconds: self.idle_timeout_seconds.or(Some(DEFAULT_IDLE_TIMEOUT_SECONDS)),
            stall_timeout_seconds: self.stall_timeout_seconds.or(Some(DEFAULT_STALL_TIMEOUT_SECONDS)),
            min_bytes_per_second: self.min_bytes_per_second.or(Some(DEFAULT_MIN_BYTES_PER_SECOND)),
        }
    }
}

impl super::Config {
    /// What the listener goes by on a machine of these means.
    pub fn listener_settings(&self, means: Means) -> Result<ListenerSettings, ConfigError> {
        let read = |text: &String| {
            TrustedProxies::parse([text.as_str()]).map(drop).map_err(|text| {
                ConfigError(format!(
                    "trusted_proxies: '{text}' is no address and no network such as 10.0.0.0/8 or 2001:db8::/32"
                ))
            })
        };
        ConfigError::gather(self.trusted_proxies.iter().map(read))?;
        let trusted_proxies = TrustedProxies::parse(self.trusted_proxies.iter().map(String::as_str))
            .map_err(|text| ConfigError(format!("trusted_proxies: '{text}'")))?;
        if self.proxy_protocol && trusted_proxies.is_empty() {
            return Err(ConfigError(
                "proxy_protocol: headers are taken from trusted proxies only, so name them with trusted_proxies"
                    .to_owned(),
            ));
        }
        let settings = self.connections.settings(means)?;
        Ok(ListenerSettings { trusted_proxies, proxy_protocol: self.proxy_protocol, ..settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Config;

    fn settings(text: &str, open_files: u64, memory_bytes: u64) -> Result<ListenerSettings, String> {
        let config: Config = toml::from_str(text).expect("well-formed");
        config.listener_settings(Means { open_files, memory_bytes }).map_err(|error| error.0)
    }

    #[test]
    fn connections_are_as_many_as_can_be_afforded() {
        const MIB: u64 = 1 << 20;
        for (text, open_files, memory, expected) in [
            ("", 1024, 8192 * MIB, 768),
            ("", 20_000, 8192 * MIB, 15_000),
            ("", 1 << 20, 8192 * MIB, 16_384),
            ("", 1 << 20, 256 * MIB, 4096),
            ("", u64::MAX, u64::MAX, 16_384),
            ("", 256, 8192 * MIB, 128),
            ("", 64, 0, 1),
            ("[connections]\nmax = 100000", 1 << 20, 256 * MIB, 100_000),
        ] {
            assert_eq!(
                settings(text, open_files, memory).expect("good").max_connections,
                expected,
                "{text} {open_files}"
            );
        }
    }

    #[test]
    fn connections_hold_a_part_of_the_memory() {
        const MIB: u64 = 1 << 20;
        for (memory, expected) in [(256 * MIB, 64 * MIB), (1024 * MIB, 256 * MIB), (0, 8 * MIB)] {
            assert_eq!(settings("", 1024, memory).expect("good").connection_bytes, expected);
        }
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        for (text, expected) in [
            ("trusted_proxies = [\"10.0.0.0/8\", \"proxy\"]", "trusted_proxies: 'proxy'"),
            ("proxy_protocol = true", "name them with trusted_proxies"),
            ("[connections]\nmax = 0", "connections.max"),
            ("[connections]\nhead_timeout_seconds = 0", "connections.head_timeout_seconds"),
            ("[connections]\nidle_timeout_seconds = 100000", "connections.idle_timeout_seconds"),
            ("[connections]\nstall_timeout_seconds = 0", "connections.stall_timeout_seconds"),
            ("[connections]\nmin_bytes_per_second = 0", "connections.min_bytes_per_second"),
        ] {
            let told = settings(text, 1024, u64::MAX).expect_err("refused");
            assert!(told.contains(expected), "{text}: {told}");
        }
        let text = "trusted_proxies = [\"10.0.0.0/8\"]\nproxy_protocol = true\n[connections]\nhead_timeout_seconds = 1";
        let settings = settings(text, 1024, u64::MAX).expect("good");
        assert!(settings.proxy_protocol && settings.head_timeout == Duration::from_secs(1));
    }
}
