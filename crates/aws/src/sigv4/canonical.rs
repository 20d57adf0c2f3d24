//! The canonical request: the one text that both sides of a signature make from a request.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{AUTHORITY, RequestParts};

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encode(text: &[u8]) -> String {
    percent_encoding::percent_encode(text, RESERVED).to_string()
}

/// The canonical request for these signed headers. A `host` that is given stands in the place of the request's own;
/// `is_presigned` leaves the signature itself out of the query.
pub fn canonical_request(
    request: &RequestParts<'_>,
    signed_headers: &[String],
    host: Option<&str>,
    is_presigned: bool,
) -> String {
    let mut text = String::with_capacity(512);
    text.push_str(request.method);
    text.push('\n');
    text.push_str(&canonical_path(request.path));
    text.push('\n');
    text.push_str(&canonical_query(request.query, is_presigned));
    text.push('\n');
    let mut names: Vec<&str> = signed_headers.iter().map(String::as_str).collect();
    names.sort_unstable();
    for name in &names {
        text.push_str(name);
        text.push(':');
        // What HTTP/2 has for Host, if a client signs it by that name.
        let header = if *name == AUTHORITY { "host" } else { name };
        match host.filter(|_| header == "host") {
            Some(host) => push_collapsed(&mut text, host),
            None => push_values(&mut text, request, header),
        }
        text.push('\n');
    }
    let _ = write!(text, "\n{}\n{}", names.join(";"), request.body_sha256);
    text
}

fn push_values(text: &mut String, request: &RequestParts<'_>, header: &str) {
    for (at, value) in request.headers.get_all(header).iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        push_collapsed(text, &String::from_utf8_lossy(value.as_bytes()));
    }
}

/// Trimmed, and with runs of spaces as one.
fn push_collapsed(text: &mut String, value: &str) {
    for (at, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            text.push(' ');
        }
        text.push_str(word.trim_matches('\t'));
    }
}

/// Every segment encoded once more than it came: services other than S3 sign the path encoded twice.
fn canonical_path(path: &str) -> String {
    if path.is_empty() {
        return "/".to_owned();
    }
    path.split('/').map(|segment| utf8_percent_encode(segment, RESERVED).to_string()).collect::<Vec<_>>().join("/")
}

fn canonical_query(query: &str, is_presigned: bool) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
            (encode(&decoded(name)), encode(&decoded(value)))
        })
        .filter(|(name, _)| !(is_presigned && name == "X-Amz-Signature"))
        .collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
