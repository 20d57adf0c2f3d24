//! Proxies that are trusted, and what they say of the clients behind them: `X-Forwarded-For`, `-Proto` and `-Host`.
//!
//! Each proxy adds the address that it was asked from at the right end. So the list is read from there, for as long as
//! those who wrote it are trusted; what stands further left a client may have made up. RFC 7239's `Forwarded` is not
//! read: a proxy that sets the other headers passes a client's own `Forwarded` on as it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, header};
use ipnet::IpNet;

/// The networks of trusted proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub ip: IpAddr,
    /// Whether it speaks TLS.
    pub is_tls: bool,
}

/// Who asks, as far as trusted proxies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub ip: IpAddr,
    /// Whether it speaks TLS, with the server or with a proxy; none if nobody knows, as where a proxy may have ended it.
    pub is_tls: Option<bool>,
}

impl TrustedProxies {
    /// Reads addresses and networks such as `10.0.0.0/8`; or gives back the first text that is neither.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, &'t str> {
        let read = |text: &'t str| {
            let address = |text: &str| text.parse::<IpAddr>().map(IpNet::from);
            text.parse::<IpNet>().or_else(|_| address(text)).map_err(|_| text)
        };
        texts.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether nobody is trusted.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address is a trusted proxy's.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// Finds out who asks. The host that the client used takes the place of the one that a proxy made of it, so that
    /// signatures and addresses in answers are the client's.
    pub fn client(&self, peer: Peer, head: &mut Parts) -> Client {
        if !self.contains(peer.ip) {
            return Client { ip: peer.ip, is_tls: peer.is_tls.then_some(true) };
        }
        let (ip, hops) = self.walk(peer.ip, &head.headers);
        let at_hop = |name| at_distance(&values(&head.headers, name), hops.saturating_sub(1)).map(str::to_owned);
        let is_tls = at_hop("x-forwarded-proto").and_then(|scheme| match scheme.to_ascii_lowercase().as_str() {
            "https" => Some(true),
            "http" => Some(false),
            _ => None,
        });
        let host = at_hop("x-forwarded-host");
        if let Some(authority) = host.and_then(|host| Authority::try_from(host).ok())
            && !authority.as_str().contains('@')
            && is_port_after(&authority.as_str()[authority.host().len()..])
            && let Ok(value) = HeaderValue::from_str(authority.as_str())
        {
            set_authority(head, authority, value);
        }
        Client { ip, is_tls: is_tls.or(peer.is_tls.then_some(true)) }
    }

    /// The nearest address that is not trusted, or the furthest if all are; and how many hops it is away.
    fn walk(&self, peer: IpAddr, headers: &HeaderMap) -> (IpAddr, usize) {
        let (mut client, mut hops) = (peer, 0);
        for text in values(headers, "x-forwarded-for").into_iter().rev() {
            // What is no address was not written by a proxy that knows how: nothing left of it is worth anything.
            let Some(address) = parse_address(text) else { break };
            (client, hops) = (address, hops + 1);
            if !self.contains(address) {
                break;
            }
        }
        (client, hops)
    }
}

/// The values of a header, however many lines and commas it has.
fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(str::trim).collect()
}

/// The value that the proxy at a distance from the right wrote; the leftmost if there are fewer, as proxies further in
/// may leave alone what is there.
fn at_distance<'v>(values: &[&'v str], distance: usize) -> Option<&'v str> {
    let last = values.len().checked_sub(1)?;
    values.get(last - distance.min(last)).copied().filter(|value| !value.is_empty())
}

/// An address, with a port or without, IPv6 in brackets or not.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        IpAddr::from(address.parse::<Ipv6Addr>().ok().filter(|_| is_port_after(after))?)
    } else if let Ok(address) = text.parse::<IpAddr>() {
        address
    } else {
        let (address, port) = text.split_once(':')?;
        IpAddr::from(address.parse::<Ipv4Addr>().ok().filter(|_| is_port(port))?)
    };
    Some(address.to_canonical())
}

