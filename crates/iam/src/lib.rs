//! The IAM policy language: parse, validate, evaluate, explain. Pure: no I/O, no clock, no other crate of Wharf.
//!
//! A [`Policy`] is read once and compiled; [`decide`] then says whether a [`Request`] is allowed by the [`Policies`]
//! in force, and why. The rules are those of reference/access.md 1, 4 and 5 and of the IAM User Guide.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod action;
mod arn;
mod condition;
mod context;
mod decide;
mod decision;
mod error;
mod held;
mod parse;
mod pattern;
mod policy;
mod position;
mod principal;
mod reading;
mod replace;
mod request;
mod resource;
mod syntax;
mod trust;
mod validate;

pub use context::Context;
pub use decide::{OpenDeny, decide, decide_as_written, open_denies};
pub use decision::{Decision, Matched, Outcome, Reason, advice, source_name};
pub use error::{PolicyError, PolicyLocation};
pub use policy::{Effect, MAX_HELD_BYTES, MAX_POLICY_BYTES, Policy, PolicyKind, Statement, WeakPolicy};
pub use position::Position;
pub use principal::{FederatingUser, Principal};
pub use replace::{replace_aws_principals, with_account_arns};
pub use request::{Attached, Policies, Request, Source};
pub use trust::decide_trust;
