//! The service over an executor that runs nothing: for viewing the pages and testing the API's contract.
//!
//! ```text
//! cargo run -p api --example memory -- 8000 [echo|sleep|broken]
//! ```

use api::{ApiState, AppInfo, ConnectionCounts, ServerLimits, router, serve};
use executor::scripted::{Script, ScriptedExecutor};
use service::{Chain, Service, ServiceConfig};
use std::sync::Arc;
use storage::{LocalConfig, LocalStore};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().as_deref().unwrap_or("8000").parse()?;
    let script = match arguments.next().as_deref() {
        Some("sleep") => Script::Sleep,
        Some("broken") => Script::FailToCreate,
        _ => Script::Echo,
    };
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();

    let directory = tempfile::tempdir()?;
    let store = Arc::new(LocalStore::open(LocalConfig::new(directory.path()))?);
    let chain = Chain::new(vec![Arc::new(ScriptedExecutor::named("memory", script))]);
    let policy = validator::Policy::default();
    let service = Service::start(ServiceConfig::new(policy), chain, Some(store.clone()));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let info = AppInfo {
        name: "Python Sandbox".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        provider: "memory".into(),
        fallbacks: Vec::new(),
        available_providers: vec!["memory".into()],
    };
    let mut state = ApiState::new(service, info, listener.local_addr()?);
    state.links = Some(store);
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let (limits, counts) = (ServerLimits::default(), ConnectionCounts::default());
    serve(listener, router(state), None, limits, counts, interrupted).await;
    Ok(())
}
