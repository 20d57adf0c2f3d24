//! The part of CloudTrail's API that looks back at what was done: LookupEvents. One file per operation.

mod errors;
mod lookup_events;

use api::protocols::operation::Entry;
use api::protocols::service::{Protocol, Service};

/// Every operation of CloudTrail that Wharf has.
const OPERATIONS: &[Entry] = &[Entry::of::<lookup_events::LookupEvents>()];

/// The service.
pub static SERVICE: Service = Service {
    signing_name: "cloudtrail",
    name: "CloudTrail",
    protocol: Protocol::Json { target: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101" },
    operations: &[OPERATIONS],
    unsigned: &[],
    is_amazons: true,
};
