//! Authentication of AWS API requests: the signature of reference/wire.md 3.

use aws::sigv4::{Presented, RequestParts, SigV4Error};

use super::caller::{Caller, Credentials};
use super::keys::{self, KeyHolder};
use super::session::Session;
use crate::Access;
use crate::request::RequestContext;

/// Services whose one endpoint serves all regions and signs in the first.
const GLOBAL_SERVICES: [&str; 2] = ["iam", "sts"];
const GLOBAL_REGION: &str = "us-east-1";

/// What a request says of its signature, and whose key that would be. Nothing is proven.
pub struct Claim {
    /// What the request presents.
    pub presented: Presented,
    holder: KeyHolder,
    /// When the head came. A body may take longer than a signature may be old.
    arrived_at_ms: i64,
}

/// The parts of a request that its signature covers.
pub fn parts<'a>(http: &'a RequestContext, body_sha256: &'a str) -> RequestParts<'a> {
    RequestParts {
        method: http.method.as_str(),
        path: &http.path,
        query: &http.query,
        headers: &http.headers,
        body_sha256,
    }
}

/// The key that a request's head names. It is looked up before anything of the body is read: whoever names no key of ours
/// is not listened to for long. What it stands for may be another thing when the body is whole: [`authenticate`] looks again.
pub fn find_key(http: &RequestContext) -> Result<Claim, SigV4Error> {
    let presented = Presented::from_request(&parts(http, ""))?;
    let holder = keys::find(&http.app, &presented.access_key_id, presented.session_token.as_deref())?;
    Ok(Claim { presented, holder, arrived_at_ms: http.app.now_ms() })
}

/// Checks the signature of a request for `service`, whose body has that SHA-256, and says who made it, by what holds now:
/// long may have passed since the head came. Only the date of the signature is judged by then. The region must be that of the host `authority`, if it names one.
pub fn authenticate(
    http: &RequestContext,
    claim: Claim,
    body_sha256: &str,
    service: &str,
    authority: &str,
) -> Result<Caller, SigV4Error> {
    let Claim { presented, mut holder, arrived_at_ms } = claim;
    let has_ended = |session: &Session| session.claims.expires_at_ms <= http.app.now_ms();
    let is_over = matches!(&holder.credentials, Credentials::Session(session) if has_ended(session));
    if is_over || http.app.identities.current().version() != holder.identity_version {
        holder = keys::find(&http.app, &presented.access_key_id, presented.session_token.as_deref())?;
    }
    verify(&http.app, &presented, &holder, arrived_at_ms, &parts(http, body_sha256), service, authority)?;
    let region = presented.region.parse().map_err(|_| SigV4Error::UnrecognizedClient)?;
    http.app.last_uses.record_key(&presented.access_key_id, service, &presented.region, http.app.now_ms());
    Ok(holder.into_caller(region, presented.access_key_id))
}

/// As [`authenticate`], and only says whether it holds.
pub fn check(http: &RequestContext, claim: &Claim, body_sha256: &str, service: &str) -> Result<(), SigV4Error> {
    let Claim { presented, holder, arrived_at_ms } = claim;
    verify(&http.app, presented, holder, *arrived_at_ms, &parts(http, body_sha256), service, "")
}

fn verify(
    app: &Access,
    presented: &Presented,
    holder: &KeyHolder,
    arrived_at_ms: i64,
    parts: &RequestParts<'_>,
    service: &str,
    authority: &str,
) -> Result<(), SigV4Error> {
    let host_region = app.hosts.api_region_of(authority);
    let is_valid_region = |region: &str| {
        let is_served =
            app.accounts.has_region(region) || (GLOBAL_SERVICES.contains(&service) && region == GLOBAL_REGION);
        is_served && host_region.as_ref().is_none_or(|named| named.as_str() == region)
    };
    let signing_key = |date: &str, region: &str| app.signing_keys.derive(&holder.secret, date, region, service);
    presented.verify(parts, signing_key, service, is_valid_region, arrived_at_ms).map_err(|error| match error {
        SigV4Error::InvalidRegion => {
            let why = match host_region.as_ref().filter(|named| app.accounts.has_region(named.as_str())) {
                Some(named) => {
                    format!("The host {authority} is of {named}, and the request was signed for another region")
                }
                None => app.accounts.why_not_served(&presented.region),
            };
            SigV4Error::InvalidSignature(format!("{error} {why}"))
        }
        error => error,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws::SecretAccessKey;
    use aws::sigv4::{Signer, SigningRequest, sha256_hex, sign_headers};
    use http::{HeaderValue, header};
    use store::tables::iam::access_keys;
    use store::tables::identity_version;

    use super::*;
    use crate::testing::{ACCOUNT, START_MS, TestAccess};
    use crate::web_identity::SourceConfig;

    const BODY: &[u8] = b"{}";
    const SLOW_MS: i64 = 20 * 60 * 1000;

    /// A request that a user signed just now.
    fn signed(test: &TestAccess, key: &str) -> RequestContext {
        let mut http = test.request();
        http.headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        let headers = sign_headers(
            &SigningRequest {
                method: http.method.as_str(),
                path: &http.path,
                query: &http.query,
                headers: &http.headers,
                body: BODY,
            },
            &Signer {
                access_key_id: key,
                secret: &SecretAccessKey::new("user secret".to_owned()),
                session_token: None,
                region: "us-east-1",
                service: "ecr",
                now_ms: START_MS,
            },
        );
        http.headers.extend(headers);
        http
    }

    fn end(http: &RequestContext, claim: Claim) -> Result<(), SigV4Error> {
        authenticate(http, claim, &sha256_hex(BODY), "ecr", "").map(|_| ())
    }

    #[tokio::test]
    async fn a_signature_is_as_old_as_it_was_when_its_head_came() {
        let test = TestAccess::new(SourceConfig { allow_private_networks: false, files: HashMap::new() }).await;
        let key = test.user(ACCOUNT, "slow", None).await;
        let http = signed(&test, &key);
        let claim = find_key(&http).expect("a key");
        let late = find_key(&http).expect("a key");
        test.clock.advance_ms(SLOW_MS);
        end(&http, claim).expect("it was fresh when it came");
        let stale = find_key(&http).expect("a key");
        assert!(matches!(end(&http, stale), Err(SigV4Error::InvalidSignature(_))), "it was old when it came");

        let id = key.clone();
        let written = test.db.write(move |tx| {
            access_keys::set_active(tx, &id, false)?;
            identity_version::increment(tx)
        });
        written.await.expect("stored");
        test.load_identities().await.expect("readable");
        assert!(end(&http, late).is_err(), "the key is judged when the body is whole");
    }
}
