//! The services whose models are ECR's.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod ecr;
