//! `host`, `host:port`, `[v6]`, `[v6]:port`: the syntax of `Host`, of origins and of addresses (RFC 3986,
//! 3.2.2, without user and odd characters).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Maximum length of a host name in bytes (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// A host and, if given, a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, if given; `host:` has none.
    pub port: Option<u16>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A number at the end, which no DNS name has: an address in an old form, such as `127.1` (WHATWG URL,
    /// "ends in a number").
    Number(String),
    /// A name, in lower case, without a trailing dot.
    Name(String),
}

impl Authority {
    /// Parses a text; `None` if it is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
                (Host::Address(address.parse::<Ipv6Addr>().ok()?.into()), port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (Host::parse(host)?, Some(port)),
                None => (Host::parse(text)?, None),
            },
        };
        // `host:` is valid and means no port.
        let port = match port.filter(|port| !port.is_empty()) {
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
            Some(_) => return None,
            None => None,
        };
        Some(Self { host, port })
    }
}

impl Host {
    /// Parses a name or an IPv4 address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let good = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if name.len() > NAME_BYTES_MAX || !name.split('.').all(good) {
            return None;
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_number = last.bytes().all(|b| b.is_ascii_digit())
            || last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
        Some(if is_number { Self::Number(name) } else { Self::Name(name) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_and_a_port_are_an_authority() {
        for good in [
            "localhost",
            "localhost:8000",
            "a-b.example:1",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:8000",
            "a.",
            "a:",
            "x_y",
        ] {
            assert!(Authority::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "a/b",
            "a@b",
            "a:b",
            "a:99999",
            "a:1:2",
            "a?x",
            "<script>",
            "[::1",
            "[x]:1",
            "a\"b",
            "[::1]x",
            "a..b",
            ".a",
            "..",
            "a:+1",
            "é",
            "[fe80::1%25eth0]",
            "a%2eb",
            "a,b",
            "[127.0.0.1]",
        ] {
            assert!(Authority::parse(bad).is_none(), "{bad}");
        }
        assert!(Authority::parse(&"a".repeat(254)).is_none());
    }

    #[test]
    fn names_are_told_from_addresses_in_any_form() {
        let host = |text: &str| Authority::parse(text).unwrap().host;
        assert_eq!(host("Example.ORG.:80"), Host::Name("example.org".into()));
        assert_eq!(host("127.0.0.1"), Host::Address(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(host("127.0.0.1."), Host::Address(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(host("[::1]:1"), Host::Address(Ipv6Addr::LOCALHOST.into()));
        for number in ["127.1", "2130706433", "0x7f.1", "0x7f000001", "a.0x", "1.2.3.4.5", "127.0.0.01"] {
            assert!(matches!(host(number), Host::Number(_)), "{number}");
        }
        assert_eq!(host("1a"), Host::Name("1a".into()));
    }
}
