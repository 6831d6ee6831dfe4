//! The address that links are made with.

use http::HeaderMap;
use http::header;
use std::net::SocketAddr;

/// The base of absolute links: the setting, else what the client called us, else where we listen.
///
/// The client's `Host` is believed only for its own answer, and only if it is a host and a port: the answer goes
/// to whoever sent it, and no cache keeps it. `X-Forwarded-*` are never believed; behind a proxy set `PUBLIC_URL`.
pub(crate) fn base_url(public_url: Option<&str>, headers: &HeaderMap, bound: SocketAddr) -> String {
    if let Some(url) = public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).filter(|host| is_host(host));
    host.map_or_else(|| format!("http://{bound}"), |host| format!("http://{host}"))
}

/// `host`, `host:port`, `[v6]` or `[v6]:port` and nothing else (RFC 3986, 3.2.2, without odd characters).
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, rest)) => {
                if address.parse::<std::net::Ipv6Addr>().is_err() {
                    return false;
                }
                return rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
            }
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let good_host = (1..=253).contains(&host.len())
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    good_host && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_a_host_and_a_port_are_a_host() {
        for good in ["localhost", "localhost:8000", "a-b.example:1", "127.0.0.1:80", "[::1]", "[::1]:8000"] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "", ":80", "a b", "a/b", "a@b", "a:b", "a:99999", "a:1:2", "a?x", "<script>", "[::1", "[x]:1",
            "a\"b",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn the_setting_wins_then_the_host_then_the_bound_address() {
        let bound: SocketAddr = "127.0.0.1:8000".parse().unwrap();
        let host =
            |value: &'static str| HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(value))]);
        assert_eq!(base_url(Some("https://x.example/"), &host("evil"), bound), "https://x.example");
        assert_eq!(base_url(None, &host("sandbox:9000"), bound), "http://sandbox:9000");
        assert_eq!(base_url(None, &host("evil/..@x"), bound), "http://127.0.0.1:8000");
        assert_eq!(base_url(None, &HeaderMap::new(), bound), "http://127.0.0.1:8000");
    }
}
