//! A worked example of a layer around the HTTP API: programs of named tenants. See docs/extending.md.
//!
//! It is `python-sandbox serve` in one page, with the layer. What it leaves out is in `crates/python-sandbox/src`: metrics, logs,
//! traces, TLS, limits of callers, the settings of proxies, CORS and bodies (`serve`), checks of who may change its files
//! (`trusted_files`), fewer rights for the process (`protect`), and cgroups for an ordinary user (`own_scope`), so it needs root.
//!
//! ```bash
//! cargo run --package custom-layer          # after `python-sandbox setup`, as root
//! curl http://127.0.0.1:8000/execute -H 'X-Tenant: acme' -H 'Content-Type: application/json' -d '{"code": "print(1)"}'
//! ```

mod layer;

use api::{ApiState, AppInfo, ConnectionCounts, ServerLimits};
use axum::middleware::from_fn;
use service::{Chain, Service, ServiceConfig};
use settings::{FileChoice, Host, Inputs, PROVIDERS_BUILT, Settings};
use std::error::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    // Settings come from the environment alone.
    let inputs = Inputs {
        environment: std::env::vars_os().collect(),
        env_file: FileChoice::None,
        config: FileChoice::None,
        ..Inputs::default()
    };
    let resolved = settings::resolve(&inputs, &Host::detect()).map_err(|problems| problems.to_string())?;
    let settings = Settings::from_resolved(&resolved);

    let runtime = compose::load_runtime_if_needed(&settings)?;
    let opened = compose::open_store(&settings).await?;
    let (store, links) = opened.map(|opened| (opened.store, opened.links)).unzip();
    let keyring = compose::open_keyring(&settings)?;
    let listener = TcpListener::bind((settings.host.as_str(), settings.port)).await?;
    let chain = Chain::new(compose::start_executors(&settings, runtime.as_ref(), "serve").await);
    let config = ServiceConfig { keyring, ..compose::service_config(&settings, runtime.as_ref()) };
    let service = Service::start(config, chain.clone(), store);

    let info = AppInfo {
        name: settings.app_name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        provider: settings.provider.clone(),
        fallbacks: settings.fallback_providers.clone(),
        available_providers: PROVIDERS_BUILT.iter().map(|name| (*name).to_owned()).collect(),
    };
    let bound = listener.local_addr()?;
    let state = ApiState {
        links,
        public_url: settings.public_url.clone(),
        allowed_hosts: settings.allowed_hosts.clone(),
        ..ApiState::new(service.clone(), info, bound)
    };
    // The only line that differs from the service: it calls `api::router(state)`.
    let router = api::router_with(state, |routes| routes.layer(from_fn(layer::layer)));

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tracing::info!(url = format!("http://{bound}"), "listening");
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Programs end, and new requests are refused, while the server still answers.
        service.shut_down(settings.shutdown_timeout).await;
    };
    api::serve(listener, router, None, ServerLimits::default(), ConnectionCounts::default(), stopped).await;
    compose::stop_executors(&chain).await;
    Ok(())
}
