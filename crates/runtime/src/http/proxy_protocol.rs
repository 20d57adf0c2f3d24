//! The header of the PROXY protocol, versions 1 and 2, with which a balancer that passes bytes on says whose they are
//! (haproxy's doc/proxy-protocol.txt).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::forwarded::is_port;

const SIGNATURE_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const SIGNATURE_1: &[u8] = b"PROXY ";
const UNKNOWN_1: &[u8] = b"PROXY UNKNOWN";
/// Signature, version and command, family, length.
const FIXED_2: usize = 16;
/// 2.1: the longest line of version 1, CRLF included.
const MAX_LINE_1: usize = 107;
/// Addresses and all that is told with them; 65,535 could be.
const MAX_BYTES_2: usize = 4096;
/// 2.2.6: a value about the client's TLS, and the bit in its first byte that says that there was any.
const TYPE_SSL: u8 = 0x20;
const CLIENT_SSL: u8 = 0x01;

/// What the bytes so far come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Too few.
    Incomplete {
        /// So many could be needed.
        needed_bytes: usize,
    },
    /// A header.
    Header(Header),
    /// No header.
    Wrong,
}

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header itself.
    pub length: usize,
    /// Where the connection comes from; none if it is the proxy's own, as for a health check.
    pub source: Option<IpAddr>,
    /// Whether the client spoke TLS with the proxy.
    pub is_tls: bool,
}

/// Reads a header at the beginning of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed {
    let begins_as = |signature: &[u8]| {
        let common = bytes.len().min(signature.len());
        bytes[..common] == signature[..common]
    };
    if begins_as(SIGNATURE_2) {
        parse_2(bytes)
    } else if begins_as(SIGNATURE_1) {
        parse_1(bytes)
    } else {
        Parsed::Wrong
    }
}

fn parse_2(bytes: &[u8]) -> Parsed {
    let Some(fixed) = bytes.get(..FIXED_2) else { return Parsed::Incomplete { needed_bytes: FIXED_2 } };
    let length = FIXED_2 + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > FIXED_2 + MAX_BYTES_2 {
        return Parsed::Wrong;
    }
    let Some(rest) = bytes.get(FIXED_2..length) else { return Parsed::Incomplete { needed_bytes: length } };
    let (source, address_bytes) = match (fixed[12], fixed[13]) {
        // LOCAL, where the proxy speaks for itself; or something that is no address of the Internet's, which is to be
        // taken the same way (2.2: "must use the real connection").
        (0x20, _) | (0x21, 0x00) => return Parsed::Header(Header { length, source: None, is_tls: false }),
        // PROXY, TCP over IPv4: source, destination, and a port each.
        (0x21, 0x11) => {
            let Some(address) = rest.first_chunk::<4>().filter(|_| rest.len() >= 12) else { return Parsed::Wrong };
            (IpAddr::from(Ipv4Addr::from(*address)), 12)
        }
        (0x21, 0x21) => {
            let Some(address) = rest.first_chunk::<16>().filter(|_| rest.len() >= 36) else { return Parsed::Wrong };
            (IpAddr::from(Ipv6Addr::from(*address)), 36)
        }
        _ => return Parsed::Wrong,
    };
    let Some(is_tls) = has_tls(&rest[address_bytes..]) else { return Parsed::Wrong };
    Parsed::Header(Header { length, source: Some(source.to_canonical()), is_tls })
}

/// Whether one of the values says that the client spoke TLS; none if they cannot be read.
fn has_tls(mut values: &[u8]) -> Option<bool> {
    let mut is_tls = false;
    while let Some((kind, rest)) = values.split_first() {
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        is_tls |= *kind == TYPE_SSL && value.first().is_some_and(|bits| bits & CLIENT_SSL != 0);
        values = rest;
    }
    Some(is_tls)
}

