//! The AWS wire: accounts and regions, ARNs, signatures, JSON, Query and XML. Knows no service. Pure.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod arn;
mod error;
mod form;
mod identity;
mod json;
mod large_member;
mod members;
mod number;
mod query;
pub mod sigv4;
mod strict_json;
pub mod time;
pub mod visible;
mod xml;

pub use arn::{Arn, ArnError};
pub use error::AwsError;
pub use form::from_form;
pub use identity::{AccessKeyId, AccountId, IdentityError, Partition, Region, SecretAccessKey, SessionToken};
pub use json::{Blob, Timestamp};
pub use large_member::{LargeMember, Malformed};
pub use members::members_of;
pub use number::{FormNumber, number_text};
pub use query::{QueryError, QueryForm, bool_text};
pub use strict_json::from_json;
pub use xml::{XmlWriter, json_to_xml, query_response};
