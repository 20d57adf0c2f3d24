//! How an endpoint is reached.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Certificate, ClientBuilder, Url, redirect};

/// What requests to an endpoint are sent with: `trusted` alone vouch for it, or the machine's authorities where there are none.
pub fn builder(endpoint: &Url, trusted: Vec<Certificate>, connect_timeout: Duration) -> ClientBuilder {
    let builder = reqwest::Client::builder()
        // A redirect could lead elsewhere with what the request holds.
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(connect_timeout)
        .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")));
    // Without TLS no certificates are needed, which the machine perhaps does not have.
    if !trusted.is_empty() || endpoint.scheme() == "http" { builder.tls_certs_only(trusted) } else { builder }
}

/// Whether a URL leads to this machine.
pub fn is_loopback(endpoint: &Url) -> bool {
    let host = endpoint.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The innermost cause says what happened; those around it say only that a request was sent.
pub fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Host and port of an endpoint as they are signed; the port of its scheme is left out.
pub(crate) fn host_header(endpoint: &Url) -> String {
    let host = endpoint.host_str().unwrap_or_default();
    endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_hosts() {
        for (url, is_here, host) in [
            ("http://localhost:5000", true, "localhost:5000"),
            ("https://a.localhost", true, "a.localhost"),
            ("http://127.8.0.1:80", true, "127.8.0.1"),
            ("http://[::1]:5000/", true, "[::1]:5000"),
            ("https://ecr.example:443", false, "ecr.example"),
            ("http://10.0.0.1:443", false, "10.0.0.1:443"),
            ("https://localhost.example", false, "localhost.example"),
        ] {
            let url = Url::parse(url).expect("a URL");
            assert_eq!((is_loopback(&url), host_header(&url).as_str()), (is_here, host), "{url}");
        }
    }
}
