//! Which hosts and addresses may be reached: whoever may name one must not reach into the server's own network with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// What may be reached. Without anything said, the public internet.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    /// Whether addresses that are not the internet's may be reached.
    pub allow_private: bool,
    /// Private places that may be reached all the same.
    pub allow: Vec<NetworkPattern>,
    /// Places that are never reached.
    pub deny: Vec<NetworkPattern>,
}

/// A part of the network, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkPattern {
    /// All addresses that begin with the same bits; one address has all of them.
    Network {
        /// One of its addresses.
        address: IpAddr,
        /// How many bits they share.
        bits: u8,
    },
    /// A host by its name, wherever that leads.
    Host {
        /// In lower case.
        name: String,
        /// Only at this port.
        port: Option<u16>,
    },
}

/// A text is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a network such as 10.0.0.0/8, an address or HOST[:PORT]")]
pub struct NetworkPatternError;

impl FromStr for NetworkPattern {
    type Err = NetworkPatternError;

    fn from_str(text: &str) -> Result<Self, NetworkPatternError> {
        let most_bits = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        if let Ok(address) = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            let bits = bits.map_or(Ok(most_bits(address)), str::parse).map_err(|_| NetworkPatternError)?;
            return if bits <= most_bits(address) {
                Ok(Self::Network { address, bits })
            } else {
                Err(NetworkPatternError)
            };
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| NetworkPatternError)?)),
            None => (text, None),
        };
        if !crate::host_name::is_host_name(name) {
            return Err(NetworkPatternError);
        }
        Ok(Self::Host { name: name.to_ascii_lowercase(), port })
    }
}

impl NetworkPattern {
    /// One address.
    pub const fn of(address: IpAddr) -> Self {
        Self::Network { address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }

    fn has_address(&self, address: IpAddr) -> bool {
        let Self::Network { address: first, bits } = self else { return false };
        let same = |one: u128, other: u128, width: u8| bits == &0 || (one ^ other) >> (width - bits) == 0;
        match (first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => same(first.to_bits().into(), address.to_bits().into(), 32),
            (IpAddr::V6(first), IpAddr::V6(address)) => same(first.to_bits(), address.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    fn is_host(&self, host: &str, at_port: u16) -> bool {
        match self {
            Self::Host { name, port } => name.eq_ignore_ascii_case(host) && port.is_none_or(|port| port == at_port),
            Self::Network { .. } => false,
        }
    }
}

impl Networks {
    /// The internet, and with `allow_private` everything else too.
    pub fn new(allow_private: bool) -> Self {
        Self { allow_private, ..Self::default() }
    }

    /// Whether a host is reached by its name, wherever that leads: none if its address decides.
    pub fn decides_host(&self, host: &str, port: u16) -> Option<bool> {
        let is_named = |places: &[NetworkPattern]| places.iter().any(|place| place.is_host(host, port));
        if is_named(&self.deny) {
            Some(false)
        } else if is_named(&self.allow) {
            Some(true)
        } else {
            None
        }
    }

    /// Whether an address may be reached; `is_trusted` if the host's name was allowed.
    pub fn allows(&self, address: IpAddr, is_trusted: bool) -> bool {
        let address = address.to_canonical();
        let is_in = |places: &[NetworkPattern]| places.iter().any(|place| place.has_address(address));
        !is_in(&self.deny) && (is_trusted || self.allow_private || is_public(address) || is_in(&self.allow))
    }
}

/// Whether the address belongs to the public internet (IANA's registries of special-purpose addresses).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Shared by carriers, protocol assignments, 6to4 relays, benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            embedded(high, low)
        }
        // Teredo and other protocol assignments, documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Only these are assigned to anybody's hosts; private, link-local and multicast ones are not among them.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        for text in
            ["10.0.0.0/8", "10.1.2.3", "::1", "[::1]", "fd00::/8", "registry.internal", "registry.internal:5000"]
        {
            assert!(text.parse::<NetworkPattern>().is_ok(), "{text}");
        }
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/x", "a b", "registry.internal:", "host/path", "host:99999"]
        {
            assert_eq!(text.parse::<NetworkPattern>(), Err(NetworkPatternError), "{text}");
        }
    }

    #[test]
    fn what_is_allowed_and_denied() {
        let places = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a place")).collect();
        let networks = Networks {
            allow_private: false,
            allow: places(&["10.0.0.0/8", "registry.internal:5000", "0.0.0.0/0", "fd00::/8"]),
            deny: places(&["10.9.0.0/16", "169.254.169.254", "evil.example.com"]),
        };
        for (address, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.9.2.3", false),
            ("::ffff:10.9.2.3", false),
            ("169.254.169.254", false),
            ("192.168.0.1", true),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(networks.allows(address.parse().expect("an address"), false), expected, "{address}");
        }
        assert!(networks.allows("fe80::1".parse().expect("an address"), true));
        assert!(!networks.allows("10.9.0.1".parse().expect("an address"), true), "a denied network stays denied");
        assert_eq!(networks.decides_host("Registry.Internal", 5000), Some(true));
        assert_eq!(networks.decides_host("registry.internal", 5001), None);
        assert_eq!(networks.decides_host("evil.example.com", 443), Some(false));
        let private = Networks::new(true);
        assert!(private.allows("127.0.0.1".parse().expect("an address"), false));
    }

    #[test]
    fn addresses() {
        let public = ["1.1.1.1", "140.82.112.3", "100.63.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"];
        let private = [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001:0:1::1",
        ];
        for (addresses, expected) in [(&public[..], true), (&private[..], false)] {
            for address in addresses {
                assert_eq!(is_public(address.parse().expect("an address")), expected, "{address}");
            }
        }
    }
}