/// Whether a text is a port: a number up to 65,535 in plain digits, as every reader would write it.
pub fn is_port(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain && text.parse::<u16>().is_ok()
}

/// Whether nothing or a port follows a host.
fn is_port_after(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(is_port)
}

fn set_authority(head: &mut Parts, authority: Authority, value: HeaderValue) {
    head.headers.insert(header::HOST, value);
    // Of an absolute form, as in HTTP/2: there the authority is the host.
    if head.uri.authority().is_some() {
        let mut parts = head.uri.clone().into_parts();
        parts.authority = Some(authority);
        if let Ok(uri) = http::Uri::from_parts(parts) {
            head.uri = uri;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Headers<'t> = &'t [(&'t str, &'t str)];

    fn proxies() -> TrustedProxies {
        TrustedProxies::parse(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]).expect("networks")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn head(uri: &str, headers: Headers) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn networks() {
        let proxies = proxies();
        for (address, expected) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8:ffff::1", true),
            ("::1", false),
        ] {
            assert_eq!(proxies.contains(ip(address)), expected, "{address}");
        }
        assert_eq!(TrustedProxies::parse(["10.0.0.0/8", "10.0.0.0/33"]), Err("10.0.0.0/33"));
        assert_eq!(TrustedProxies::parse(["proxy.example.com"]), Err("proxy.example.com"));
    }

    #[test]
    fn the_client_is_the_nearest_that_is_not_trusted() {
        let cases: [(&str, Headers, &str); 12] = [
            ("203.0.113.5", &[("x-forwarded-for", "198.51.100.1")], "203.0.113.5"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[("x-forwarded-for", "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[("x-forwarded-for", "127.0.0.1, 198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[("x-forwarded-for", "127.0.0.1, 198.51.100.1, 10.0.0.2,192.0.2.1")], "198.51.100.1"),
            ("10.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            ("10.0.0.1", &[("x-forwarded-for", "198.51.100.1:4711")], "198.51.100.1"),
            ("10.0.0.1", &[("x-forwarded-for", "[2001:db9::1]:4711")], "2001:db9::1"),
            ("10.0.0.1", &[("x-forwarded-for", "198.51.100.1, unknown, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1", &[("x-forwarded-for", "198.51.100.1, ,")], "10.0.0.1"),
            ("::ffff:10.0.0.1", &[("x-forwarded-for", "::ffff:198.51.100.1")], "198.51.100.1"),
        ];
        for (peer, headers, expected) in cases {
            let client = proxies().client(Peer { ip: ip(peer), is_tls: false }, &mut head("/", headers));
            assert_eq!(client.ip, ip(expected), "{peer} {headers:?}");
        }
    }

    #[test]
    fn addresses_and_ports_are_plain() {
        for (text, expected) in [
            ("198.51.100.1", Some("198.51.100.1")),
            ("198.51.100.1:0", Some("198.51.100.1")),
            ("198.51.100.1:65535", Some("198.51.100.1")),
            ("2001:db9::1", Some("2001:db9::1")),
            ("[2001:db9::1]", Some("2001:db9::1")),
            ("[2001:db9::1]:443", Some("2001:db9::1")),
            ("::ffff:198.51.100.1", Some("198.51.100.1")),
            ("198.51.100.1:", None),
            ("198.51.100.1:01", None),
            ("198.51.100.1:00080", None),
            ("198.51.100.1:+2", None),
            ("198.51.100.1:65536", None),
            ("198.51.100.1:1:2", None),
            ("198.051.100.1", None),
            ("198.51.100.1 ", None),
            ("[198.51.100.1]", None),
            ("[198.51.100.1]:80", None),
            ("[2001:db9::1]:", None),
            ("[2001:db9::1]:01", None),
            ("[2001:db9::1]80", None),
            ("[2001:db9::1", None),
            ("2001:db9::1]", None),
            ("[[2001:db9::1]]", None),
            ("[fe80::1%5]:80", None),
            ("fe80::1%eth0", None),
            ("0x7f.1", None),
            ("127.1", None),
        ] {
            assert_eq!(parse_address(text), expected.map(ip), "{text:?}");
        }
    }

    #[test]
    fn whether_the_client_speaks_tls() {
        let two = ("x-forwarded-for", "198.51.100.1, 10.0.0.2");
        let one = ("x-forwarded-for", "198.51.100.1");
        let cases: [(&str, bool, Headers, Option<bool>); 10] = [
            ("203.0.113.5", false, &[("x-forwarded-proto", "https")], None),
            ("203.0.113.5", true, &[("x-forwarded-proto", "http")], Some(true)),
            ("10.0.0.1", false, &[], None),
            ("10.0.0.1", true, &[], Some(true)),
            ("10.0.0.1", false, &[one, ("x-forwarded-proto", "HTTPS")], Some(true)),
            ("10.0.0.1", true, &[one, ("x-forwarded-proto", "http")], Some(false)),
            ("10.0.0.1", false, &[one, ("x-forwarded-proto", "https, http")], Some(false)),
            ("10.0.0.1", false, &[two, ("x-forwarded-proto", "https, http")], Some(true)),
            ("10.0.0.1", false, &[two, ("x-forwarded-proto", "https")], Some(true)),
            ("10.0.0.1", false, &[one, ("x-forwarded-proto", "gopher")], None),
        ];
        for (peer, is_tls, headers, expected) in cases {
            let client = proxies().client(Peer { ip: ip(peer), is_tls }, &mut head("/", headers));
            assert_eq!(client.is_tls, expected, "{peer} {is_tls} {headers:?}");
        }
    }

    #[test]
    fn the_host_that_the_client_used() {
        for (peer, uri, forwarded, expected) in [
            ("203.0.113.5", "/v2/", "evil.example.com", "inner"),
            ("10.0.0.1", "/v2/", "registry.example.com", "registry.example.com"),
            ("10.0.0.1", "/v2/", "registry.example.com:8443", "registry.example.com:8443"),
            ("10.0.0.1", "/v2/", "a b", "inner"),
            ("10.0.0.1", "/v2/", "user@registry.example.com", "inner"),
            ("10.0.0.1", "/v2/", "registry.example.com/path", "inner"),
            ("10.0.0.1", "/v2/", "registry.example.com:0443", "inner"),
            ("10.0.0.1", "/v2/", "registry.example.com:65536", "inner"),
            ("10.0.0.1", "/v2/", "registry.example.com:", "inner"),
            ("10.0.0.1", "/v2/", "", "inner"),
            ("10.0.0.1", "http://inner/v2/?a=b", "registry.example.com", "registry.example.com"),
        ] {
            let mut head = head(uri, &[("host", "inner"), ("x-forwarded-host", forwarded)]);
            proxies().client(Peer { ip: ip(peer), is_tls: false }, &mut head);
            assert_eq!(head.headers.get("host").and_then(|host| host.to_str().ok()), Some(expected), "{forwarded}");
            let authority = head.uri.authority().map(Authority::as_str);
            assert!(authority.is_none_or(|authority| authority == expected), "{authority:?}");
            assert_eq!(head.uri.path(), "/v2/");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_borne_and_nobody_trusted_is_needed_for_an_address(text in "[ -~]{0,60}", host in "[ -~]{0,40}") {
            let headers = [("x-forwarded-for", text.as_str()), ("x-forwarded-host", host.as_str())];
            let mut head = head("/", &headers);
            let client = proxies().client(Peer { ip: ip("10.0.0.1"), is_tls: false }, &mut head);
            let hops = text.split(',').filter_map(|part| parse_address(part.trim()));
            prop_assert!(client.ip == ip("10.0.0.1") || hops.into_iter().any(|hop| hop == client.ip));
        }
    }
}
