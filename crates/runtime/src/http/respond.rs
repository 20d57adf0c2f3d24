//! Building answers.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::body::ResponseBody;

/// An answer to a client.
pub type Answer = Response<ResponseBody>;

/// An answer with a body in memory.
pub fn with_body(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(ResponseBody::from(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(ResponseBody::empty());
    *answer.status_mut() = status;
    answer
}

/// Adds a header whose value is made of validated parts; a value that HTTP cannot carry is left out.
pub fn add_header(answer: &mut Answer, name: HeaderName, value: impl AsRef<str>) {
    match HeaderValue::from_str(value.as_ref()) {
        Ok(value) => {
            answer.headers_mut().insert(name, value);
        }
        Err(_) => tracing::debug!(header = %name, "left out a header whose value HTTP cannot carry"),
    }
}
