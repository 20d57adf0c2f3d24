//! HTTP: connections, bodies, host names and the dispatcher. Knows no rule of any service.

pub mod body;
pub mod budget;
pub mod dispatch;
mod host_header;
pub mod hosts;
pub mod in_flight;
mod linger;
pub mod listener;
pub mod memory_limit;
pub mod record;
pub mod request;
pub mod respond;
pub mod route;
pub mod spool;
pub mod tls;
