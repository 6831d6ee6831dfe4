//! The address of the client of a request. Behind a proxy it is in a header, and anybody can send that header.
//!
//! ```text
//! X-Forwarded-For: 203.0.113.9,  198.51.100.7,  10.0.0.2            the connection comes from 10.0.0.1
//!                  |             |              |                   |
//!                  not read      the client     a trusted proxy     a trusted proxy (TRUSTED_PROXIES)
//! ```
//!
//! Each proxy adds the address from which it got the request at the right. So the entries are read from right to
//! left, for as long as the address found so far is that of a trusted proxy. The client can write
//! whatever it likes to the left of that, and it changes nothing. An entry that is not an address (`unknown`,
//! `_hidden`, RFC 7239) ends the search: the last trusted proxy then counts as the client.
//!
//! Only one of the two headers is read (`TRUSTED_PROXY_HEADER`): a proxy that writes one passes the other on
//! as the client sent it. Scheme and host are never taken from headers of proxies; `PUBLIC_URL` has them.

use crate::connection::Connection;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::Network;
use tokio::time::Instant;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Entries that are read at most. Chains of proxies are short; networks that trust all of their addresses could
/// make them long.
const ENTRIES_MAX: usize = 32;

/// Time between two log lines on a header that is not the chosen one.
const REPORT_INTERVAL: Duration = Duration::from_secs(3600);

/// Whose word on the address of a client is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    /// Addresses of proxies (`TRUSTED_PROXIES`); none by default.
    pub networks: Vec<Network>,
    /// The header that they write (`TRUSTED_PROXY_HEADER`).
    pub header: ProxyHeader,
}

/// A header in which proxies name the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: addresses separated by commas.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): the parameter `for` of each element.
    Forwarded,
}

impl ProxyHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => header::FORWARDED,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::XForwardedFor => Self::Forwarded,
            Self::Forwarded => Self::XForwardedFor,
        }
    }

    /// Splits off the last entry of a line, and returns what is before it and the entry's address.
    fn split_last(self, line: &[u8]) -> (Option<&[u8]>, Option<IpAddr>) {
        let comma = match self {
            Self::XForwardedFor => line.iter().rposition(|byte| *byte == b','),
            Self::Forwarded => match last_comma_outside_quotes(line) {
                Ok(comma) => comma,
                Err(Unbalanced) => return (None, None),
            },
        };
        let (rest, entry) = match comma {
            Some(comma) => (Some(&line[..comma]), &line[comma + 1..]),
            None => (None, line),
        };
        let address = match self {
            Self::XForwardedFor => node(entry),
            Self::Forwarded => forwarded_for(entry).and_then(node),
        };
        (rest, address)
    }
}

impl TrustedProxies {
    fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// The client of a request that came from `peer`.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines: Vec<&HeaderValue> = headers.get_all(self.header.name()).iter().collect();
        let mut read = 0;
        for line in lines.into_iter().rev() {
            let mut rest = Some(line.as_bytes());
            while let Some(line) = rest {
                if read == ENTRIES_MAX || !self.trust(client) {
                    return client;
                }
                read += 1;
                let (before, address) = self.header.split_last(line);
                let Some(address) = address else { return client };
                client = address;
                rest = before;
            }
        }
        client
    }
}

/// The position of the last comma that is not in a quoted string (RFC 9110, 5.6.4), looking from the right:
/// what a client wrote at the left, such as a lone quote, must not swallow the entry of a proxy.
fn last_comma_outside_quotes(line: &[u8]) -> Result<Option<usize>, Unbalanced> {
    let mut in_quotes = false;
    for (position, byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' if !in_quotes => in_quotes = true,
            b'"' => {
                let backslashes = line[..position].iter().rev().take_while(|byte| **byte == b'\\').count();
                in_quotes = backslashes % 2 == 1;
            }
            b',' if !in_quotes => return Ok(Some(position)),
            _ => {}
        }
    }
    if in_quotes { Err(Unbalanced) } else { Ok(None) }
}

/// A quoted string has no beginning.
struct Unbalanced;

