//! `serve`: assembles the service, listens, and shuts down without losing an answer.
//!
//! ```text
//! runtime -> executors -> store -> service -> listener -> ready
//! SIGTERM or SIGINT: new work gets 503, programs end (SHUTDOWN_TIMEOUT), the listener closes, executors clean up
//! a second signal:   exits at once; the next start removes leftovers
//! ```

use crate::log_counts::LogCounts;
use crate::observe::{self, Requests, ServedPage};
use api::{
    ApiState, AppInfo, BodyLimits, ConnectionCounts, Downloads, MetricsPage, ProxyHeader, ServerLimits,
    TrustedProxies,
};
use audit::AuditLog;
use executor::Chain;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use service::{Keyring, KeysState, Observer, Observers, Service, ServiceConfig};
use settings::{MetricsSettings, PROVIDERS_BUILT, ProxySettings, Settings, TlsSettings};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use terminal::exit;
use tls::{Tls, TlsFiles};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Bodies of the largest size that fit in memory at once; further ones get 503. Four, because each may be 80
/// MB.
const LARGEST_BODIES_MAX: usize = 4;

/// How long a stop waits for the lines of the audit log: a disk that works needs milliseconds.
const AUDIT_FINISH_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a stop waits for the last uses of API keys to be written: a store that works needs milliseconds.
const KEYS_FINISH_TIME_MAX: Duration = Duration::from_secs(2);

/// How long a stop waits for the last spans to be exported.
const TRACES_FINISH_TIME_MAX: Duration = Duration::from_secs(3);

/// Connections of METRICS_PORT, and a quarter more for loopback: a few scrapers, and an operator who looks.
const METRICS_CONNECTIONS_MAX: usize = 16;

/// Serves until a signal arrives.
pub(crate) async fn serve(settings: Settings, log_counts: LogCounts) -> ExitCode {
    match try_serve(&settings, log_counts).await {
        Ok(()) => exit::success(),
        Err(StartError(text)) => {
            tracing::error!("{text}");
            exit::internal_error()
        }
    }
}

/// Why the service did not start: one sentence for the operator.
struct StartError(String);

