//! HTTP: connections, bodies, host names and the dispatcher. Knows no rule of any service.

mod admission;
pub mod body;
mod connection;
pub mod dispatch;
pub mod forwarded;
pub mod head_budget;
pub mod hosts;
pub mod in_flight;
mod linger;
pub mod listener;
pub mod machine;
pub mod pace;
pub mod paced_body;
mod paced_stream;
mod prepended;
mod proxy_protocol;
pub mod ready;
pub mod record;
pub mod request;
pub mod respond;
pub mod route;
mod stalled_streams;
mod strict_lines;
pub mod tls;
mod transport;
