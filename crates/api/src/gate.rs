//! Which names of this service a request may use, and which pages may send one.
//!
//! A page of any site can make its own name resolve to this machine (DNS rebinding); the browser then takes
//! this service for that site, lets the page read every answer, and sends the site's name in `Host`. So a
//! name in `Host` must be one of ours. Addresses are safe: a browser that was given one has not used DNS.
//! `Origin` says which site's page sends a request; that of a `POST` must be this service itself or one of
//! `CORS_ORIGINS`.

use crate::error::ApiError;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use contract::ErrorCode;
use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};
use std::net::IpAddr;
use std::sync::Arc;
use support::authority::{Authority, Host};

/// The rules, made once.
#[derive(Debug)]
pub(crate) struct Gate {
    /// `ALLOWED_HOSTS` has `*`.
    any_host: bool,
    /// Names, in lower case.
    names: Vec<String>,
    /// Domains whose every name is allowed.
    domains: Vec<String>,
    /// Names without a dot: those of containers and of the local network. They cannot exist in the public
    /// DNS, but on an untrusted network a machine may give itself any, so a service for this machine only
    /// does not accept them.
    single_labels: bool,
    /// `CORS_ORIGINS` has `*`.
    any_origin: bool,
    /// The origins in `CORS_ORIGINS` and `PUBLIC_URL`.
    origins: Vec<Origin>,
}

/// Scheme, host and port; the scheme's default port if none is given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: &'static str,
    host: Host,
    port: u16,
}

impl Origin {
    /// Parses `http://host:port`, and anything after a slash if `with_path`.
    fn parse(text: &str, with_path: bool) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
        let authority = if with_path { rest.split('/').next().unwrap_or_default() } else { rest };
        let authority = Authority::parse(authority)?;
        Some(Self { scheme, port: authority.port.unwrap_or(default_port(scheme)), host: authority.host })
    }

    /// Whether a request to this authority goes to this origin. The scheme depends on the proxy, so it is not
    /// compared.
    fn is(&self, authority: &Authority) -> bool {
        self.host == authority.host && self.port == authority.port.unwrap_or(default_port(self.scheme))
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

impl Gate {
    /// The rules of a service that listens on `bound`.
    pub(crate) fn new(
        allowed_hosts: &[String],
        public_url: Option<&str>,
        cors_origins: &[String],
        bound: IpAddr,
    ) -> Self {
        let public = public_url.and_then(|url| Origin::parse(url, true));
        let mut names = vec!["localhost".to_owned()];
        let mut domains = vec!["localhost".to_owned()];
        if let Some(Origin { host: Host::Name(name), .. }) = &public {
            names.push(name.clone());
        }
        for entry in allowed_hosts {
            match (entry.strip_prefix("*."), Host::parse(entry.strip_prefix("*.").unwrap_or(entry))) {
                (Some(_), Some(Host::Name(domain))) => domains.push(domain),
                (None, Some(Host::Name(name))) => names.push(name),
                // `*`, and addresses, which are allowed anyway.
                _ => {}
            }
        }
        let listed =
            cors_origins.iter().filter_map(|origin| Origin::parse(origin.trim_end_matches('/'), false));
        Self {
            any_host: allowed_hosts.iter().any(|host| host == "*"),
            names,
            domains,
            single_labels: !bound.to_canonical().is_loopback(),
            any_origin: cors_origins.iter().any(|origin| origin == "*"),
            origins: listed.chain(public).collect(),
        }
    }

    pub(crate) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        let host = self.check_host(uri, version, headers)?;
        // These methods change nothing, and no other page can read their answers.
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(());
        }
        self.check_origin(host.as_ref(), headers)
    }

    /// The authority that the request is for; `None` if HTTP/1.0 leaves it out, which no browser does.
    fn check_host(
        &self,
        uri: &Uri,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Option<Authority>, ApiError> {
        let malformed = |why: &str| ApiError::new(ErrorCode::BadRequest, format!("{why} (RFC 9112, 3.2)"));
        let mut given = headers.get_all(header::HOST).iter();
        let host = match (given.next(), given.next()) {
            (Some(host), None) => Some(host),
            (None, _) if version < Version::HTTP_11 => None,
            (None, _) => {
                return Err(malformed("the request has no `Host`: send the service's name or address"));
            }
            (Some(_), Some(_)) => return Err(malformed("the request has more than one `Host`: send one")),
        };
        let parse = |text: &str| {
            Authority::parse(text)
                .ok_or_else(|| malformed("`Host` is not a host name or address, with or without a port"))
        };
        let host = host.map(|host| parse(host.to_str().unwrap_or_default())).transpose()?;
        // An authority in the target takes precedence over `Host` (RFC 9112, 3.2.2); here both must be valid.
        let target = uri.authority().map(|authority| parse(authority.as_str())).transpose()?;
        for authority in host.iter().chain(&target) {
            self.check_name(&authority.host)?;
        }
        Ok(target.or(host))
    }

    fn check_name(&self, host: &Host) -> Result<(), ApiError> {
        let Host::Name(name) = host else { return Ok(()) };
        let in_domain =
            |domain: &String| name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'));
        if self.any_host
            || self.names.contains(name)
            || self.domains.iter().any(in_domain)
            || (self.single_labels && !name.contains('.'))
        {
            return Ok(());
        }
        let message = format!(
            "`Host` is `{name}`, which is not a name of this service; if it should be, add it to ALLOWED_HOSTS, or set \
             PUBLIC_URL to the address that clients use"
        );
        Err(ApiError::new(ErrorCode::HostNotAllowed, message))
    }

    fn check_origin(&self, host: Option<&Authority>, headers: &HeaderMap) -> Result<(), ApiError> {
        let good = |origin: &HeaderValue| {
            let origin = origin.to_str().ok().and_then(|text| Origin::parse(text, false));
            origin.is_some_and(|origin| {
                self.origins.contains(&origin) || host.is_some_and(|host| origin.is(host))
            })
        };
        if self.any_origin || headers.get_all(header::ORIGIN).iter().all(good) {
            return Ok(());
        }
        let message = "`Origin` is not an origin of this service: pages of other sites may not send programs; if they \
                       should, add their origin to CORS_ORIGINS; if it is this service's own address, set PUBLIC_URL to it";
        Err(ApiError::new(ErrorCode::OriginNotAllowed, message))
    }
}

