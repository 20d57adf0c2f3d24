//! The way of a call through the server, whichever service it is for: admission, protocols, permissions, rates, records.
//! Knows no service.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod admission;
pub mod grammar;
pub mod paging;
pub mod protocols;
pub mod registry_error;