async fn try_serve(settings: &Settings, log_counts: LogCounts) -> Result<(), StartError> {
    let runtime =
        compose::load_runtime_if_needed(settings).map_err(|error| StartError(compose::no_runtime(&error)))?;
    // Before anything that must be cleaned up: from here on a signal shuts down in order.
    let mut signals =
        Signals::new().map_err(|error| StartError(format!("failed to watch for signals: {error}")))?;
    let audit = observe::start_audit(&settings.audit).map_err(|error| {
        let hint = "AUDIT_LOG must be a file that this user can write, in a directory that exists";
        StartError(format!("{error} (hint: {hint})"))
    })?;
    let tracer = observe::start_traces(settings.traces.as_ref()).map_err(StartError)?;
    let opened = compose::open_store(settings).await.map_err(|error| {
        StartError(format!("failed to open the file store: {}", support::error_chain(&error)))
    })?;
    let tls = load_tls(settings)?;
    let (listener, bound) = listen(&settings.host, settings.port, "PORT").await?;
    let metrics_port = match &settings.metrics {
        MetricsSettings::Alone { host, port } => Some((host, listen(host, *port, "METRICS_PORT").await?)),
        MetricsSettings::Off | MetricsSettings::WithApi => None,
    };

    let chain = Chain::new(compose::start_executors(settings, runtime.as_ref(), "serve").await);
    let keyring = open_keyring(settings)?;
    warn_of_dangers(settings, &chain, &keyring, bound).await;
    let connections = ConnectionCounts::default();
    let server_limits = server_limits();
    let downloads = Downloads::new(server_limits.downloads_max());
    let metrics = observe::start(
        &chain.names(),
        connections.clone(),
        downloads.clone(),
        log_counts,
        tls.clone(),
        audit.clone(),
        tracer.clone(),
    )
    .map_err(|error| StartError(support::error_chain(&error)))?;
    let (store, links) = opened.map(|opened| (opened.store, opened.links)).unzip();
    let config = compose::service_config(settings, runtime.as_ref());
    let limits = compose::open_limits(settings).await.map_err(|error| StartError(error.to_string()))?;
    // Metrics first: they neither fail nor grow.
    let mut observers: Vec<Arc<dyn Observer>> = vec![metrics.executions];
    observers.extend(audit.clone().map(|audit| audit as Arc<dyn Observer>));
    observers.extend(tracer.clone().map(|tracer| tracer as Arc<dyn Observer>));
    let observer = Arc::new(Observers(observers));
    let config = ServiceConfig { keyring: Arc::clone(&keyring), limits, observer, ..config };
    let service = Service::start(config, chain.clone(), store);
    metrics.page.watch(Arc::downgrade(&service));
    let page: Arc<dyn MetricsPage> = Arc::new(ServedPage(metrics.page));
    let state = ApiState {
        links,
        downloads,
        secure: tls.is_some(),
        strict_max_age_s: settings.tls.as_ref().map_or(0, |tls| tls.strict_max_age.as_secs()),
        observer: Arc::new(Requests { metrics: metrics.http, tracer: tracer.clone() }),
        metrics: (settings.metrics == MetricsSettings::WithApi).then(|| Arc::clone(&page)),
        ..state(settings, service.clone(), bound)
    };

    let closed = CancellationToken::new();
    if let Some(tls) = &tls {
        tokio::spawn(watch_certificate(Arc::clone(tls), closed.clone()));
    }
    let secure = tls.is_some();
    let server = tokio::spawn(api::serve(
        listener,
        api::router(state),
        tls,
        server_limits,
        connections,
        closed.clone().cancelled_owned(),
    ));
    let metrics_server = metrics_port.map(|(host, listening)| {
        let allowed_hosts: Vec<_> = settings.allowed_hosts.iter().chain([host]).cloned().collect();
        serve_metrics(listening, secure, &allowed_hosts, page, closed.clone())
    });
    announce(settings, secure, bound);

    signals.next().await;
    tracing::info!(grace_s = settings.shutdown_timeout.as_secs(), "stopping; a second signal stops at once");
    tokio::spawn(async move {
        signals.next().await;
        leave_at_once();
    });
    service.shut_down(settings.shutdown_timeout).await;
    closed.cancel();
    for server in [server].into_iter().chain(metrics_server) {
        if let Err(error) = server.await {
            tracing::error!(%error, "an HTTP server failed");
        }
    }
    // Stop the probes first: they would find executors that are shut down.
    drop(service);
    compose::stop_executors(&chain).await;
    finish_keys(keyring).await;
    finish_audit(audit).await;
    if let Some(tracer) = tracer {
        tracer.finish(TRACES_FINISH_TIME_MAX).await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// The API keys. A store that cannot be read does not stop the start: a restart must not make an outage of it
/// worse. One that is known to have no key that could be used does, if keys are required.
fn open_keyring(settings: &Settings) -> Result<Arc<Keyring>, StartError> {
    let keyring =
        compose::open_keyring(settings).map_err(|error| StartError(support::error_chain(&error)))?;
    if settings.access.require_key == Some(true) && keyring.usable_keys() == Some(0) {
        return Err(StartError(format!(
            "REQUIRE_API_KEY=true, but there is no valid API key in the {} store (hint: create one with \
             `python-sandbox keys create --name NAME`)",
            keyring.health().store
        )));
    }
    Ok(keyring)
}

/// The certificate and its key, if there is to be TLS.
fn load_tls(settings: &Settings) -> Result<Option<Arc<Tls>>, StartError> {
    let Some(TlsSettings { certificate, key, .. }) = settings.tls.clone() else { return Ok(None) };
    let tls = Tls::load(TlsFiles { certificate, key });
    tls.map(Some).map_err(|error| StartError(support::error_chain(&error)))
}

/// Takes over new files. Reading them may block.
async fn watch_certificate(tls: Arc<Tls>, closed: CancellationToken) {
    let polls = async {
        loop {
            tokio::time::sleep(tls::POLL_INTERVAL).await;
            let tls = Arc::clone(&tls);
            if let Err(error) = tokio::task::spawn_blocking(move || tls.poll()).await {
                tracing::error!(%error, "failed to look at the TLS certificate");
            }
        }
    };
    closed.run_until_cancelled(polls).await;
}

/// Waits until it is written which keys were used.
async fn finish_keys(keyring: Arc<Keyring>) {
    let finished = tokio::task::spawn_blocking(move || keyring.finish(KEYS_FINISH_TIME_MAX)).await;
    if !matches!(finished, Ok(true)) {
        tracing::warn!("the last uses of API keys were not written in time");
    }
}

/// Waits until every line of the audit log is written.
async fn finish_audit(audit: Option<Arc<AuditLog>>) {
    let Some(audit) = audit else { return };
    let finished = tokio::task::spawn_blocking(move || audit.finish(AUDIT_FINISH_TIME_MAX)).await;
    if !matches!(finished, Ok(true)) {
        tracing::error!("the last lines of the audit log were not written in time");
    }
}

/// Listens on the port that the setting `name` has.
async fn listen(host: &str, port: u16, name: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let listener = TcpListener::bind((host, port)).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!(" (hint: another program listens there; choose another {name})")
            }
            io::ErrorKind::PermissionDenied => {
                format!(" (hint: ports below 1024 need root; choose another {name})")
            }
            _ => String::new(),
        };
        StartError(format!("failed to listen on {host} port {port}: {error}{hint}"))
    })?;
    let bound = listener.local_addr().map_err(|error| StartError(format!("failed to listen: {error}")))?;
    Ok((listener, bound))
}

