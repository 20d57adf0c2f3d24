//! How requests to a registry are authorized: Basic, Bearer tokens, and ECR's own tokens.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci::Challenge;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;

use super::ecr::EcrApi;
use super::failure::Failure;
use super::http::{read, refusal};

const MAX_TOKEN_ANSWER_BYTES: usize = 256 * 1024;
/// A token without a life span lives so long (OCI distribution, token authentication).
const DEFAULT_TOKEN_SECONDS: i64 = 60;
const MAX_TOKEN_SECONDS: i64 = 60 * 60;

/// What a registry knows somebody by.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    Password {
        user: String,
        password: String,
    },
    /// A refresh token of OAuth 2, which docker keeps for some clouds.
    IdentityToken(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Whose requests these are.
pub(super) enum Login {
    /// A user's, or nobody's.
    User(Option<Secret>),
    /// Those of an access key, which ECR's API gives tokens to.
    Ecr(Arc<EcrApi>),
}

#[derive(Clone)]
struct Token {
    authorization: HeaderValue,
    until_ms: i64,
}

/// Logs in as challenges ask for, and remembers it for each repository.
pub(super) struct Doorman {
    login: Login,
    /// Whether passwords may go to token servers without TLS: the registry itself is spoken to without.
    is_plain: bool,
    tokens: Mutex<HashMap<String, Token>>,
    now_ms: fn() -> i64,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<i64>,
}

impl Doorman {
    pub(super) fn new(login: Login, is_plain: bool, now_ms: fn() -> i64) -> Self {
        Self { login, is_plain, tokens: Mutex::default(), now_ms }
    }

    /// What opened the door of a repository last time.
    pub(super) async fn known(&self, repository: &str) -> Result<Option<HeaderValue>, Failure> {
        if let Login::Ecr(api) = &self.login {
            return basic("AWS", &api.password().await?).map(Some);
        }
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        // A password that was asked for once is asked for everywhere.
        let known = tokens.get(repository).or_else(|| tokens.get(EVERYWHERE));
        Ok(known.filter(|token| token.until_ms > (self.now_ms)()).map(|token| token.authorization.clone()))
    }

    /// What opened the door opens it no more.
    pub(super) fn forget(&self, repository: &str) {
        match &self.login {
            Login::Ecr(api) => api.forget_password(),
            Login::User(_) => {
                let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
                tokens.remove(repository);
            }
        }
    }

    /// Answers a challenge; none if there is nothing to answer with.
    pub(super) async fn answer(
        &self,
        http: &Client,
        repository: &str,
        challenge: Challenge,
    ) -> Result<Option<HeaderValue>, Failure> {
        let Login::User(secret) = &self.login else { return Ok(None) };
        let (place, token) = match (challenge, secret) {
            (Challenge::Basic, Some(Secret::Password { user, password })) => {
                (EVERYWHERE, Token { authorization: basic(user, password)?, until_ms: i64::MAX })
            }
            (Challenge::Basic, _) => return Ok(None),
            (Challenge::Bearer { realm, service, scope }, secret) => {
                let scope = scope.unwrap_or_else(|| match repository {
                    "" => "registry:catalog:*".to_owned(),
                    name => format!("repository:{name}:pull"),
                });
                (repository, self.token(http, &realm, service.as_deref(), &scope, secret.as_ref()).await?)
            }
        };
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(place.to_owned(), token.clone());
        Ok(Some(token.authorization))
    }

    async fn token(
        &self,
        http: &Client,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        secret: Option<&Secret>,
    ) -> Result<Token, Failure> {
        let who = format!("the source's token server '{realm}'");
        let wrong = |cause: &str| Failure::Final(format!("{who} {cause}"));
        let mut url = Url::parse(realm).map_err(|_| wrong("has no URL"))?;
        if url.scheme() != "https" && !(url.scheme() == "http" && self.is_plain) {
            return Err(wrong("must be reached with https"));
        }
        let called = url.clone();
        let request = if let Some(Secret::IdentityToken(token)) = secret {
            let field = |name: &str, value: &str| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
            let form = [
                field("grant_type", "refresh_token"),
                field("service", service.unwrap_or_default()),
                field("scope", scope),
                field("client_id", "wharf"),
                field("refresh_token", token),
            ];
            http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.join("&"))
        } else {
            url.query_pairs_mut().extend_pairs(service.map(|service| ("service", service))).append_pair("scope", scope);
            match secret {
                Some(Secret::Password { user, password }) => {
                    http.get(url).header(AUTHORIZATION, basic(user, password)?)
                }
                Some(Secret::IdentityToken(_)) | None => http.get(url),
            }
        };
        let sent = request.send().await;
        let answer = sent.map_err(|error| Failure::unreachable(&who, &called, &error))?;
        if !answer.status().is_success() {
            // A token server without the path is no reason to think that an image is not there.
            return Err(match refusal("the source's token server", answer).await {
                Failure::NotFound(cause) => Failure::Final(cause),
                failure => failure,
            });
        }
        let answer: TokenAnswer =
            serde_json::from_slice(&read(answer, MAX_TOKEN_ANSWER_BYTES).await?).map_err(|_| wrong("gave no token"))?;
        let token = answer.token.or(answer.access_token).ok_or_else(|| wrong("gave no token"))?;
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| wrong("gave what is no token"))?;
        authorization.set_sensitive(true);
        let seconds = answer.expires_in.unwrap_or(DEFAULT_TOKEN_SECONDS).clamp(0, MAX_TOKEN_SECONDS);
        // Renewed before it ends, so that none ends on its way.
        Ok(Token { authorization, until_ms: (self.now_ms)().saturating_add(seconds * 900) })
    }
}

/// No repository has this name.
const EVERYWHERE: &str = "*";

fn basic(user: &str, password: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
        .map_err(|_| Failure::Final("a login cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
