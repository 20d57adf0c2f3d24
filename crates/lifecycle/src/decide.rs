//! The evaluation (reference/lifecycle.md 3): first the rules, then what images are to each other.

use crate::{Image, LifecyclePolicy, Options, Plan, select, settle};

/// Says what a policy does to the images of one repository at one moment.
///
/// Give every image in state ACTIVE or ARCHIVED, each digest once, in any order.
pub fn decide(images: &[Image<'_>], policy: &LifecyclePolicy, options: &Options, now_ms: i64) -> Plan {
    let selected = select::select(images, policy, *options, now_ms);
    settle::settle(images, selected)
}
