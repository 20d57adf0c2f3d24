//! IP addresses and networks.

use std::net::{AddrParseError, IpAddr};
use std::num::ParseIntError;
use std::str::FromStr;

/// A network in CIDR form (RFC 4632), or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NetworkError;

impl From<AddrParseError> for NetworkError {
    fn from(_: AddrParseError) -> Self {
        Self
    }
}

impl From<ParseIntError> for NetworkError {
    fn from(_: ParseIntError) -> Self {
        Self
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse()?, Some(prefix.parse()?)),
            None => (text.parse()?, None),
        };
        let longest = width(address);
        let prefix = prefix.unwrap_or(longest);
        if prefix > longest { Err(NetworkError) } else { Ok(Self { address, prefix }) }
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address as a number, at the upper end of 128 bits.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Network {
    /// Whether the address lies in it. A v4 address that came in v6 form counts as v4.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        let address = match self.address {
            IpAddr::V4(_) => address.to_canonical(),
            IpAddr::V6(_) => address,
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
        width(address) == width(self.address) && (bits(address) ^ bits(self.address)) & mask == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        for (network, address, expected) in [
            ("203.0.113.0/24", "203.0.113.255", true),
            ("203.0.113.0/24", "203.0.114.0", false),
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.7/32", "203.0.113.8", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.7", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
        ] {
            let network: Network = network.parse().expect("a network");
            assert_eq!(network.contains(address.parse().expect("an address")), expected, "{network:?} {address}");
        }
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "host"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