fn parse_1(bytes: &[u8]) -> Parsed {
    let line = &bytes[..bytes.len().min(MAX_LINE_1)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < MAX_LINE_1 { Parsed::Incomplete { needed_bytes: MAX_LINE_1 } } else { Parsed::Wrong };
    };
    let length = end + 2;
    // 2.1: whatever stands behind it is not looked at.
    if line[..end].strip_prefix(UNKNOWN_1).is_some_and(|rest| rest.is_empty() || rest.starts_with(b" ")) {
        return Parsed::Header(Header { length, source: None, is_tls: false });
    }
    let Ok(text) = std::str::from_utf8(&line[..end]) else { return Parsed::Wrong };
    let words: Vec<&str> = text.split(' ').collect();
    let (source, from, to) = match words[..] {
        ["PROXY", "TCP4", source, destination, from, to] => {
            let (Ok(source), Ok(_)) = (source.parse::<Ipv4Addr>(), destination.parse::<Ipv4Addr>()) else {
                return Parsed::Wrong;
            };
            (IpAddr::from(source), from, to)
        }
        ["PROXY", "TCP6", source, destination, from, to] => {
            let (Ok(source), Ok(_)) = (source.parse::<Ipv6Addr>(), destination.parse::<Ipv6Addr>()) else {
                return Parsed::Wrong;
            };
            (IpAddr::from(source), from, to)
        }
        _ => return Parsed::Wrong,
    };
    if !is_port(from) || !is_port(to) {
        return Parsed::Wrong;
    }
    Parsed::Header(Header { length, source: Some(source.to_canonical()), is_tls: false })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header of version 2.
    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [SIGNATURE_2, &[command, family], &length, rest].concat()
    }

    fn ipv4(values: &[u8]) -> Vec<u8> {
        [&[192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x01, 0xbb], values].concat()
    }

    fn parsed(bytes: &[u8]) -> Option<(Option<String>, bool)> {
        match parse(bytes) {
            Parsed::Header(header) => {
                assert_eq!(header.length, bytes.len());
                Some((header.source.map(|source| source.to_string()), header.is_tls))
            }
            Parsed::Incomplete { .. } | Parsed::Wrong => None,
        }
    }

    #[test]
    fn version_2() {
        let from = |source: &str, is_tls| Some((Some(source.to_owned()), is_tls));
        let mut ipv6 = [0; 36];
        ipv6[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().expect("an address").octets());
        let mut mapped = [0; 36];
        mapped[..16].copy_from_slice(&"::ffff:192.0.2.9".parse::<Ipv6Addr>().expect("an address").octets());
        let tls = [TYPE_SSL, 0, 5, CLIENT_SSL, 0, 0, 0, 0];
        let no_tls = [TYPE_SSL, 0, 5, 0, 0, 0, 0, 1];
        let noop_then_tls = [&[4, 0, 2, 0, 0][..], &tls].concat();
        for (bytes, expected) in [
            (header(0x21, 0x11, &ipv4(&[])), from("192.0.2.7", false)),
            (header(0x21, 0x21, &ipv6), from("2001:db8::7", false)),
            (header(0x21, 0x21, &mapped), from("192.0.2.9", false)),
            (header(0x21, 0x11, &ipv4(&tls)), from("192.0.2.7", true)),
            (header(0x21, 0x11, &ipv4(&no_tls)), from("192.0.2.7", false)),
            (header(0x21, 0x11, &ipv4(&noop_then_tls)), from("192.0.2.7", true)),
            (header(0x20, 0x00, &[]), Some((None, false))),
            (header(0x20, 0x11, &ipv4(&tls)), Some((None, false))),
            (header(0x21, 0x00, &[]), Some((None, false))),
        ] {
            assert_eq!(parsed(&bytes), expected, "{bytes:?}");
            for cut in 0..bytes.len() {
                assert!(
                    matches!(parse(&bytes[..cut]), Parsed::Incomplete { needed_bytes } if needed_bytes > cut),
                    "{cut}"
                );
            }
        }
    }

    #[test]
    fn version_1() {
        let from = |source: &str, is_tls| Some((Some(source.to_owned()), is_tls));
        for (line, expected) in [
            ("PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n", from("192.0.2.7", false)),
            ("PROXY TCP6 2001:db8::7 ::1 12345 443\r\n", from("2001:db8::7", false)),
            ("PROXY UNKNOWN\r\n", Some((None, false))),
            ("PROXY UNKNOWN whatever it is\r\n", Some((None, false))),
            ("PROXY TCP4 2001:db8::7 ::1 12345 443\r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 12345 70000\r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1\r\n", None),
            ("PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 0 65535\r\n", from("192.0.2.7", false)),
            ("PROXY TCP6 ::FFFF:192.0.2.9 ::1 1 2\r\n", from("192.0.2.9", false)),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 1 +2\r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 00 2\r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 1 -0\r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1  2\r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n", None),
            ("PROXY TCP4 192.0.2.7  10.0.0.1 1 2\r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 1\t2\r\n", None),
            ("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n\r\n", None),
            ("PROXY TCP4 192.0.02.7 10.0.0.1 1 2\r\n", None),
            ("PROXY TCP4 192.0.2.7 010.0.0.1 1 2\r\n", None),
            ("PROXY TCP4 192.0.2 10.0.0.1 1 2\r\n", None),
            ("PROXY TCP4 0xc0.0.2.7 10.0.0.1 1 2\r\n", None),
            ("PROXY TCP6 [2001:db8::7] ::1 1 2\r\n", None),
            ("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", None),
            ("PROXY TCP6 fe80::1%1 ::1 1 2\r\n", None),
            ("PROXY TCP6 2001:00db8::7 ::1 1 2\r\n", None),
            ("PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n", None),
            ("PROXY tcp4 192.0.2.7 10.0.0.1 1 2\r\n", None),
            ("PROXY UNKNOWNS\r\n", None),
            ("PROXY UNKNOWN \u{85}\n01 +2\r\n", Some((None, false))),
        ] {
            assert_eq!(parsed(line.as_bytes()), expected, "{line}");
        }
        assert!(matches!(parse(b"PROXY TCP4 192"), Parsed::Incomplete { .. }));
        assert!(matches!(parse(b"PROXY UNKNOWN \xff\r\n"), Parsed::Header(Header { length: 17, source: None, .. })));
        assert_eq!(parse(format!("PROXY {}", "x".repeat(200)).as_bytes()), Parsed::Wrong);
    }

    #[test]
    fn what_is_no_header() {
        let bad_length = [&[TYPE_SSL, 1, 0][..], &[0; 8]].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PRI * HTTP/2.0\r\n".to_vec(),
            b"\x16\x03\x01".to_vec(),
            header(0x22, 0x11, &ipv4(&[])),
            header(0x11, 0x11, &ipv4(&[])),
            header(0x21, 0x11, &[1, 2, 3]),
            header(0x21, 0x21, &ipv4(&[])),
            header(0x21, 0x31, &[0; 216]),
            header(0x21, 0x11, &ipv4(&bad_length)),
            header(0x21, 0x11, &[0; 5000]),
        ] {
            assert_eq!(parse(&bytes), Parsed::Wrong, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(rest in prop::collection::vec(any::<u8>(), 0..80), command in any::<u8>(), family in any::<u8>()) {
            parse(&rest);
            parse(&header(command, family, &rest));
            parse(&[SIGNATURE_1, &rest].concat());
        }
    }
}
