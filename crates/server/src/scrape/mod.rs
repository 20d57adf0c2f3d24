//! What a scraper of the metrics gets: all that was counted and looked up, as text, at `/metrics` of the main listener or of
//! one of its own.

pub mod listener;
mod render;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use registry::Registry;
use runtime::http::respond::{self, Answer};

/// Version 0.0.4 of the text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Tells all metrics to whoever may read them.
pub async fn answer(app: &Arc<Registry>, method: &Method, headers: &HeaderMap) -> Answer {
    const PLAIN: &str = "text/plain; charset=utf-8";
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut answer = respond::with_body(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "Metrics are read with GET.\n");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    if !app.metrics.admits(headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())) {
        let text = "Metrics need the bearer token of the configuration (metrics.token).\n";
        let mut answer = respond::with_body(StatusCode::UNAUTHORIZED, PLAIN, text);
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"metrics\""));
        return answer;
    }
    let mut answer = respond::with_body(StatusCode::OK, CONTENT_TYPE, render::render(app).await);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