/// Serves the page of metrics alone, without TLS: on loopback, or on a network that only Prometheus reaches. `secure`: the
/// service itself has TLS.
fn serve_metrics(
    (listener, bound): (TcpListener, SocketAddr),
    secure: bool,
    allowed_hosts: &[String],
    page: Arc<dyn MetricsPage>,
    closed: CancellationToken,
) -> JoinHandle<()> {
    for danger in metrics_dangers(bound, secure) {
        tracing::warn!(%bound, "{danger}");
    }
    tracing::info!(url = format!("http://{bound}/metrics"), "metrics");
    let limits = ServerLimits {
        connections_max: METRICS_CONNECTIONS_MAX,
        loopback_connections_max: METRICS_CONNECTIONS_MAX / 4,
        ..ServerLimits::default()
    };
    let router = api::metrics_router(page, allowed_hosts, bound);
    let counts = ConnectionCounts::default();
    tokio::spawn(api::serve(listener, router, None, limits, counts, closed.cancelled_owned()))
}

/// What the operator should know of a port for metrics at this address.
fn metrics_dangers(bound: SocketAddr, secure: bool) -> Vec<&'static str> {
    if bound.ip().to_canonical().is_loopback() {
        return Vec::new();
    }
    let mut dangers = vec![
        "metrics are open to the network: they show load and versions; set METRICS_HOST=127.0.0.1, or let only Prometheus \
         reach this port",
    ];
    if secure {
        dangers.push(
            "METRICS_PORT has no TLS, although PORT has: metrics cross the network unencrypted; leave METRICS_PORT empty to \
             serve /metrics on PORT, with TLS and for API keys of the scope `metrics`",
        );
    }
    dangers
}

/// Warns the operator if the service is open to the network or cannot run programs.
async fn warn_of_dangers(settings: &Settings, chain: &Chain, keyring: &Keyring, bound: SocketAddr) {
    if !bound.ip().is_loopback() && keyring.health().state != KeysState::On {
        tracing::warn!(
            %bound,
            "the service is open to the network without authentication: anyone who can reach it can run programs; \
             create an API key with `python-sandbox keys create --name NAME`, put it behind a gateway that \
             authenticates callers, or set HOST=127.0.0.1"
        );
    }
    if let Some(network) = settings.proxies.trusted.iter().find(|network| network.is_everything()) {
        tracing::warn!(
            %network,
            "TRUSTED_PROXIES contains every address, so any client can claim to be any other; list only the addresses \
             of your proxies"
        );
    }
    if !settings.proxies.trusted.is_empty() && settings.public_url.is_none() {
        tracing::warn!(
            "there are TRUSTED_PROXIES, but PUBLIC_URL is not set: links to files have the scheme and the name by which \
             the proxies call this service (hint: set PUBLIC_URL to the address that clients use)"
        );
    }
    for provider in chain.status().await.providers {
        let reason = provider.health.reason.as_deref().unwrap_or("unknown");
        if !provider.health.healthy && provider.name != settings.provider {
            tracing::info!(executor = provider.name, reason, "this fallback is currently not usable");
        } else if !provider.health.healthy {
            tracing::error!(
                executor = provider.name,
                reason,
                "this executor cannot guarantee isolation on this host, so it runs nothing; `python-sandbox doctor` shows each \
                 protection and the command that fixes it"
            );
        }
    }
    for name in &settings.fallback_providers {
        if !settings.active_providers().contains(&name.as_str()) {
            tracing::debug!(executor = %name, "this fallback is not in this version and stays inactive");
        }
    }
}

