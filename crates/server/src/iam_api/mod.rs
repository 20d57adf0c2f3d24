//! IAM's API (around.md 2, 3): one file per noun, one line per operation in `OPERATIONS`.

pub mod managed;

use crate::aws_api::operation::Entry;

/// Every operation of IAM that Wharf has.
pub const OPERATIONS: &[Entry] = &[];
