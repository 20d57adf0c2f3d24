//! The part of CloudTrail's API that looks back at what was done: LookupEvents. One file per operation.

mod errors;
mod lookup_events;

use crate::aws_api::operation::Entry;

/// Every operation of CloudTrail that Wharf has.
pub const OPERATIONS: &[Entry] = &[Entry::of::<lookup_events::LookupEvents>()];
