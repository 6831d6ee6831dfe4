//! Metrics of the service for Prometheus.
//!
//! ```text
//! what happens:  service -> record of an execution -> ExecutionMetrics   (as it ends)
//!                api     -> answer to a request    -> HttpMetrics        (as it ends)
//! what there is: Service::snapshot, connections, log, /proc -> Page      (when the page is rendered)
//! ```
//! Figures of executions and requests go into counters and histograms that were made at the start. Whatever a part
//! counts or measures itself is read only when somebody asks for the page. So nobody who runs a program waits for this
//! crate, and no other crate names a metric. It knows no HTTP; crate `python-sandbox` connects it with the API.
//!
//! Every metric is a row of [`METRICS`].

mod catalog;
mod executions;
mod http;
mod object_store;
mod page;
mod process;
mod pulled;
mod registry;

pub use catalog::{Kind, METRICS, Metric};
pub use executions::ExecutionMetrics;
pub use http::HttpMetrics;
pub use page::{Page, ReadSurroundings, RenderError};
pub use pulled::{AuditLines, Certificate, Downloads, LEVELS, Surroundings, TraceSpans};

use pulled::Pulled;
use registry::Registry;
use std::sync::Arc;

/// What the labels may say, and where the rest is read.
pub struct Config<'a> {
    /// The service's version.
    pub version: &'a str,
    /// The platform, such as `x86_64-linux`.
    pub target: &'a str,
    /// The active executors.
    pub executors: &'a [&'static str],
    /// The paths of the API, as templates.
    pub routes: &'a [&'static str],
    /// The API's error codes.
    pub error_codes: &'a [&'static str],
    /// The API's reasons for skipped files.
    pub skip_reasons: &'a [&'static str],
    /// Reads what the service does not know.
    pub surroundings: ReadSurroundings,
}

impl std::fmt::Debug for Config<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (executors, routes) = (&self.executors, &self.routes);
        f.debug_struct("Config").field("executors", executors).field("routes", routes).finish_non_exhaustive()
    }
}

/// Metrics that could not be made: a bug in the catalog.
#[derive(Debug, thiserror::Error)]
#[error("failed to make the metrics")]
pub struct StartError(#[from] prometheus::Error);

/// The metrics of one service.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// The service's observer.
    pub executions: Arc<ExecutionMetrics>,
    /// Is told of HTTP requests.
    pub http: Arc<HttpMetrics>,
    /// The page with all of it.
    pub page: Arc<Page>,
}

impl Telemetry {
    /// Makes all metrics, with every series of a closed set at 0.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: Config<'_>) -> Result<Self, StartError> {
        let registry = Registry::default();
        let executions = ExecutionMetrics::new(&registry, config.executors, config.skip_reasons)?;
        let http = HttpMetrics::new(&registry, config.routes, config.error_codes)?;
        let pulled = Pulled::new(&registry, config.version, config.target)?;
        let page = Page::new(registry, pulled, config.surroundings);
        Ok(Self { executions: Arc::new(executions), http: Arc::new(http), page: Arc::new(page) })
    }
}
