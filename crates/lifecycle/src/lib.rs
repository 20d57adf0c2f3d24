//! Lifecycle policies: parse, validate, decide. Pure: no I/O, no clock, no other crate of Wharf.
//!
//! A [`LifecyclePolicy`] is read once; [`decide`] then says what happens to the images of a repository: a [`Plan`] that
//! the caller carries out or shows as a preview. The rules are those of reference/lifecycle.md and of the ECR User Guide.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod decide;
mod error;
mod image;
mod options;
mod parse;
mod pattern;
mod plan;
mod policy;
mod schema;
mod select;
mod settle;
mod unique;

pub use decide::decide;
pub use error::PolicyError;
pub use image::Image;
pub use options::Options;
pub use pattern::{MAX_WILDCARDS, TagPattern};
pub use plan::{Failure, Plan, Planned};
pub use policy::{Action, Count, LifecyclePolicy, MAX_RULES, Rule, Selection, StorageClass, TagSelection};