fn state(settings: &Settings, service: Arc<Service>, bound: SocketAddr) -> ApiState {
    let info = AppInfo {
        name: settings.app_name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        provider: settings.provider.clone(),
        fallbacks: settings.fallback_providers.clone(),
        available_providers: PROVIDERS_BUILT.iter().map(|name| (*name).to_owned()).collect(),
    };
    let bytes_max = settings.load.body_bytes_max;
    ApiState {
        public_url: settings.public_url.clone(),
        bodies: BodyLimits {
            bytes_max,
            total_bytes_max: bytes_max.saturating_mul(LARGEST_BODIES_MAX),
            ..BodyLimits::default()
        },
        cors_origins: settings.cors_origins.clone(),
        proxies: proxies(&settings.proxies),
        // If the service listens on a name, clients call it by that name.
        allowed_hosts: settings.allowed_hosts.iter().cloned().chain([settings.host.clone()]).collect(),
        ..ApiState::new(service, info, bound)
    }
}

fn proxies(settings: &ProxySettings) -> TrustedProxies {
    let header = if settings.write_forwarded { ProxyHeader::Forwarded } else { ProxyHeader::XForwardedFor };
    TrustedProxies { networks: settings.trusted.clone(), header }
}

/// Bounds on connections: half of the process's descriptors are reserved for its own work, and for the files of downloads.
fn server_limits() -> ServerLimits {
    let most = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }) {
        tracing::warn!(%error, "failed to raise the limit on open files to its maximum");
    }
    let limits = ServerLimits::default();
    let open_max = getrlimit(Resource::Nofile).current.and_then(|open| usize::try_from(open).ok());
    let connections_max = limits.connections_max.min(open_max.unwrap_or(usize::MAX) / 2);
    if connections_max < limits.connections_max {
        tracing::warn!(
            connections_max,
            "the limit on open files is low, so fewer connections are accepted (hint: ulimit -n 4096)"
        );
    }
    // A quarter of what the connections may have.
    let held_connections_max = limits.held_connections_max.min(open_max.unwrap_or(usize::MAX) / 8);
    ServerLimits { connections_max, held_connections_max, ..limits }
}

fn announce(settings: &Settings, secure: bool, bound: SocketAddr) {
    let url = format!("{}://{bound}", if secure { "https" } else { "http" });
    if settings.log.json {
        tracing::info!(%url, "ready");
    } else {
        // Not a log line: it must be visible at every LOG_LEVEL.
        terminal::message(&format!(
            "{} {} is ready at {url} (docs: {url}/docs)",
            settings.app_name,
            env!("CARGO_PKG_VERSION")
        ));
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[expect(clippy::exit, reason = "a second signal exits immediately: no destructor may delay it")]
fn leave_at_once() -> ! {
    std::process::exit(i32::from(exit::INTERNAL_ERROR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_beyond_loopback_are_worth_a_warning_and_one_more_where_the_service_has_tls() {
        for (bound, secure, expected) in [
            ("127.0.0.1:9464", true, 0),
            ("[::1]:9464", true, 0),
            ("192.0.2.1:9464", false, 1),
            ("0.0.0.0:9464", true, 2),
            ("[::]:9464", true, 2),
        ] {
            let dangers = metrics_dangers(bound.parse().expect("an address"), secure);
            assert_eq!(dangers.len(), expected, "{bound} {secure}: {dangers:?}");
            assert_eq!(dangers.iter().any(|danger| danger.contains("TLS")), expected == 2);
        }
    }
}