/// The value of the parameter `for` of an element of `Forwarded`, without quotes. `None` if there is not exactly
/// one.
fn forwarded_for(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    let (mut begin, mut in_quotes) = (0, false);
    for end in 0..=element.len() {
        match element.get(end) {
            // Addresses have no escaped characters, and other values do not matter if one of them is odd.
            Some(b'"') => in_quotes = !in_quotes,
            Some(b';') | None if !in_quotes || end == element.len() => {
                let pair = &element[begin..end];
                begin = end + 1;
                let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
                if pair[..equals].trim_ascii().eq_ignore_ascii_case(b"for")
                    && found.replace(&pair[equals + 1..]).is_some()
                {
                    return None;
                }
            }
            _ => {}
        }
    }
    found
}

/// The address of a node: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`, with or without
/// quotes and zone. The port may be obfuscated (`_a`, RFC 7239, 6).
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let text = match text.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => text,
    };
    let is_port = |port: &str| {
        !port.is_empty() && port.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    let v6 = |text: &str| {
        let address = text.split_once('%').map_or(text, |(address, _zone)| address);
        address.parse::<Ipv6Addr>().ok().map(|address| IpAddr::from(address).to_canonical())
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let has_port = rest.strip_prefix(':').is_some_and(is_port);
        return v6(address).filter(|_| rest.is_empty() || has_port);
    }
    let v4 = match text.split_once(':') {
        Some((address, port)) if is_port(port) => address,
        _ => text,
    };
    v4.parse::<Ipv4Addr>().ok().map(IpAddr::from).or_else(|| v6(text))
}

/// The address of the client of the current request.
#[derive(Debug, Clone, Copy)]
struct ClientAddress(IpAddr);

/// The address of the client of a request: what [`identify`] has found, or without it the peer.
pub(crate) fn address(request: &Request) -> IpAddr {
    request.extensions().get::<ClientAddress>().map_or_else(|| peer(request), |client| client.0)
}

fn peer(request: &Request) -> IpAddr {
    // Without a connection the request was made in this process.
    let connection = request.extensions().get::<Connection>();
    connection.map_or(Ipv4Addr::LOCALHOST.into(), |connection| connection.address.to_canonical())
}

/// Finds clients, and reports proxies that are set up differently than the settings say.
#[derive(Debug)]
pub(crate) struct Clients {
    proxies: TrustedProxies,
    /// A header of a proxy that is not listed was reported.
    unlisted: AtomicBool,
    /// The other header was reported at that time.
    other_at: Mutex<Option<Instant>>,
}

impl Clients {
    pub(crate) fn new(proxies: TrustedProxies) -> Self {
        Self { proxies, unlisted: AtomicBool::new(false), other_at: Mutex::new(None) }
    }

    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let header = self.proxies.header;
        if self.proxies.networks.is_empty() {
            let sends = [header, header.other()].into_iter().find(|one| headers.contains_key(one.name()));
            if let Some(sent) = sends.filter(|_| is_nearby(peer))
                && !self.unlisted.swap(true, Ordering::Relaxed)
            {
                tracing::warn!(
                    %peer,
                    header = %sent.name(),
                    "a proxy passes requests on, and all of its clients count as one caller (hint: if only that proxy \
                     can send from this address, add it to TRUSTED_PROXIES)"
                );
            }
            return peer.to_canonical();
        }
        if self.proxies.trust(peer)
            && !headers.contains_key(header.name())
            && headers.contains_key(header.other().name())
            && self.is_due(Instant::now())
        {
            tracing::warn!(
                %peer,
                header = %header.other().name(),
                expected = %header.name(),
                "a trusted proxy sends another header than TRUSTED_PROXY_HEADER names; it is ignored, and all of its \
                 clients count as one caller"
            );
        }
        self.proxies.client(peer, headers)
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut at = support::lock(&self.other_at);
        let is_due = at.is_none_or(|at| now.duration_since(at) >= REPORT_INTERVAL);
        if is_due {
            *at = Some(now);
        }
        is_due
    }
}

