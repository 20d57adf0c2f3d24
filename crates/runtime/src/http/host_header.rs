//! Which host a request means. Its head may say so in two places: HTTP/2 has the pseudo-header `:authority`, HTTP/1.1 an
//! absolute form of its target, and both may have `Host`.

use http::request::Parts;
use http::{HeaderValue, Version, header};

/// The head does not say which host is meant, or says it in two ways that differ.
#[derive(Debug, PartialEq, Eq)]
pub struct BadHost;

/// Says which host is meant, and leaves it in `Host`, where signatures and everything else look for it.
///
/// A request of HTTP/1.1 has one Host header, and none has two (RFC 9112, 3.2): two parties that each pick another of them
/// would disagree on which registry is meant. The authority of an absolute form wins over Host (3.2.2). In HTTP/2 a Host
/// that means something else than the authority makes the request malformed (RFC 9113, 8.3.1).
pub fn settle(head: &mut Parts) -> Result<String, BadHost> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (host, second) = (hosts.next().cloned(), hosts.next());
    if second.is_some() || (host.is_none() && head.version == Version::HTTP_11) {
        return Err(BadHost);
    }
    let host_text = host.as_ref().and_then(|host| host.to_str().ok());
    let Some(authority) = head.uri.authority() else {
        return Ok(host_text.unwrap_or("localhost").to_owned());
    };
    let authority = authority.as_str();
    // RFC 9113, 8.3.1, and RFC 9110, 4.2.4: nobody means one, and it would show another host to whoever reads quickly.
    if authority.contains('@') {
        return Err(BadHost);
    }
    let is_same = host_text.is_some_and(|host| is_same_host(host, authority, head.uri.scheme_str()));
    if is_same {
        // As it was written there: what signed the request has signed that.
        return Ok(authority.to_owned());
    }
    if host.is_some() && head.version > Version::HTTP_11 {
        return Err(BadHost);
    }
    let value = HeaderValue::from_str(authority).map_err(|_| BadHost)?;
    let authority = authority.to_owned();
    head.headers.insert(header::HOST, value);
    Ok(authority)
}

/// Whether two texts name the same host and port, where the port of the scheme need not be written.
fn is_same_host(one: &str, other: &str, scheme: Option<&str>) -> bool {
    let port = match scheme {
        Some("https") => ":443",
        _ => ":80",
    };
    let plain = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The host that is meant, and the Host header that is left.
    fn settled(version: Version, target: &str, hosts: &[&str]) -> Result<(String, String), BadHost> {
        let mut request = http::Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header("host", *host);
        }
        let mut head = request.body(()).expect("a request").into_parts().0;
        let host = settle(&mut head)?;
        let left = head.headers.get("host").map_or("", |host| host.to_str().expect("text"));
        Ok((host, left.to_owned()))
    }

    #[test]
    fn http_1() {
        for (target, hosts, host, left) in [
            ("/", &["a:5000"][..], "a:5000", "a:5000"),
            ("http://b:1/", &["a"], "b:1", "b:1"),
            ("http://A/", &["a"], "A", "a"),
            ("http://a:80/", &["a"], "a:80", "a"),
            ("http://a:8080/", &["a"], "a:8080", "a:8080"),
        ] {
            let expected = Ok((host.to_owned(), left.to_owned()));
            assert_eq!(settled(Version::HTTP_11, target, hosts), expected, "{target} {hosts:?}");
        }
        for (target, hosts) in [("/", &[][..]), ("http://a/", &[]), ("/", &["a", "a"]), ("http://u@a/", &["a"])] {
            assert_eq!(settled(Version::HTTP_11, target, hosts), Err(BadHost), "{target} {hosts:?}");
        }
        assert_eq!(settled(Version::HTTP_10, "/", &[]), Ok(("localhost".to_owned(), String::new())));
    }

    #[test]
    fn http_2() {
        for (target, hosts, host, left) in [
            ("https://a:5000/", &[][..], "a:5000", "a:5000"),
            ("https://A:5000/", &["a:5000"], "A:5000", "a:5000"),
            ("https://a:443/", &["a"], "a:443", "a"),
            ("https://a/", &["A:443"], "a", "A:443"),
            ("/", &["a"], "a", "a"),
        ] {
            let expected = Ok((host.to_owned(), left.to_owned()));
            assert_eq!(settled(Version::HTTP_2, target, hosts), expected, "{target} {hosts:?}");
        }
        for (target, hosts) in [
            ("https://a/", &["b"][..]),
            ("https://a/", &["a:5000"]),
            ("https://a:80/", &["a"]),
            ("https://a/", &["a", "a"]),
            ("https://u@a/", &[]),
        ] {
            assert_eq!(settled(Version::HTTP_2, target, hosts), Err(BadHost), "{target} {hosts:?}");
        }
    }
}
