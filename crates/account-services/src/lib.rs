//! The services of an account: IAM, STS, KMS and Secrets Manager. One file per operation, or per noun where several share it.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod iam_api;
pub mod kms_api;
pub mod secrets_api;
pub mod sts;
