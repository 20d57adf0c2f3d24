//! Why a server does not start, or a command on its data folder.

use std::net::SocketAddr;
use std::path::Path;

use store::error::{StoreError, StoreErrorKind};

use crate::config_error::ConfigError;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Storage cannot be opened.
    #[error("storage: {0}")]
    Store(#[from] StoreError),
    /// Anything else; says what and where.
    #[error("{0}")]
    Other(String),
}

impl StartError {
    pub fn io(path: &Path, error: std::io::Error) -> Self {
        match StoreError::io(path.display().to_string(), error) {
            full if full.kind() == StoreErrorKind::Full => Self::Store(full),
            other => Self::Other(crate::with_causes(&other)),
        }
    }

    /// Says what to do beside what is wrong, where that can be known.
    pub fn listen(address: SocketAddr, error: &std::io::Error) -> Self {
        let way_out = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                ": another program, or another Wharf, listens there. End it, or name another address with --listen, \
                 WHARF_LISTEN or `listen` in the configuration; port 0 takes a free one"
            }
            std::io::ErrorKind::AddrNotAvailable => {
                ": this machine has no such address. Name one of its own with --listen, such as 0.0.0.0 for all of them"
            }
            std::io::ErrorKind::PermissionDenied => {
                ": ports below 1024 need a right that this user lacks. Name a higher one with --listen, or give the \
                 program CAP_NET_BIND_SERVICE"
            }
            _ => "",
        };
        Self::Other(format!("cannot listen at {address}: {error}{way_out}"))
    }
}
