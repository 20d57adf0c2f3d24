//! What the listener goes by.

use std::sync::Arc;
use std::time::Duration;

use super::forwarded::TrustedProxies;
use super::head_budget::HeadBudget;
use super::pace::PaceLimits;

/// So many connections one node holds unless open files or memory allow fewer.
pub const DEFAULT_MAX: u64 = 16_384;
/// One part in so many of the memory is for connections, by what they hold.
pub const SHARE_FOR_CONNECTIONS: u64 = 4;
/// What heads that are not whole yet may take of the memory, however much there is.
pub const MOST_FOR_HEADS: u64 = 64 * 1024 * 1024;
/// From the beginning of a connection to its first request, and from that of any head to its end.
pub const DEFAULT_HEAD_TIMEOUT_SECONDS: u32 = 30;
/// From one request to the next.
pub const DEFAULT_IDLE_TIMEOUT_SECONDS: u32 = 120;
/// That a client may be silent in a body, or may not read an answer.
pub const DEFAULT_STALL_TIMEOUT_SECONDS: u32 = 60;
/// That make good for a second of these.
pub const DEFAULT_MIN_BYTES_PER_SECOND: u32 = 500;

/// What the listener goes by.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// Connections at a time.
    pub max_connections: usize,
    /// What all of them together may hold of the memory.
    pub connection_bytes: u64,
    /// From the beginning of a connection to its first request, and from that of any head to its end.
    pub head_timeout: Duration,
    /// From one request to the next.
    pub idle_timeout: Duration,
    /// For bodies and answers.
    pub pace: PaceLimits,
    /// For heads that are not whole yet.
    pub head_budget: Arc<HeadBudget>,
    /// Who may speak for others.
    pub trusted_proxies: TrustedProxies,
    /// Whether these begin connections with a header of the PROXY protocol.
    pub proxy_protocol: bool,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        Self {
            max_connections: DEFAULT_MAX as usize,
            connection_bytes: u64::MAX / SHARE_FOR_CONNECTIONS,
            head_timeout: seconds(DEFAULT_HEAD_TIMEOUT_SECONDS),
            idle_timeout: seconds(DEFAULT_IDLE_TIMEOUT_SECONDS),
            pace: PaceLimits {
                allowance: seconds(DEFAULT_STALL_TIMEOUT_SECONDS),
                bytes_per_second: DEFAULT_MIN_BYTES_PER_SECOND,
            },
            head_budget: HeadBudget::new(MOST_FOR_HEADS),
            trusted_proxies: TrustedProxies::default(),
            proxy_protocol: false,
        }
    }
}
