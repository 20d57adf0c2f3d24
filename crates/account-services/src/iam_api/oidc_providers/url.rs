//! The URL of a provider: the issuer that its tokens name.

use http::Uri;

use crate::iam_api::constraints::Check;
use crate::iam_api::errors::IamError;

/// A provider's URL, read.
#[derive(Debug, PartialEq, Eq)]
pub struct ProviderUrl {
    /// What is stored: without its scheme if that is `https`, and else whole.
    pub stored: String,
    /// What stands in the ARN: never with a scheme.
    pub in_arn: String,
}

/// Reads a URL. Tokens are trusted because of what is fetched from it, so it must be `https`; `http` will do for an
/// issuer on this very machine.
pub fn read(url: &str) -> Result<ProviderUrl, IamError> {
    Check::length("url", url, 1, 255)?;
    let invalid = || IamError::constraint("url", Some(url), "Invalid Open ID Connect Provider URL");
    let parsed: Uri = url.parse().map_err(|_| invalid())?;
    let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
    let host = parsed.host().filter(|host| !host.is_empty()).ok_or_else(invalid)?;
    let has_more = parsed.query().is_some() || rest.contains(['#', '@', '?']);
    if has_more || !(scheme.eq_ignore_ascii_case("https") || (scheme.eq_ignore_ascii_case("http") && is_loopback(host)))
    {
        return Err(invalid());
    }
    let in_arn = rest.strip_suffix('/').unwrap_or(rest).to_owned();
    let stored = if scheme.eq_ignore_ascii_case("https") { in_arn.clone() } else { format!("http://{in_arn}") };
    Ok(ProviderUrl { stored, in_arn })
}

/// Whether a provider can be made of an issuer.
pub fn may_be_issuer(url: &str) -> bool {
    read(url).is_ok()
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, expected) in [
            ("https://token.actions.example.com", Some(("token.actions.example.com", "token.actions.example.com"))),
            ("https://example.com/a/b/", Some(("example.com/a/b", "example.com/a/b"))),
            ("https://example.com:8443/a", Some(("example.com:8443/a", "example.com:8443/a"))),
            ("http://127.0.0.1:8080/a", Some(("http://127.0.0.1:8080/a", "127.0.0.1:8080/a"))),
            ("http://localhost", Some(("http://localhost", "localhost"))),
            ("http://[::1]:1", Some(("http://[::1]:1", "[::1]:1"))),
            ("http://example.com", None),
            ("https://", None),
            ("example.com", None),
            ("ftp://localhost", None),
            ("https://user@example.com", None),
            ("https://example.com/?a=b", None),
        ] {
            let read = read(url).ok().map(|url| (url.stored, url.in_arn));
            let expected = expected.map(|(stored, in_arn)| (stored.to_owned(), in_arn.to_owned()));
            assert_eq!(read, expected, "{url}");
        }
    }
}
