//! What a connection is reckoned to hold of the memory: as much as was measured, and a margin for what the allocator
//! cannot give back.
//!
//! One of HTTP/2 keeps its tables of streams as long as the most streams that it ever had, so that a client which asks for
//! a hundred things at once and goes silent holds several times what another one does. How many there were at a time
//! depends on who is quicker; the streams that were opened in all are an upper bound.

use std::sync::Arc;

use super::admission::Weight;
use crate::Runtime;
use crate::metrics::ConnectionEnd;

const KIB: u64 = 1024;
/// The socket, the task, and the buffers of HTTP that an idle connection keeps.
const IN_CLEAR: u64 = 24 * KIB;
/// TLS comes on top: its state, and a buffer for a record in each direction.
const OF_TLS: u64 = 24 * KIB;
/// What HTTP/2 has beside streams: buffers of frames, and the tables of headers.
const OF_HTTP_2: u64 = 16 * KIB;
/// A stream: 328 bytes for itself, 248 for what has come for it and 312 for what is to be sent; and its task.
const OF_STREAM: u64 = 3 * KIB / 2;
/// The tables begin with so many streams, and double when they are full.
const FIRST_STREAMS: u64 = 4;
/// Requests at a time on one connection of HTTP/2.
pub const MAX_STREAMS: u32 = 128;

/// What a connection holds at its beginning.
pub const fn first_bytes(is_tls: bool) -> u64 {
    if is_tls { IN_CLEAR + OF_TLS } else { IN_CLEAR }
}

/// What a connection of HTTP/2 holds beyond that, after it had so many streams.
const fn http_2_bytes(streams: u64) -> u64 {
    OF_HTTP_2 + streams * OF_STREAM
}

/// Weighs one connection of HTTP/2.
pub struct Http2Weight {
    app: Arc<Runtime>,
    weight: Weight,
    first_bytes: u64,
    /// How many streams are reckoned with.
    streams: u64,
}

impl Http2Weight {
    /// Of a connection that begins.
    pub const fn new(app: Arc<Runtime>, weight: Weight, is_tls: bool) -> Self {
        Self { app, weight, first_bytes: first_bytes(is_tls), streams: 0 }
    }

    /// So many streams have been opened by now. Says whether the connection may go on.
    pub fn opened(&mut self, streams: u64) -> bool {
        let streams = streams.clamp(FIRST_STREAMS, u64::from(MAX_STREAMS)).next_power_of_two();
        if streams <= self.streams {
            return true;
        }
        self.streams = streams;
        let (goes_on, given_up) = self.weight.set(self.first_bytes + http_2_bytes(streams));
        self.app.metrics.connection_ends.add(ConnectionEnd::GivenUp, given_up as u64);
        goes_on
    }
}
