//! The way of a call through the server, whichever service it is for: protocols, signatures, permissions, rates, records.
//! Knows no service.

pub mod grammar;
pub mod paging;
pub mod protocols;
