//! The contract of the store, checked from outside on every back end.

#![expect(clippy::unwrap_used, reason = "all of this is tests, of which clippy knows only the #[test] functions")]

mod backend;
mod blob;
mod db;
mod tables;
