//! Connections and requests that the server ended by itself, by why.

use store::measure::Counter;

use super::exposition::{Exposition, Kind};

/// Why the server ended a connection, or a stream of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// No request came in time, or no whole head.
    HeadTimeout,
    /// All heads that are not whole are too long together.
    LongHeads,
    /// No further request came.
    Idle,
    /// A body came too slowly.
    SlowBody,
    /// An answer was not read.
    SlowReader,
    /// Others came when there was no more room.
    GivenUp,
    /// There was no room, and nobody who could make some.
    Overflow,
    /// A trusted proxy said nothing that is right about whom it speaks for.
    BadProxyHeader,
    /// It was made with the other scheme.
    WrongScheme,
}

impl ConnectionEnd {
    const ALL: [(Self, &str); 9] = [
        (Self::HeadTimeout, "head_timeout"),
        (Self::LongHeads, "long_heads"),
        (Self::Idle, "idle"),
        (Self::SlowBody, "slow_body"),
        (Self::SlowReader, "slow_reader"),
        (Self::GivenUp, "given_up"),
        (Self::Overflow, "overflow"),
        (Self::BadProxyHeader, "bad_proxy_header"),
        (Self::WrongScheme, "wrong_scheme"),
    ];
}

/// How many ended why.
#[derive(Default)]
pub struct ConnectionEnds([Counter; ConnectionEnd::ALL.len()]);

impl ConnectionEnds {
    /// One more.
    pub fn note(&self, end: ConnectionEnd) {
        self.add(end, 1);
    }

    /// So many more.
    pub fn add(&self, end: ConnectionEnd, count: u64) {
        let position = ConnectionEnd::ALL.iter().position(|(known, _)| *known == end);
        if let Some(counter) = position.and_then(|position| self.0.get(position)) {
            counter.add(count);
        }
    }

    /// Tells how many.
    pub fn render(&self, out: &mut Exposition) {
        let help = "Connections and requests that the server ended by itself.";
        out.family("wharf_http_connections_ended_total", Kind::Counter, help);
        for ((_, reason), counter) in ConnectionEnd::ALL.iter().zip(&self.0) {
            out.sample("", &[("reason", reason)], counter.get());
        }
    }
}
