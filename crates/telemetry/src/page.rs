//! The page that Prometheus reads.

use crate::process;
use crate::pulled::{Pulled, Surroundings};
use crate::registry::Registry;
use bytes::Bytes;
use service::Service;
use std::fmt;
use std::sync::{Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

/// The page is rendered at most this often; in between, the last one is returned. A flood of requests for it then costs
/// copies alone.
const RENDER_INTERVAL: Duration = Duration::from_millis(250);

/// Reads the figures of [`Surroundings`].
pub type ReadSurroundings = Box<dyn Fn() -> Surroundings + Send + Sync>;

/// A page that could not be rendered: a bug in the catalog.
#[derive(Debug, thiserror::Error)]
#[error("failed to render the metrics")]
pub struct RenderError(#[from] prometheus::Error);

/// See the module.
pub struct Page {
    registry: Registry,
    pulled: Pulled,
    surroundings: ReadSurroundings,
    /// Weak: the service ends its background tasks when it is dropped, and this must not keep it.
    service: OnceLock<Weak<Service>>,
    last: Mutex<Option<(Instant, Bytes)>>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Page {
    pub(crate) fn new(registry: Registry, pulled: Pulled, surroundings: ReadSurroundings) -> Self {
        Self { registry, pulled, surroundings, service: OnceLock::new(), last: Mutex::new(None) }
    }

    /// The service whose state the page shows. Only the first call counts.
    pub fn watch(&self, service: Weak<Service>) {
        let _ = self.service.set(service);
    }

    /// The page in Prometheus's text format, 0.0.4. Reads some files of `/proc` and of the cgroups, so it may block for
    /// some milliseconds.
    ///
    /// # Errors
    /// [`RenderError`].
    pub fn render(&self) -> Result<Bytes, RenderError> {
        // Held while rendering: counters advance by differences, and whoever waits gets the page that is being made.
        let mut last = support::lock(&self.last);
        if let Some((made, page)) = &*last
            && made.elapsed() < RENDER_INTERVAL
        {
            return Ok(page.clone());
        }
        if let Some(service) = self.service.get().and_then(Weak::upgrade) {
            self.pulled.service(&service.snapshot());
        }
        self.pulled.surroundings(&(self.surroundings)());
        if let Some(process) = process::read() {
            self.pulled.process(&process);
        }
        let page = Bytes::from(self.registry.render()?);
        *last = Some((Instant::now(), page.clone()));
        Ok(page)
    }
}
