//! The answers to requests of `/v2/` that are not let in (reference/access.md 7).

use access::request::RequestContext;
use api::admission::Refused;
use http::{StatusCode, header};
use oci::ErrorCode;
use runtime::http::respond::{self, Answer};
use store::tables::registry_id::RegistryId;

use super::errors::V2Error;

/// The answer to a request that is not let in.
pub fn answer(http: &RequestContext, refused: Refused) -> Answer {
    let error = match refused {
        Refused::NoToken(named) => return challenge(http, named.as_ref()),
        // Nobody shows a signature here, and it is no token.
        Refused::Signature(_) => return challenge(http, None),
        Refused::InvalidToken | Refused::OtherRegion => V2Error::invalid_token(),
        Refused::ExpiredToken => {
            V2Error::new(ErrorCode::Denied, "Your authorization token has expired. Reauthenticate and try again.")
        }
        Refused::NotServed(region) => {
            V2Error::new(ErrorCode::Denied, http.app.accounts.why_not_served(region.as_str()))
        }
        // So that the client goes on to the registry itself.
        Refused::NotMirrored(upstream) => {
            let text = format!("No pull through cache rule leads to '{upstream}' for this name");
            V2Error::new(ErrorCode::NameUnknown, text)
        }
        Refused::Store(error) => error.into(),
    };
    error.into_answer(http)
}

/// Asks for Basic credentials as ECR does.
fn challenge(http: &RequestContext, named: Option<&RegistryId>) -> Answer {
    let realm = match named {
        Some(registry) => http.registry_url(registry),
        None => format!("{}://{}", http.scheme(), http.authority),
    };
    let mut answer = respond::with_body(StatusCode::UNAUTHORIZED, "text/plain; charset=utf-8", "Not Authorized\n");
    // A Host header may hold what a quoted string may not.
    let realm = realm.replace(['"', '\\'], "");
    let value = format!("Basic realm=\"{realm}/\",service=\"ecr.amazonaws.com\"");
    respond::add_header(&mut answer, header::WWW_AUTHENTICATE, value);
    answer
}
