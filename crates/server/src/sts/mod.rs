//! The Security Token Service (around.md 3): who am I, and keys for a while. One file per operation.

mod errors;
mod get_caller_identity;

use std::pin::Pin;

use aws::AwsError;

use crate::aws_api::operation::Entry;
use crate::http::request::RequestContext;

/// Every signed operation of STS that Wharf has.
pub const OPERATIONS: &[Entry] = &[Entry::of::<get_caller_identity::GetCallerIdentity>()];

type Running<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, AwsError>> + Send + 'a>>;

/// An operation that proves who calls by what it is given, and so needs no signature.
pub struct UnsignedEntry {
    /// Its name.
    pub name: &'static str,
    /// Runs it on a request's JSON and gives the answer's.
    pub run: for<'a> fn(&'a RequestContext, &'a [u8]) -> Running<'a>,
}

/// Every such operation.
pub const UNSIGNED: &[UnsignedEntry] = &[];
