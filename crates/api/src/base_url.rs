//! The base of absolute links.

use http::HeaderMap;
use http::header;
use std::net::SocketAddr;
use support::authority::Authority;

/// The base of absolute links: the setting, else the client's `Host`, else the address of the listener. `scheme` is that
/// of the listener.
///
/// The client's `Host` is trusted only for its own answer, and only if it is a host and a port
/// ([`crate::gate`] lets no other name in): the answer goes to the client that sent it, and no cache keeps
/// it. `X-Forwarded-*` are never trusted; behind a proxy set `PUBLIC_URL`.
pub(crate) fn base_url(
    public_url: Option<&str>,
    scheme: &str,
    headers: &HeaderMap,
    bound: SocketAddr,
) -> String {
    if let Some(url) = public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .filter(|host| Authority::parse(host).is_some());
    host.map_or_else(|| format!("{scheme}://{bound}"), |host| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_setting_wins_then_the_host_then_the_bound_address() {
        let bound: SocketAddr = "127.0.0.1:8000".parse().unwrap();
        let host =
            |value: &'static str| HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(value))]);
        assert_eq!(base_url(Some("https://x.example/"), "http", &host("evil"), bound), "https://x.example");
        assert_eq!(base_url(None, "http", &host("sandbox:9000"), bound), "http://sandbox:9000");
        assert_eq!(base_url(None, "http", &host("evil/..@x"), bound), "http://127.0.0.1:8000");
        assert_eq!(base_url(None, "https", &host("sandbox"), bound), "https://sandbox");
        assert_eq!(base_url(None, "http", &HeaderMap::new(), bound), "http://127.0.0.1:8000");
    }
}
