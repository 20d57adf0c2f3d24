//! Lifecycle policies at work: what a policy says about the images of a repository, and carrying it out
//! (reference/lifecycle.md).

pub mod decision;
pub mod images;
pub mod preview_lifecycle_policy;
pub mod run;
pub mod run_lifecycle_policy;
pub mod schedule_lifecycle;
pub mod service_events;

use ::lifecycle::{LifecyclePolicy, Options, PolicyError};

/// Options under which a text is read: the extension that a policy can use is Wharf's everywhere.
const ACCEPTED: Options = Options { allow_expire_since_pulled: true, select_root_images_only: false };

/// How long the results of a preview can be had (reference/lifecycle.md 4: 24 h, inferred).
pub const PREVIEW_LIFETIME_MS: i64 = 24 * 60 * 60 * 1000;
/// A preview that has taken so long has failed in a way that left no trace: its job was given up by then.
pub const PREVIEW_DEADLINE_MS: i64 = 2 * 60 * 60 * 1000;

/// Reads a policy as PutLifecyclePolicy takes it: ECR's language, and `expire` with `sinceImagePulled`.
pub fn parse(text: &str) -> Result<LifecyclePolicy, PolicyError> {
    LifecyclePolicy::parse_with(text, &ACCEPTED)
}
