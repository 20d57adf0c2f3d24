//! Requests that the server makes to hosts which somebody else has named: only to addresses that may be reached.

mod client;
mod networks;

pub use client::{OutboundClient, Patience, cause_of, is_loopback};
pub use networks::{NetworkPattern, Networks};
