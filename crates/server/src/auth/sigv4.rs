//! Authentication of AWS API requests: the signature of wire.md section 3.

use aws::sigv4::{Presented, RequestParts, SigV4Error};

use super::accounts::RootKey;
use super::caller::Caller;
use crate::app::App;

/// The service that may be called in any region's name: its endpoint is global.
const GLOBAL_SERVICE: &str = "sts";
const GLOBAL_REGION: &str = "us-east-1";

/// The key that a request's signature names, before anything is checked.
pub fn find_key<'a>(app: &'a App, request: &RequestParts<'_>) -> Result<(Presented, &'a RootKey), SigV4Error> {
    let presented = Presented::from_request(request)?;
    // Only root keys exist, and they are permanent: a session token belongs to none of them.
    let key = app
        .accounts
        .find_key(&presented.access_key_id)
        .filter(|_| presented.session_token.is_none())
        .ok_or(SigV4Error::UnrecognizedClient)?;
    Ok((presented, key))
}

/// Checks the signature of a request for `service` that came to the host `authority`, and says who made it.
pub fn authenticate(
    app: &App,
    request: &RequestParts<'_>,
    service: &str,
    authority: &str,
) -> Result<Caller, SigV4Error> {
    let (presented, key) = find_key(app, request)?;
    let host_region = app.hosts.api_region_of(authority);
    let is_valid_region = |region: &str| {
        let is_served = app.accounts.has_region(region) || (service == GLOBAL_SERVICE && region == GLOBAL_REGION);
        is_served && host_region.as_ref().is_none_or(|named| named.as_str() == region)
    };
    presented.verify(request, &key.secret, service, is_valid_region, app.now_ms())?;
    let region = presented.region.parse().map_err(|_| SigV4Error::UnrecognizedClient)?;
    Ok(Caller { account: key.account, region, access_key_id: presented.access_key_id })
}
