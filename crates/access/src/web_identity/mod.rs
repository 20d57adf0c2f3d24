//! Web identities: what an OpenID Connect provider has signed about somebody, and the keys to check it with.

mod fetch;
mod keys;
mod sources;
pub mod token;

#[cfg(test)]
mod fetch_tests;
#[cfg(any(test, feature = "testing"))]
pub mod test_issuer;
#[cfg(test)]
mod token_tests;

pub use keys::Keys;
pub use sources::{Issuers, SourceConfig};
