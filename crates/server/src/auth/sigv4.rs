//! Authentication of AWS API requests: the signature of wire.md section 3.

use aws::sigv4::{Presented, RequestParts, SigV4Error};

use super::caller::Caller;
use super::keys::{self, KeyHolder};
use crate::app::App;

/// Services whose one endpoint serves all regions and signs in the first.
const GLOBAL_SERVICES: [&str; 2] = ["iam", "sts"];
const GLOBAL_REGION: &str = "us-east-1";

/// The key that a request's signature names, before anything is checked.
pub fn find_key(app: &App, request: &RequestParts<'_>) -> Result<(Presented, KeyHolder), SigV4Error> {
    let presented = Presented::from_request(request)?;
    let holder = keys::find(app, &presented.access_key_id, presented.session_token.as_deref())?;
    Ok((presented, holder))
}

/// Checks the signature of a request for `service` that came to the host `authority`, and says who made it.
pub fn authenticate(
    app: &App,
    request: &RequestParts<'_>,
    service: &str,
    authority: &str,
) -> Result<Caller, SigV4Error> {
    let (presented, holder) = find_key(app, request)?;
    let host_region = app.hosts.api_region_of(authority);
    let is_valid_region = |region: &str| {
        let is_served =
            app.accounts.has_region(region) || (GLOBAL_SERVICES.contains(&service) && region == GLOBAL_REGION);
        is_served && host_region.as_ref().is_none_or(|named| named.as_str() == region)
    };
    let signing_key = |date: &str, region: &str| app.signing_keys.derive(&holder.secret, date, region, service);
    presented.verify(request, signing_key, service, is_valid_region, app.now_ms()).map_err(|error| match error {
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
    })?;
    let region = presented.region.parse().map_err(|_| SigV4Error::UnrecognizedClient)?;
    app.last_uses.record_key(&presented.access_key_id, service, &presented.region, app.now_ms());
    Ok(holder.into_caller(region, presented.access_key_id))
}
