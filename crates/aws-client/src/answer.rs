//! What a service answered.

use http::StatusCode;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::CallError;

/// An answer, read whole. It may hold secrets, which are overwritten when it is dropped.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type; empty if it has none.
    pub content_type: String,
    /// What the server calls the request.
    pub request_id: Option<String>,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

/// An error as AWS JSON tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    /// Its name, such as `AccessDeniedException`.
    pub code: String,
    /// Its text, which may be empty.
    pub message: String,
}

impl Answer {
    /// Reads an answer to its end, of at most so many bytes.
    pub async fn read(mut response: reqwest::Response, max_bytes: usize) -> Result<Self, CallError> {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let content_type = header("content-type").unwrap_or_default();
        let (status, request_id) = (response.status(), header("x-amzn-requestid"));
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > max_bytes {
                return Err(CallError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self { status, content_type, request_id, body })
    }

    /// The error that an answer of AWS JSON is; none if it has no `__type`.
    pub fn error(&self) -> Option<ServiceError> {
        let error: Value = serde_json::from_slice(&self.body).ok()?;
        let text = |name: &str| error.get(name).and_then(Value::as_str);
        let code = text("__type")?;
        let code = code.rsplit('#').next().unwrap_or(code).to_owned();
        let message = text("message").or_else(|| text("Message")).unwrap_or_default().to_owned();
        Some(ServiceError { code, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Option<ServiceError> {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        Answer { status: StatusCode::BAD_REQUEST, content_type: String::new(), request_id: None, body }.error()
    }

    #[test]
    fn errors_of_both_spellings() {
        let expected = |code: &str, message: &str| Some(ServiceError { code: code.into(), message: message.into() });
        assert_eq!(of(r#"{"__type":"DisabledException","message":"off"}"#), expected("DisabledException", "off"));
        assert_eq!(of(r#"{"__type":"com.amazonaws#X","Message":"off"}"#), expected("X", "off"));
        assert_eq!(of(r#"{"__type":"X"}"#), expected("X", ""));
        assert_eq!(of(r#"{"message":"off"}"#), None);
        assert_eq!(of("<html>"), None);
    }
}
