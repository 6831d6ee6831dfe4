//! The state of the routes.

use crate::base_url::base_url;
use crate::body::{BodyLimits, BodyReader};
use crate::client::TrustedProxies;
use crate::downloads::Downloads;
use crate::observe::{HttpObserver, MetricsPage, NoHttpObserver};
use bytes::Bytes;
use http::HeaderMap;
use service::Service;
use std::net::SocketAddr;
use std::sync::Arc;
use storage::Links;

/// Everything that the composition root passes to the routes.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// The use cases.
    pub service: Arc<Service>,
    /// Facts about the service.
    pub info: AppInfo,
    /// Opens the links below `/files/`; `None` if no files are stored.
    pub links: Option<Arc<dyn Links>>,
    /// The places of downloads.
    pub downloads: Downloads,
    /// Base of absolute links (`PUBLIC_URL`), such as `https://sandbox.example`; without it the `Host`
    /// header.
    pub public_url: Option<String>,
    /// The listener uses TLS.
    pub secure: bool,
    /// Seconds for which browsers are told to use HTTPS only (`Strict-Transport-Security`); 0: they are not told.
    pub strict_max_age_s: u64,
    /// The address of the listener: the base of links if a request has no valid `Host`.
    pub bound: SocketAddr,
    /// Limits on bodies.
    pub bodies: BodyLimits,
    /// Origins whose pages may call the service (`CORS_ORIGINS`), such as `https://app.example`; `*` for all,
    /// never with credentials. Empty: none.
    pub cors_origins: Vec<String>,
    /// Names of this service that a request may have in `Host` (`ALLOWED_HOSTS`), such as `sandbox.example`
    /// or `*.example`; `*` for any. Addresses, names of loopback and that of `public_url` are allowed anyway.
    pub allowed_hosts: Vec<String>,
    /// The proxies that may say who the client is. None: it is the peer of the connection.
    pub proxies: TrustedProxies,
    /// Is told of each request.
    pub observer: Arc<dyn HttpObserver>,
    /// What `/metrics` returns; `None` if it is not served here.
    pub metrics: Option<Arc<dyn MetricsPage>>,
}

impl ApiState {
    /// The default settings for a service that listens on `bound`, without observer and metrics.
    #[must_use]
    pub fn new(service: Arc<Service>, info: AppInfo, bound: SocketAddr) -> Self {
        Self {
            service,
            info,
            links: None,
            downloads: Downloads::default(),
            public_url: None,
            secure: false,
            strict_max_age_s: 0,
            bound,
            bodies: BodyLimits::default(),
            cors_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            proxies: TrustedProxies::default(),
            observer: Arc::new(NoHttpObserver),
            metrics: None,
        }
    }
}

impl ApiState {
    /// The base of absolute links in the answer to a request with these headers.
    pub(crate) fn base_url(&self, headers: &HeaderMap) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        base_url(self.public_url.as_deref(), scheme, headers, self.bound)
    }
}

/// Facts about the service.
#[derive(Debug, Clone)]
pub struct AppInfo {
    /// `APP_NAME`.
    pub name: String,
    /// The build's version.
    pub version: String,
    /// The configured executor (`EXECUTOR_PROVIDER`).
    pub provider: String,
    /// The configured fallbacks (`EXECUTOR_FALLBACK_PROVIDERS`), active or not.
    pub fallbacks: Vec<String>,
    /// Executors that this build knows.
    pub available_providers: Vec<String>,
}

/// [`ApiState`] with what is derived from it once.
#[derive(Debug, Clone)]
pub(crate) struct AppState {
    pub(crate) api: Arc<ApiState>,
    pub(crate) bodies: BodyReader,
    /// The OpenAPI document as it is served.
    pub(crate) document: Bytes,
}
