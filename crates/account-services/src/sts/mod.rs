//! The Security Token Service (reference/around.md 3): who am I, and keys for a while. One file per operation.
//!
//! A session token is sealed claims: no row stands behind it, and its policies, tags and web identity are looked at anew with each
//! request. `assume_role` and `assume_role_with_web_identity` ask `auth::assume` whether a role's trust policy and the caller's
//! policies let somebody in, and `grant` makes the keys. `web_identity` believes tokens: `token` has the rules, which are pure,
//! `keys` an issuer's keys, `sources` keeps them and lets one request fetch at a time, within limits.

mod assume_role;
mod assume_role_with_saml;
mod assume_role_with_web_identity;
mod constraints;
mod decode_authorization_message;
mod errors;
mod get_access_key_info;
mod get_caller_identity;
mod get_federation_token;
mod get_session_token;
mod grant;
#[cfg(test)]
mod tests;

use access::audit;
use access::request::RequestContext;
use api::protocols::operation::Entry;
use api::protocols::service::{Protocol, QueryApi, Service, UnsignedEntry};
use aws::AwsError;

/// Every signed operation of STS that Wharf has.
const OPERATIONS: &[Entry] = &[
    Entry::of::<assume_role::AssumeRole>(),
    Entry::of::<decode_authorization_message::DecodeAuthorizationMessage>(),
    Entry::of::<get_access_key_info::GetAccessKeyInfo>(),
    Entry::of::<get_caller_identity::GetCallerIdentity>(),
    Entry::of::<get_federation_token::GetFederationToken>(),
    Entry::of::<get_session_token::GetSessionToken>(),
];

/// Its API.
pub static API: QueryApi = QueryApi { version: "2011-06-15", namespace: "https://sts.amazonaws.com/doc/2011-06-15/" };

/// The service.
pub static SERVICE: Service = Service {
    signing_name: "sts",
    name: "STS",
    protocol: Protocol::Query(&API),
    operations: &[OPERATIONS],
    unsigned: UNSIGNED,
    is_amazons: true,
};

/// The answer to a code of a second factor, which nobody here has.
const NO_MFA: &str = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";

/// Every operation of STS that needs no signature.
const UNSIGNED: &[UnsignedEntry] = &[assume_role_with_saml::ENTRY, assume_role_with_web_identity::ENTRY];

/// Records whether a web identity was given a role's keys.
fn record_web_identity(http: &RequestContext, name: &'static str, body: &[u8], result: &Result<Vec<u8>, AwsError>) {
    match result {
        Ok(output) => audit::record_web_identity(http, name, body, output),
        Err(error) => audit::record_web_identity_refusal(http, name, body, error),
    }
}
