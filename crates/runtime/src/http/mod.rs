//! HTTP: connections, bodies and host names. Knows no service, and not what requests are for: that is its handler's.
//!
//! `listener` accepts. `admission` knows who holds how many connections and since when each waits for its client, and ends the
//! oldest of the greediest source when there is no room. `transport` takes PROXY header and TLS off and finds out the version;
//! `connection` serves it and looks after its times. What a peer may keep the server waiting for is a stock of time (`pace`): of
//! a body (`paced_body`), of a connection that is written to (`paced_stream`), of a stream of HTTP/2 (`stalled_streams`).
//! `strict_lines` follows HTTP/1 beside hyper, for bare line feeds and slow or long heads, which together hold no more than
//! `head_budget` gives. `forwarded` puts the client in the place of a trusted proxy before anybody else looks at the request,
//! `host_header` settles which host is meant. A body is kept in a `spool` that holds what the `budget` has for it.
//! `certificates` holds the certificate in force, which files that change and the `certificate_authority` replace.

mod admission;
pub mod body;
pub mod budget;
pub mod certificate_authority;
mod certificate_names;
pub mod certificates;
mod connection;
mod connection_weight;
pub mod finish;
pub mod forwarded;
pub mod handler;
pub mod head_budget;
mod head_watch;
mod header_blocks;
pub mod held_answer;
pub mod host_header;
pub mod hosts;
pub mod in_flight;
mod layered;
mod lingering_close;
pub mod listener;
pub mod listener_settings;
pub mod machine;
pub mod memory_limit;
pub mod pace;
pub mod paced_body;
mod paced_stream;
mod pool;
mod prepended;
pub mod probes;
mod proxy_protocol;
pub mod record;
pub mod respond;
pub mod socket;
pub mod spool;
mod stalled_streams;
pub mod strict_lines;
pub mod tls;
mod transport;