/// The layer.
pub(crate) async fn check(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    match gate.check(request.method(), request.uri(), request.version(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(bound: &str, allowed: &[&str], public: Option<&str>, origins: &[&str]) -> Gate {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Gate::new(&owned(allowed), public, &owned(origins), bound.parse().unwrap())
    }

    fn host(gate: &Gate, host: &str) -> bool {
        gate.check_name(&Authority::parse(host).unwrap().host).is_ok()
    }

    fn post(gate: &Gate, host: &str, origins: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        for origin in origins {
            headers.append(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        gate.check(&Method::POST, &Uri::from_static("/execute"), Version::HTTP_11, &headers).is_ok()
    }

    #[test]
    fn loopback_takes_its_own_names_and_every_address() {
        let gate = gate("127.0.0.1", &[], None, &[]);
        for good in [
            "localhost",
            "LOCALHOST:8000",
            "localhost.",
            "app.localhost",
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:8000",
            "192.168.1.5",
            "127.1",
            "[2001:db8::1]",
        ] {
            assert!(host(&gate, good), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "x",
            "notlocalhost",
            "evil.localhost.x",
        ] {
            assert!(!host(&gate, bad), "{bad}");
        }
    }

    #[test]
    fn beyond_loopback_names_without_a_dot_are_fine_and_others_are_listed() {
        let gate = gate(
            "0.0.0.0",
            &["a.example", "*.b.example", "192.0.2.1"],
            Some("https://Pub.example:8443/x"),
            &[],
        );
        for good in ["python-sandbox:8000", "a.example", "x.b.example", "x.y.b.example:1", "pub.example"] {
            assert!(host(&gate, good), "{good}");
        }
        for bad in ["b.example", "xb.example", "x.a.example", "evil.example", "sandbox.default.svc"] {
            assert!(!host(&gate, bad), "{bad}");
        }
        assert!(host(&super::tests::gate("::", &["*"], None, &[]), "evil.example"));
    }

    #[test]
    fn a_host_is_there_once_and_is_one() {
        let gate = gate("127.0.0.1", &[], None, &[]);
        let check = |version, uri: &'static str, hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            hosts.iter().for_each(|host| {
                headers.append(header::HOST, HeaderValue::from_static(host));
            });
            gate.check(&Method::GET, &Uri::from_static(uri), version, &headers).is_ok()
        };
        assert!(check(Version::HTTP_11, "/", &["localhost"]));
        assert!(check(Version::HTTP_10, "/", &[]));
        assert!(!check(Version::HTTP_11, "/", &[]));
        assert!(!check(Version::HTTP_10, "/", &["evil.example"]));
        assert!(!check(Version::HTTP_11, "/", &["localhost", "localhost"]));
        assert!(!check(Version::HTTP_11, "/", &[""]));
        assert!(!check(Version::HTTP_11, "/", &["localhost/x"]));
        assert!(!check(Version::HTTP_11, "http://evil.example/", &["localhost"]));
        assert!(check(Version::HTTP_11, "http://127.0.0.1/", &["localhost"]));
    }

    #[test]
    fn only_pages_of_this_service_and_of_listed_origins_may_post() {
        let open =
            gate("127.0.0.1", &["in.example"], Some("https://pub.example/x"), &["https://app.example"]);
        for (to, origins) in [
            ("localhost:8000", vec![]),
            ("localhost:8000", vec!["http://localhost:8000"]),
            ("localhost", vec!["http://localhost"]),
            ("in.example", vec!["https://IN.example:443"]),
            ("127.0.0.1:8000", vec!["https://pub.example"]),
            ("127.0.0.1:8000", vec!["https://app.example"]),
        ] {
            assert!(post(&open, to, &origins), "{to} {origins:?}");
        }
        for (to, origins) in [
            ("localhost:8000", vec!["null"]),
            ("localhost:8000", vec!["http://localhost:3000"]),
            ("localhost:8000", vec!["http://127.0.0.1:8000"]),
            ("localhost:8000", vec!["http://evil.example"]),
            ("localhost:8000", vec!["http://localhost:8000", "http://evil.example"]),
            ("localhost:8000", vec!["file://localhost:8000"]),
            ("localhost:8000", vec!["https://app.example.evil"]),
            ("localhost:8000", vec!["http://app.example"]),
            ("localhost:8000", vec![""]),
        ] {
            assert!(!post(&open, to, &origins), "{to} {origins:?}");
        }
        assert!(post(&gate("127.0.0.1", &[], None, &["*"]), "localhost", &["null"]));
    }
}
