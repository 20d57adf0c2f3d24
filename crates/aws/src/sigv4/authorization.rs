//! What a request presents: the `Authorization` header, or the query of a presigned URL.

use super::error::SigV4Error;
use super::{ALGORITHM, AUTHORITY, RequestParts, header};
use crate::query::QueryForm;
use crate::time;

/// A signature and the scope that it claims, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The key that is said to have signed.
    pub access_key_id: String,
    /// Scope: `YYYYMMDD`.
    pub date: String,
    /// Scope: region.
    pub region: String,
    /// Scope: service.
    pub service: String,
    /// Scope: `aws4_request`.
    pub terminator: String,
    /// Names of the headers that it covers, in the client's order.
    pub signed_headers: Vec<String>,
    /// Lower-case hex.
    pub signature: String,
    /// The time of signing, `YYYYMMDDTHHMMSSZ`.
    pub amz_date: String,
    /// The session token, for temporary keys.
    pub session_token: Option<String>,
    /// Seconds for which a presigned URL is good; none in the header form.
    pub expires_seconds: Option<u32>,
}

fn incomplete(text: impl Into<String>) -> SigV4Error {
    SigV4Error::IncompleteSignature(text.into())
}

/// Headers of AWS's own that clients leave unsigned, since what lies between may change them as it may `user-agent`.
const UNSIGNABLE: [&str; 1] = ["x-amz-user-agent"];

impl Presented {
    /// Reads the header form, else the query form. What a signature must cover is `host` and every header that means
    /// something to AWS: whoever stands between could add or change one that it does not cover.
    pub fn from_request(request: &RequestParts<'_>) -> Result<Self, SigV4Error> {
        let presented = Self::read(request)?;
        let is_signed = |name: &str| presented.signed_headers.iter().any(|signed| signed == name);
        let unsigned = request
            .headers
            .keys()
            .map(http::HeaderName::as_str)
            .find(|name| name.starts_with("x-amz-") && !UNSIGNABLE.contains(name) && !is_signed(name));
        match unsigned {
            None => Ok(presented),
            Some(name) => Err(SigV4Error::InvalidSignature(format!(
                "'{name}' must be a 'SignedHeader' in the AWS Authorization."
            ))),
        }
    }

    fn read(request: &RequestParts<'_>) -> Result<Self, SigV4Error> {
        if request.headers.get_all(http::header::AUTHORIZATION).iter().count() > 1 {
            return Err(incomplete("Only one Authorization header can be given."));
        }
        if let Some(value) = request.headers.get(http::header::AUTHORIZATION) {
            let value = value.to_str().map_err(|_| incomplete("The Authorization header is not readable text."))?;
            return Self::from_header(request, value);
        }
        let form = QueryForm::parse(request.query.as_bytes())
            .map_err(|error| incomplete(format!("The query string cannot be read: {error}.")))?;
        match form.get("X-Amz-Algorithm") {
            Some(_) => Self::from_query(&form),
            None => Err(SigV4Error::MissingAuthenticationToken),
        }
    }

    fn from_header(request: &RequestParts<'_>, value: &str) -> Result<Self, SigV4Error> {
        let rest =
            value.strip_prefix(ALGORITHM).filter(|rest| rest.is_empty() || rest.starts_with(' ')).ok_or_else(|| {
                incomplete(format!("Unsupported AWS 'algorithm': '{}'.", value.split(' ').next().unwrap_or_default()))
            })?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, text) = part.split_once('=').ok_or_else(|| {
                incomplete(format!(
                    "'{part}' not a valid key=value pair (missing equal-sign) in Authorization header: '{value}'."
                ))
            })?;
            match name {
                "Credential" => credential = Some(text),
                "SignedHeaders" => signed_headers = Some(text),
                "Signature" => signature = Some(text),
                _ => {}
            }
        }
        let amz_date = match header(request.headers, "x-amz-date") {
            Some(date) => Some(date.to_owned()),
            None => header(request.headers, "date").and_then(time::parse_http_date).map(time::amz_date),
        };
        let missing = [
            ("'Credential' parameter", credential.is_none()),
            ("'Signature' parameter", signature.is_none()),
            ("'SignedHeaders' parameter", signed_headers.is_none()),
            ("existence of either a 'X-Amz-Date' or a 'Date' header", amz_date.is_none()),
        ]
        .into_iter()
        .filter(|(_, is_missing)| *is_missing)
        .map(|(what, _)| format!("Authorization header requires {what}. "))
        .collect::<Vec<_>>()
        .concat();
        let (Some(credential), Some(signed_headers), Some(signature), Some(amz_date)) =
            (credential, signed_headers, signature, amz_date)
        else {
            return Err(incomplete(format!("{missing}Authorization={ALGORITHM}")));
        };
        let session_token = header(request.headers, "x-amz-security-token").map(str::to_owned);
        Self::assemble(credential, signed_headers, signature, amz_date, session_token, None)
    }

    fn from_query(form: &QueryForm) -> Result<Self, SigV4Error> {
        if form.get("X-Amz-Algorithm") != Some(ALGORITHM) {
            return Err(incomplete("Unsupported AWS 'algorithm' in X-Amz-Algorithm."));
        }
        let part = |name: &str| {
            form.get(name).ok_or_else(|| incomplete(format!("AWS query-string parameters must include '{name}'.")))
        };
        let expires = part("X-Amz-Expires")?
            .parse::<u32>()
            .ok()
            .filter(|seconds| (1..=604_800).contains(seconds))
            .ok_or_else(|| incomplete("X-Amz-Expires must be a number from 1 to 604800."))?;
        Self::assemble(
            part("X-Amz-Credential")?,
            part("X-Amz-SignedHeaders")?,
            part("X-Amz-Signature")?,
            part("X-Amz-Date")?.to_owned(),
            form.get("X-Amz-Security-Token").map(str::to_owned),
            Some(expires),
        )
    }

    fn assemble(
        credential: &str,
        signed_headers: &str,
        signature: &str,
        amz_date: String,
        session_token: Option<String>,
        expires_seconds: Option<u32>,
    ) -> Result<Self, SigV4Error> {
        let scope: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, service, terminator] = scope[..] else {
            return Err(incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
            )));
        };
        if time::parse_amz_date(&amz_date).is_none() {
            return Err(incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{amz_date}'. See http://en.wikipedia.org/wiki/ISO_8601"
            )));
        }
        let signed_headers: Vec<String> = signed_headers.split(';').map(str::to_ascii_lowercase).collect();
        if !signed_headers.iter().any(|name| name == "host" || name == AUTHORITY) {
            return Err(SigV4Error::InvalidSignature(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
            ));
        }
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            terminator: terminator.to_owned(),
            signed_headers,
            signature: signature.to_owned(),
            amz_date,
            session_token,
            expires_seconds,
        })
    }
}