/// Whether an address is one of this host or of a private network, as those of proxies are.
fn is_nearby(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// The layer. It is around all others: they need to know the client.
pub(crate) async fn identify(
    State(clients): State<Arc<Clients>>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = clients.client(peer(&request), request.headers());
    request.extensions_mut().insert(ClientAddress(client));
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PEER: &str = "10.0.0.1";

    fn proxies(networks: &[&str], header: ProxyHeader) -> TrustedProxies {
        TrustedProxies { networks: networks.iter().map(|text| text.parse().unwrap()).collect(), header }
    }

    fn headers(header: ProxyHeader, lines: &[&str]) -> HeaderMap {
        let line = |line: &&str| (header.name(), HeaderValue::from_bytes(line.as_bytes()).unwrap());
        HeaderMap::from_iter(lines.iter().map(line))
    }

    fn found(header: ProxyHeader, peer: &str, lines: &[&str]) -> String {
        let proxies = proxies(&["10.0.0.0/8", "fd00::/8", "127.0.0.1"], header);
        proxies.client(peer.parse().unwrap(), &headers(header, lines)).to_string()
    }

    #[test]
    fn the_client_is_the_last_address_that_no_trusted_proxy_has() {
        for (peer, lines, client) in [
            // Nobody whom we trust.
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("192.0.2.1", &[], "192.0.2.1"),
            ("::ffff:192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            // One proxy, two, one in its IPv6 form.
            (PEER, &[], PEER),
            (PEER, &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            (PEER, &["198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            (PEER, &["198.51.100.7,10.0.0.2 ,\t10.9.9.9"], "198.51.100.7"),
            ("127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("127.0.0.2", &["198.51.100.7"], "127.0.0.2"),
            // What the client itself wrote.
            (PEER, &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            (PEER, &["10.0.0.3, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            (PEER, &["127.0.0.1, 198.51.100.7"], "198.51.100.7"),
            (PEER, &["\", 198.51.100.7"], "198.51.100.7"),
            (PEER, &["é, 198.51.100.7"], "198.51.100.7"),
            (PEER, &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
            (PEER, &["198.51.100.7", "10.0.0.2"], "198.51.100.7"),
            // Only proxies: the first one.
            (PEER, &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // Ports, brackets, zones, quotes.
            (PEER, &["198.51.100.7:4711"], "198.51.100.7"),
            (PEER, &["[2001:db8::7]:4711"], "2001:db8::7"),
            (PEER, &["[2001:db8::7]"], "2001:db8::7"),
            (PEER, &["2001:DB8:0::7"], "2001:db8::7"),
            (PEER, &["fe80::7%eth0"], "fe80::7"),
            (PEER, &["\"[2001:db8::7]:80\""], "2001:db8::7"),
            (PEER, &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("fd00::1", &["2001:db8::7, fd00::2"], "2001:db8::7"),
            // Not an address: the last proxy.
            (PEER, &["unknown"], PEER),
            (PEER, &["198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2"),
            (PEER, &["198.51.100.7, _hidden"], PEER),
            (PEER, &["198.51.100.7,"], PEER),
            (PEER, &[""], PEER),
            (PEER, &["198.51.100.300"], PEER),
            (PEER, &["198.51.100.7:"], PEER),
            (PEER, &["[2001:db8::7"], PEER),
            (PEER, &["[2001:db8::7]x"], PEER),
            (PEER, &["[198.51.100.7]"], PEER),
            (PEER, &["198.51.100.7 10.0.0.2"], PEER),
            (PEER, &["for=198.51.100.7"], PEER),
        ] {
            assert_eq!(found(ProxyHeader::XForwardedFor, peer, lines), client, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_standard_header_has_parameters_and_quotes() {
        for (lines, client) in [
            (&["for=198.51.100.7"][..], "198.51.100.7"),
            (&["For=198.51.100.7;proto=https;by=10.0.0.1"], "198.51.100.7"),
            (&["by=10.0.0.1 ; for=\"198.51.100.7:80\""], "198.51.100.7"),
            (&["for=\"[2001:db8::7]:4711\""], "2001:db8::7"),
            (&["for=\"[2001:db8::7]:_port\""], "2001:db8::7"),
            (&["for=198.51.100.7, for=10.0.0.2;host=\"a,b;for=1.1.1.1\""], "198.51.100.7"),
            (&["for=198.51.100.7;ext=\"a\\\"b,\", for=10.0.0.2"], "198.51.100.7"),
            (&["for=1.1.1.1, for=198.51.100.7"], "198.51.100.7"),
            (&["for=1.1.1.1", "for=198.51.100.7, for=10.0.0.2"], "198.51.100.7"),
            // What the client wrote: a quote that never ends, in its element or in one before.
            (&["for=\"1.1.1.1, for=198.51.100.7"], "198.51.100.7"),
            (&["host=\"a, for=198.51.100.7, for=10.0.0.2"], "198.51.100.7"),
            // Not an address.
            (&["for=unknown"], PEER),
            (&["for=_gazonk"], PEER),
            (&["for=\"198.51.100.7"], PEER),
            (&["for=198.51.100.7\""], PEER),
            (&["proto=https"], PEER),
            (&["for=198.51.100.7;for=1.1.1.1"], PEER),
            (&["198.51.100.7"], PEER),
            (&["forward=198.51.100.7"], PEER),
        ] {
            assert_eq!(found(ProxyHeader::Forwarded, PEER, lines), client, "{lines:?}");
        }
    }

    #[test]
    fn only_the_chosen_header_is_read() {
        for (chosen, client) in
            [(ProxyHeader::XForwardedFor, "192.0.2.1"), (ProxyHeader::Forwarded, "192.0.2.2")]
        {
            let mut both = headers(ProxyHeader::XForwardedFor, &["192.0.2.1"]);
            both.extend(headers(ProxyHeader::Forwarded, &["for=192.0.2.2"]));
            let client_of =
                |headers: &HeaderMap| proxies(&[PEER], chosen).client(PEER.parse().unwrap(), headers);
            assert_eq!(client_of(&both).to_string(), client);
            both.remove(chosen.name());
            assert_eq!(client_of(&both).to_string(), PEER);
        }
    }

    #[test]
    fn a_chain_is_read_to_a_bound() {
        let chain = |proxies: usize| format!("192.0.2.1{}", ", 10.0.0.9".repeat(proxies));
        assert_eq!(found(ProxyHeader::XForwardedFor, PEER, &[&chain(ENTRIES_MAX - 1)]), "192.0.2.1");
        assert_eq!(found(ProxyHeader::XForwardedFor, PEER, &[&chain(ENTRIES_MAX)]), "10.0.0.9");
    }

    #[test]
    fn the_other_header_is_reported_once_an_hour() {
        let clients = Clients::new(proxies(&[PEER], ProxyHeader::default()));
        let now = Instant::now();
        assert!(clients.is_due(now) && !clients.is_due(now));
        assert!(!clients.is_due(now + REPORT_INTERVAL / 2) && clients.is_due(now + REPORT_INTERVAL));
    }

    fn element() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<Ipv4Addr>().prop_map(|address| address.to_string()),
            any::<Ipv6Addr>().prop_map(|address| address.to_string()),
            any::<Ipv4Addr>().prop_map(|address| format!("for={address};proto=http")),
            any::<Ipv6Addr>().prop_map(|address| format!("for=\"[{address}]:80\"")),
            Just("10.0.0.2".to_owned()),
            Just("unknown".to_owned()),
            "[ -~]{0,24}",
        ]
    }

    proptest! {
        /// Whatever a client sends, the proxies' own entries decide.
        #[test]
        fn what_stands_at_the_left_changes_nothing(
            sent in prop::collection::vec(element(), 0..6),
            is_own_line in any::<bool>(),
            proxies_between in 0_usize..4,
            client in any::<u8>(),
        ) {
            for header in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded] {
                let entry = |address: &str| match header {
                    ProxyHeader::XForwardedFor => address.to_owned(),
                    ProxyHeader::Forwarded => format!("for={address};proto=https"),
                };
                let client = format!("192.0.2.{client}");
                let mut added = entry(&client);
                for _ in 0..proxies_between {
                    added = format!("{added}, {}", entry("10.0.0.2"));
                }
                let sent = sent.join(", ");
                let lines = if is_own_line { vec![sent, added] } else { vec![format!("{sent}, {added}")] };
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                prop_assert_eq!(found(header, PEER, &lines), client);
            }
        }

        /// Without a trusted peer no header matters.
        #[test]
        fn a_stranger_is_its_own_address(sent in prop::collection::vec(element(), 0..6)) {
            let lines: Vec<&str> = sent.iter().map(String::as_str).collect();
            for header in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded] {
                prop_assert_eq!(found(header, "192.0.2.1", &lines), "192.0.2.1");
            }
        }
    }
}
