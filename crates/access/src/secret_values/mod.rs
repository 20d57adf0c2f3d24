//! The values of secrets, sealed, in versions and stages; and what the pull through cache reads of them. Their API is elsewhere.

pub mod errors;
mod pull_through;
pub mod stored;
pub mod value;
pub mod versions;

pub use pull_through::{
    MeantSecret, SecretProblem, UpstreamCredential, arn_for_pull_through, need_to_read, read_for_pull_through,
};
pub use stored::arn;
pub use value::{PURPOSE as VALUE_PURPOSE, context as value_context};
