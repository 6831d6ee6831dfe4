//! The parsers of what clients send, for the fuzz targets in `fuzz/`. Exists only with `--cfg fuzzing`.
//!
//! Each function panics if a parser violates a guarantee.

use crate::client::{ProxyHeader, TrustedProxies};
use crate::gate::Gate;
use crate::{base64_text, request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use std::net::{IpAddr, Ipv4Addr};
use support::authority::{Authority, Host};

/// The longest error, printed with its field names: it repeats no long part of the body.
const ERROR_BYTES_MAX: usize = 4096;

/// The body of `POST /execute`.
pub fn execute_body(body: &[u8]) {
    if let Err(error) = request::parse(body) {
        let error = format!("{error:?}");
        assert!(error.len() <= ERROR_BYTES_MAX, "{error}");
    }
}

/// The content of an input file. Re-encoded output means the same; what the standard accepts, we accept.
pub fn base64_text(text: &str) {
    let strict = STANDARD.decode(text).ok();
    let ours = base64_text::decode(text.to_owned()).ok();
    if strict.is_some() {
        assert_eq!(ours, strict);
    }
    if let Some(bytes) = ours {
        assert_eq!(base64_text::decode(STANDARD.encode(&bytes)).ok(), Some(bytes));
    }
}

/// `Host`, an origin, an address of a setting.
pub fn authority(text: &str) {
    let Some(Authority { host, port }) = Authority::parse(text) else { return };
    let host = match host {
        Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
        Host::Address(IpAddr::V4(address)) => address.to_string(),
        Host::Number(name) | Host::Name(name) => {
            assert!(!name.is_empty() && !name.contains(|c: char| c.is_ascii_uppercase() || c == ':'));
            name
        }
    };
    let written = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    assert_eq!(Authority::parse(&written), Authority::parse(text), "{written} parses differently");
}

/// The headers `Host` and `Origin` of a request that changes state, sent to a service for this machine only,
/// without settings: whatever they are, no name of the public DNS is accepted.
pub fn host_and_origin(host: &[u8], origin: &[u8]) {
    let (Ok(host), Ok(origin)) = (HeaderValue::from_bytes(host), HeaderValue::from_bytes(origin)) else {
        return;
    };
    let gate = Gate::new(&[], None, &[], IpAddr::V4(Ipv4Addr::LOCALHOST));
    let headers = HeaderMap::from_iter([(header::HOST, host.clone()), (header::ORIGIN, origin.clone())]);
    let uri = Uri::from_static("/execute");
    if gate.check(&Method::POST, &uri, Version::HTTP_11, &headers).is_ok() {
        let is_own = |authority: &str| match Authority::parse(authority).map(|authority| authority.host) {
            Some(Host::Name(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Address(_) | Host::Number(_)) => true,
            None => false,
        };
        let (host, origin) = (host.to_str().unwrap_or_default(), origin.to_str().unwrap_or_default());
        assert!(is_own(host), "{host}");
        assert!(origin.split_once("://").is_some_and(|(_, authority)| is_own(authority)), "{origin}");
    }
}

/// What a client and proxies before the last send in `X-Forwarded-For` or `Forwarded`. Whatever it is, the entry
/// that the last proxy adds at its right decides; and without a trusted proxy nothing is read.
pub fn forwarded(header: ProxyHeader, sent: &[u8]) {
    const CLIENT: &str = "192.0.2.1";
    let (name, added) = match header {
        ProxyHeader::XForwardedFor => ("x-forwarded-for", CLIENT.to_owned()),
        ProxyHeader::Forwarded => ("forwarded", format!("for={CLIENT};proto=https")),
    };
    let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let networks = ["10.0.0.0/8", "fd00::/8"].iter().filter_map(|network| network.parse().ok()).collect();
    let trusting = TrustedProxies { networks, header };
    let line = [sent, b", ", added.as_bytes()].concat();
    let (Ok(sent), Ok(line)) = (HeaderValue::from_bytes(sent), HeaderValue::from_bytes(&line)) else {
        return;
    };
    let headers = |lines: &[&HeaderValue]| {
        HeaderMap::from_iter(lines.iter().map(|line| (HeaderName::from_static(name), (*line).clone())))
    };
    let own_line = HeaderValue::from_str(&added).unwrap_or_else(|_| HeaderValue::from_static(""));
    for lines in [headers(&[&line]), headers(&[&sent, &own_line])] {
        assert_eq!(trusting.client(peer, &lines).to_string(), CLIENT);
    }
    assert_eq!(TrustedProxies::default().client(peer, &headers(&[&sent])), peer);
    let _ = trusting.client(peer, &headers(&[&sent]));
}
