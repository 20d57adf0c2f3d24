//! Tokens of OpenID Connect providers: what they must be and say to be believed. Pure: keys and time are handed in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::Keys;

/// The longest token (AssumeRoleWithWebIdentity: 'WebIdentityToken').
pub const MAX_TOKEN_CHARS: usize = 20_000;
/// How far issuers' clocks may run ahead of ours. Past its end no token is good: AWS has been seen to refuse one 198 s
/// after it.
const LEEWAY_SECONDS: i64 = 300;

/// What may sign. A key that both sides know (HS256) proves nothing, and neither does `none`.
pub const ALGORITHMS: [(&str, Algorithm); 6] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
];

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It has not the form of one.
    NotAToken,
    /// It is signed in a way that proves nothing here.
    Algorithm,
    /// A claim is missing, or is of another type.
    Missing(&'static str),
    /// The issuer has no key of that name and type.
    NoKey,
    /// It was not signed with the issuer's key, or was changed since.
    Signature,
    /// It is past its end.
    Expired { now: i64, expires_at: i64 },
    /// Its time has not come.
    NotYet { now: i64, valid_from: i64 },
    /// It is not meant for us.
    Audience,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that a reader must understand; we know none (RFC 7515 4.1.11).
    crit: Option<Value>,
}

/// A token that was read. Nothing that it says is believed before [`Token::verify`].
pub struct Token<'a> {
    signed: &'a str,
    signature: &'a str,
    algorithm: Algorithm,
    algorithm_name: &'static str,
    /// The name of the issuer's key.
    pub key_id: String,
    /// Who says that it has issued the token.
    pub issuer: String,
    claims: Map<String, Value>,
}

/// What a token says, believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// Whom it is about.
    pub subject: String,
    /// Whom it is meant for.
    pub audience: String,
    /// Condition keys: `<issuer without scheme>:claim`. A key with several values is there several times.
    pub keys: Vec<(String, String)>,
}

impl<'a> Token<'a> {
    /// Reads a token.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > MAX_TOKEN_CHARS {
            return Err(TokenError::NotAToken);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::NotAToken)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::NotAToken)?;
        let header: Header = decode(header)?;
        let claims: Map<String, Value> = decode(claims)?;
        if header.crit.is_some() {
            return Err(TokenError::NotAToken);
        }
        let (algorithm_name, algorithm) =
            *ALGORITHMS.iter().find(|(name, _)| *name == header.alg).ok_or(TokenError::Algorithm)?;
        let key_id = header.kid.ok_or(TokenError::NoKey)?;
        let issuer = text_claim(&claims, "iss")?.to_owned();
        Ok(Self { signed, signature, algorithm, algorithm_name, key_id, issuer, claims })
    }

    /// The issuer's URL without its scheme, as providers and condition keys name it.
    pub fn issuer_name(&self) -> &str {
        issuer_name(&self.issuer)
    }

    /// Believes the token, if it is signed by one of the issuer's keys, in force, and meant for one of `client_ids`.
    pub fn verify(&self, keys: &Keys, client_ids: &[String], now_ms: i64) -> Result<WebIdentity, TokenError> {
        let key = keys.find(&self.key_id, self.algorithm_name).ok_or(TokenError::NoKey)?;
        let is_signed = jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, self.algorithm);
        if !is_signed.unwrap_or(false) {
            return Err(TokenError::Signature);
        }
        self.check_times(now_ms.div_euclid(1000))?;
        let subject = text_claim(&self.claims, "sub")?.to_owned();
        let audience = self.audience(client_ids)?;
        let keys = self.condition_keys(&subject, &audience);
        Ok(WebIdentity { subject, audience, keys })
    }

    fn check_times(&self, now: i64) -> Result<(), TokenError> {
        let expires_at = time_claim(&self.claims, "exp")?.ok_or(TokenError::Missing("exp"))?;
        let issued_at = time_claim(&self.claims, "iat")?.ok_or(TokenError::Missing("iat"))?;
        let not_before = time_claim(&self.claims, "nbf")?.unwrap_or(issued_at);
        if now >= expires_at {
            return Err(TokenError::Expired { now, expires_at });
        }
        let valid_from = issued_at.max(not_before);
        if now.saturating_add(LEEWAY_SECONDS) < valid_from {
            return Err(TokenError::NotYet { now, valid_from });
        }
        Ok(())
    }

    /// Whom it is made out to. `azp`, if the token has one, goes before `aud` (IAM User Guide, "Available keys for AWS OIDC
    /// federation").
    pub fn audiences(&self) -> Vec<&str> {
        texts(self.claims.get("azp").or_else(|| self.claims.get("aud")))
    }

    fn audience(&self, client_ids: &[String]) -> Result<String, TokenError> {
        if self.claims.get("azp").is_some_and(|azp| !azp.is_string()) {
            return Err(TokenError::Missing("azp"));
        }
        let named = self.audiences();
        if named.is_empty() {
            return Err(TokenError::Missing("aud"));
        }
        let known = named.into_iter().find(|audience| client_ids.iter().any(|known| known == audience));
        known.map(str::to_owned).ok_or(TokenError::Audience)
    }

    fn condition_keys(&self, subject: &str, audience: &str) -> Vec<(String, String)> {
        let issuer = self.issuer_name();
        let key = |claim: &str, value: &str| (format!("{issuer}:{claim}"), value.to_owned());
        let mut keys = vec![key("sub", subject), key("aud", audience)];
        keys.extend(texts(self.claims.get("amr")).into_iter().map(|method| key("amr", method)));
        if self.claims.contains_key("azp") {
            keys.extend(texts(self.claims.get("aud")).into_iter().map(|audience| key("oaud", audience)));
        }
        for (claim, value) in &self.claims {
            // Names of keys are the same in either case, so a claim `SUB` must not add a value to `sub`.
            let is_taken = ["sub", "aud", "amr", "oaud"].iter().any(|taken| claim.eq_ignore_ascii_case(taken))
                || self
                    .claims
                    .keys()
                    .take_while(|other| *other != claim)
                    .any(|other| other.eq_ignore_ascii_case(claim));
            if let Value::String(value) = value
                && !is_taken
            {
                keys.push(key(claim, value));
            }
        }
        keys
    }
}

/// An issuer's URL without its scheme.
fn issuer_name(issuer: &str) -> &str {
    issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://")).unwrap_or(issuer)
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::NotAToken)?;
    serde_json::from_slice(&json).map_err(|_| TokenError::NotAToken)
}

fn text_claim<'c>(claims: &'c Map<String, Value>, name: &'static str) -> Result<&'c str, TokenError> {
    let text = claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or(TokenError::Missing(name))
}

/// A time in seconds, which may have a fraction (RFC 7519 2: 'NumericDate').
fn time_claim(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, TokenError> {
    claims.get(name).map(|time| time.as_f64().map(|time| time as i64).ok_or(TokenError::Missing(name))).transpose()
}

/// The texts of a claim that is one text, or a list of them.
fn texts(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
