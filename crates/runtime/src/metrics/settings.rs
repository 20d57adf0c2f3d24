//! What metrics go by.

use crate::hidden::Hidden;

/// What the configuration of metrics comes to.
#[derive(Clone, Debug, Default)]
pub struct MetricsSettings {
    /// Whether the server's own listener has them.
    pub on_main_listener: bool,
    /// What readers must send.
    pub token: Option<Hidden>,
    /// Repositories that are told by name.
    pub repositories: usize,
}
