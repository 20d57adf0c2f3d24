//! Requests that are not let in: why, what records say of it, and how those who try credentials out are slowed down.

use access::audit;
use access::auth::token::TokenError;
use access::request::RequestContext;
use aws::Region;
use aws::sigv4::SigV4Error;
use runtime::http::body::RequestBody;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;

/// Why a request is not let in. Each protocol has its own words for it.
#[derive(Debug)]
pub enum Refused {
    /// The signature is not there, or not good.
    Signature(SigV4Error),
    /// No token is there, or nothing that looks like one; with the registry that the host names.
    NoToken(Option<RegistryId>),
    /// The token is none of this server's, or stands for nobody any more.
    InvalidToken,
    /// The token was good once.
    ExpiredToken,
    /// The token is good in another region than the host's.
    OtherRegion,
    /// The host is of a region that this server does not serve.
    NotServed(Region),
    /// Nothing here stands for the repository of that other registry.
    NotMirrored(String),
    /// What decides could not be read.
    Store(StoreError),
}

impl From<SigV4Error> for Refused {
    fn from(error: SigV4Error) -> Self {
        Self::Signature(error)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Refused {
    /// Whether somebody may be trying credentials out.
    pub const fn is_guess(&self) -> bool {
        match self {
            Self::Signature(error) => error.is_guess(),
            Self::InvalidToken => true,
            Self::NoToken(_)
            | Self::ExpiredToken
            | Self::OtherRegion
            | Self::NotServed(_)
            | Self::NotMirrored(_)
            | Self::Store(_) => false,
        }
    }

    /// Records that credentials were refused. What has good ones, or needs none, has no record of that.
    fn record(&self, http: &RequestContext, call: Option<(&'static str, bool)>) {
        let error = match self {
            Self::Signature(error) => {
                return audit::record_signature(http, call.is_some_and(|(_, is_read_only)| is_read_only), error);
            }
            Self::NoToken(_) => TokenError::Missing,
            Self::InvalidToken | Self::OtherRegion => TokenError::Invalid,
            Self::ExpiredToken => TokenError::Expired,
            Self::NotServed(_) | Self::NotMirrored(_) | Self::Store(_) => return,
        };
        audit::record_login(http, call, &error);
    }
}

/// Records a refusal, and holds its answer back if this source fails again and again: what its body still has is dropped
/// meanwhile. `call` is the call of an API that was meant, and whether that changes nothing.
pub async fn refuse(
    http: &RequestContext,
    body: &mut RequestBody,
    call: Option<(&'static str, bool)>,
    refused: &Refused,
) {
    refused.record(http, call);
    if refused.is_guess() {
        body.drop_during(&http.headers, http.delay_failure()).await;
    }
}
