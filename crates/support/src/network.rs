//! Networks of addresses, as in `10.0.0.0/8`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// All addresses with the same first bits (RFC 4632, 3.1; RFC 4291, 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// Why a text is not a network: a clause that follows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkError {
    /// The part before the slash.
    Address,
    /// The part after the slash.
    Prefix,
    /// The address has bits behind the prefix: it is an address in a network, or the prefix is wrong.
    HostBits,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "which is not an address",
            Self::Prefix => "whose prefix length is not a number of bits (0 to 32 for IPv4, 0 to 128 for IPv6)",
            Self::HostBits => {
                "whose address has bits behind the prefix (give the network's first address, or no prefix length for one \
                 address)"
            }
        })
    }
}

impl std::error::Error for NetworkError {}

impl Network {
    /// Whether an address is in it. An IPv4 address that a dual-stack socket reports as `::ffff:a.b.c.d`
    /// counts as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && first_bits(address, self.prefix) == self.first
    }

    /// Whether every address of a family is in it.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }
}

/// The address with the bits behind the prefix set to zero.
fn first_bits(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(u32::BITS - prefix).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(u128::BITS - prefix).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// `ADDRESS` or `ADDRESS/PREFIX`.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            // `+8` is a number for the standard library.
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok().filter(|prefix| *prefix <= bits).ok_or(NetworkError::Prefix)?
            }
            Some(_) => return Err(NetworkError::Prefix),
        };
        if first_bits(address, prefix) != address {
            return Err(NetworkError::HostBits);
        }
        // An IPv4 network in its IPv6 form; addresses are compared in the IPv4 form.
        Ok(match address.to_canonical() {
            first @ IpAddr::V4(_) if address.is_ipv6() && prefix >= 96 => Self { first, prefix: prefix - 96 },
            _ => Self { first: address, prefix },
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.first.is_ipv4() { 32 } else { 128 };
        if self.prefix == bits { self.first.fmt(f) } else { write!(f, "{}/{}", self.first, self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_is_the_addresses_with_its_first_bits() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "a00::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("192.0.2.6/31", "192.0.2.7", true),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe80::1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("::ffff:10.0.0.0/104", "11.9.9.9", false),
        ] {
            assert_eq!(contains(network, address), expected, "{network} {address}");
        }
        assert!("::/0".parse::<Network>().unwrap().is_everything());
        assert!(!"fd00::/8".parse::<Network>().unwrap().is_everything());
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for (text, error) in [
            ("", NetworkError::Address),
            ("10.0.0.0.0/8", NetworkError::Address),
            ("proxy.example", NetworkError::Address),
            ("/8", NetworkError::Address),
            ("[fd00::]/8", NetworkError::Address),
            ("10.0.0.0/33", NetworkError::Prefix),
            ("10.0.0.0/", NetworkError::Prefix),
            ("10.0.0.0/+8", NetworkError::Prefix),
            ("10.0.0.0/8/8", NetworkError::Prefix),
            ("fd00::/129", NetworkError::Prefix),
            ("10.0.0.1/8", NetworkError::HostBits),
            ("fd00::1/64", NetworkError::HostBits),
            ("192.0.2.1/0", NetworkError::HostBits),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }

    #[test]
    fn it_is_printed_in_one_form() {
        for (given, printed) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.1/32", "192.0.2.1"),
            ("FD00:0::/8", "fd00::/8"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(given.parse::<Network>().unwrap().to_string(), printed);
        }
    }
}
