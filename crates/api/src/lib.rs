//! HTTP: routes, errors, documentation pages. Knows the service, not the executors.
//!
//! ```text
//! connection (server, connections, handshake) -> client: address -> trace: id, access log, delayed refusals (pace), error bodies -> gate: Host, Origin -> CORS -> panics caught -> layers of one's own (router_with) -> API key (caller) -> route -> service
//! ```
//!
//! # For the composition root
//! ```ignore
//! let store = Arc::new(LocalStore::open(LocalConfig::new(dir))?);
//! let service = Service::start(ServiceConfig::new(policy), Chain::new(executors), Some(store.clone()));
//! let listener = TcpListener::bind(address).await?;
//! let mut state = ApiState::new(service.clone(), info, listener.local_addr()?);
//! state.links = Some(store);
//! let stopped = CancellationToken::new();
//! let (limits, counts) = (ServerLimits::default(), ConnectionCounts::default());
//! let server = tokio::spawn(serve(listener, router(state), None, limits, counts, stopped.clone().cancelled_owned()));
//! // on SIGTERM:
//! service.shut_down(grace).await;      // new requests get 503, running programs end
//! stopped.cancel();                    // then the listener closes and open connections end
//! server.await?;
//! chain.shut_down().await;
//! ```
//! The bodies are those of crate `contract`, made by crate `explain`, as for `run --json`.

mod access;
mod base64_text;
mod base_url;
mod body;
mod caller;
mod client;
mod connection;
mod connections;
mod context;
mod delivery;
mod downloads;
mod error;
mod execute;
mod files;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gate;
mod handshake;
mod health;
mod held;
mod http2;
mod metrics;
mod observe;
mod openapi;
mod pace;
mod pages;
mod progress;
mod rate_limit;
mod request;
mod router;
mod server;
mod server_limits;
mod stall;
mod state;
mod trace;
mod watched;

pub use body::BodyLimits;
pub use client::{ProxyHeader, TrustedProxies};
pub use downloads::Downloads;
pub use error::refusal;
pub use metrics::metrics_router;
pub use observe::{Answered, ConnectionCounts, HttpObserver, MetricsPage, NoHttpObserver};
pub use router::{ROUTES, router, router_with};
pub use server::serve;
pub use server_limits::ServerLimits;
pub use state::{ApiState, AppInfo};
