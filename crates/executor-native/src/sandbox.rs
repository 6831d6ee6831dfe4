//! The backing of a sandbox: the kernel's counters of its cgroups, and its removal.

use crate::factory::{CreateError, NativeSandbox, Remover, SandboxFactory};
use crate::start::PROVIDER;
use async_trait::async_trait;
use cgroup::{CgroupError, GroupUsage, SandboxGroup, TotalLimits};
use executor::{
    Backing, Counted, ExecutorError, FreezeError, KernelCounts, Sandbox, SharedMemory, TemplateId,
};
use protocol::Counters;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::UnixStream;

/// Timeout for a sandbox to set itself up: it takes a millisecond, or seconds on a host that is badly
/// overloaded.
const READY_TIME_MAX: Duration = Duration::from_secs(20);

/// Goes to the remover whenever and however it is dropped.
#[derive(Debug)]
struct Owned {
    sandbox: Option<NativeSandbox>,
    remover: Arc<Remover>,
    /// Counted as one that exists until the remover has it.
    _living: Counted,
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            self.remover.remove(sandbox);
        }
    }
}

#[derive(Debug)]
struct NativeBacking {
    /// `None` while another thread freezes or thaws it, and if nobody waited for that.
    owned: Option<Owned>,
    totals: TotalLimits,
}

impl NativeBacking {
    fn sandbox(&self) -> Option<&NativeSandbox> {
        self.owned.as_ref()?.sandbox.as_ref()
    }

    fn sandbox_mut(&mut self) -> Option<&mut NativeSandbox> {
        self.owned.as_mut()?.sandbox.as_mut()
    }

    /// Freezes or thaws the sandbox on a thread that may block: it waits for the kernel.
    async fn change(
        &mut self,
        step: &'static str,
        change: fn(&mut SandboxGroup) -> Result<(), cgroup::FreezeError>,
    ) -> Result<(), FreezeError> {
        let gone = || FreezeError::failed(step, "the sandbox is gone");
        let mut owned = self.owned.take().ok_or_else(gone)?;
        let (owned, result) = tokio::task::spawn_blocking(move || {
            let result = owned.sandbox.as_mut().map(|sandbox| change(&mut sandbox.group));
            // If nobody waits any more, the sandbox is removed here.
            (owned, result)
        })
        .await
        .map_err(|error| FreezeError::failed(step, error))?;
        self.owned = Some(owned);
        result.ok_or_else(gone)?.map_err(|error| {
            let message = support::error_chain(&error);
            if error.is_unsupported() {
                FreezeError::unsupported(message)
            } else {
                FreezeError::failed(step, message)
            }
        })
    }
}

#[async_trait]
impl Backing for NativeBacking {
    fn is_alive(&self) -> bool {
        self.sandbox().is_some_and(NativeSandbox::is_alive)
    }

    /// Reads small files of a pseudo file system, so it does not block in any real sense.
    fn counts(&self, _: Option<&Counters>) -> KernelCounts {
        let usage = match self.sandbox().map(|sandbox| sandbox.group.usage()) {
            Some(Ok(usage)) => usage,
            Some(Err(error)) => {
                tracing::warn!(%error, "failed to read a sandbox's counters");
                GroupUsage::default()
            }
            None => GroupUsage::default(),
        };
        let shared = SharedMemory { bytes_max: self.totals.memory_bytes };
        KernelCounts {
            cpu_time: Duration::from_micros(usage.cpu_time_us),
            oom_kills: usage.oom_kills,
            memory_shared: usage.oom_from_outside.then_some(shared),
            memory_bytes_peak: usage.memory_peak_bytes,
            file_cache_bytes: usage.file_cache_bytes,
            pids_limit_hits: usage.pids_limit_hits,
            pids_peak: usage.pids_peak.map(|peak| peak.saturating_sub(1)),
        }
    }

    fn reset_memory_peak(&mut self) -> bool {
        self.sandbox_mut().is_some_and(|sandbox| sandbox.group.reset_memory_peak())
    }

    async fn freeze(&mut self) -> Result<(), FreezeError> {
        self.change("freeze", SandboxGroup::freeze).await
    }

    async fn thaw(&mut self) -> Result<(), FreezeError> {
        self.change("thaw", SandboxGroup::thaw).await
    }

    fn yield_cpu(&self) {
        static REPORTED: AtomicBool = AtomicBool::new(false);
        if let Some(Err(error)) = self.sandbox().map(|sandbox| sandbox.group.yield_cpu()) {
            report_unyielding(&REPORTED, &error);
        }
    }

    fn is_lossless(&self) -> bool {
        true
    }
}

/// Logs that a sandbox does not yield: the first time as a warning. The reason is the host's, so it would be repeated for each
/// program of a busy caller.
fn report_unyielding(reported: &AtomicBool, error: &CgroupError) {
    let error = support::error_chain(error);
    if reported.swap(true, Ordering::Relaxed) {
        tracing::debug!(error, "failed to lower a sandbox's share of the CPUs");
    } else {
        tracing::warn!(
            error,
            "failed to lower a sandbox's share of the CPUs: programs of a caller who runs many slow down those of others; logged \
             once, then at level debug (hint: nothing else may change the service's cgroups; `python-sandbox doctor` \
             checks them)"
        );
    }
}

/// Makes a sandbox with the interpreter of a template and waits until it is ready.
pub(crate) async fn create(
    factory: Arc<SandboxFactory>,
    remover: Arc<Remover>,
    template: TemplateId,
) -> Result<Sandbox, ExecutorError> {
    const CREATE: &str = "create a sandbox";
    let (limits, totals) = (factory.limits, factory.totals);
    let maker = Arc::clone(&factory);
    let made = tokio::task::spawn_blocking(move || {
        let (sandbox, stream) = maker.create(template)?;
        // From here on the sandbox is removed even if the caller is gone.
        let owned = Some(Owned { sandbox: Some(sandbox), remover, _living: maker.living.enter() });
        Ok::<_, CreateError>((NativeBacking { owned, totals }, stream))
    });
    let (backing, stream) = made
        .await
        .map_err(|error| ExecutorError::before_start(PROVIDER, CREATE, error))?
        .map_err(|error| ExecutorError::before_start(PROVIDER, CREATE, error))?;
    let stream =
        UnixStream::from_std(stream).map_err(|error| ExecutorError::before_start(PROVIDER, CREATE, error))?;
    let opened = Sandbox::open(PROVIDER, limits, stream, backing, READY_TIME_MAX).await;
    factory.record_origin(template, opened.as_ref().ok().map(|(_, origin)| origin));
    opened.map(|(sandbox, _)| sandbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tracing::{Event, Level, Subscriber};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

    /// The levels of what was logged.
    #[derive(Clone, Default)]
    struct Levels(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Levels {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            support::lock(&self.0).push(*event.metadata().level());
        }
    }

    #[test]
    fn a_share_that_cannot_be_lowered_is_a_warning_once() {
        let error =
            CgroupError::NotKept { path: "cpu.weight".into(), wrote: "25".into(), kept: "100".into() };
        let (levels, reported) = (Levels::default(), AtomicBool::new(false));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(levels.clone()), || {
            for _ in 0..3 {
                report_unyielding(&reported, &error);
            }
        });
        assert_eq!(*support::lock(&levels.0), [Level::WARN, Level::DEBUG, Level::DEBUG]);
    }
}
