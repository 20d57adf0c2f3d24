//! HTTP: connections, bodies, host names and the dispatcher. Knows no rule of any service.

pub mod body;
pub mod certificate_authority;
mod certificate_names;
pub mod certificates;
pub mod dispatch;
pub mod hosts;
pub mod in_flight;
mod linger;
pub mod listener;
pub mod record;
pub mod request;
pub mod respond;
pub mod route;
pub mod tls;
