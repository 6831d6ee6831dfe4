//! The native executor.

use crate::error::StartError;
use crate::factory::{OriginCounts, Remover, SandboxFactory};
use crate::hint;
use crate::sandbox;
use crate::start::{self, NativeConfig, PROVIDER};
use async_trait::async_trait;
use executor::GuestError;
use executor::{
    Control, ExecRequest, Executor, ExecutorError, ExecutorStats, Freshness, Health, Hints, Maker, Pool,
    Protection, Sandbox, SandboxOrigin, Taken, TemplateId, TemplateStats,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Timeout at shutdown for a sandbox that is being pre-created.
const FILL_TIME_MAX: Duration = Duration::from_secs(5);

/// Makes sandboxes on this host. Starting it proves that they work.
#[derive(Debug)]
pub struct NativeExecutor {
    pool: Pool<NativeMaker>,
    protections: BTreeMap<&'static str, Protection>,
    stopped: AtomicBool,
}

/// Makes the sandboxes of the pool.
#[derive(Debug)]
struct NativeMaker {
    factory: Arc<SandboxFactory>,
    remover: Arc<Remover>,
}

#[async_trait]
impl Maker for NativeMaker {
    type Item = Sandbox;

    async fn make(&self, template: TemplateId) -> Result<Sandbox, ExecutorError> {
        sandbox::create(Arc::clone(&self.factory), Arc::clone(&self.remover), template).await
    }

    fn is_usable(&self, sandbox: &Sandbox) -> bool {
        sandbox.is_alive()
    }
}

impl NativeExecutor {
    /// Checks this host, removes the leftovers of a killed predecessor, and runs one program to prove that
    /// everything works.
    ///
    /// # Errors
    /// [`StartError`]: what this host cannot enforce, and how to fix it.
    pub async fn start(config: NativeConfig) -> Result<Self, StartError> {
        let size = config.pool;
        let started = tokio::task::spawn_blocking(move || start::start(&config))
            .await
            .map_err(|error| StartError::SelfTest(error.to_string()))??;
        let templates = started.factory.templates.count();
        let maker = NativeMaker { factory: started.factory, remover: started.remover };
        let executor = Self {
            pool: Pool::new(maker, templates, size),
            protections: started.protections,
            stopped: AtomicBool::new(false),
        };
        executor.test_itself().await.map_err(StartError::SelfTest)?;
        Ok(executor)
    }

    /// The pid of the launcher's monitor, for tests that kill both.
    #[must_use]
    pub fn monitor_pid(&self) -> Option<u32> {
        self.pool.maker().factory.launcher.monitor_pid()
    }

    /// How many sandboxes of each template got their interpreter in which way.
    #[must_use]
    pub fn origins(&self) -> Vec<OriginCounts> {
        self.pool.maker().factory.origins()
    }

    /// The service's cgroups, for tests and `doctor` that look for leftovers.
    #[must_use]
    pub fn cgroup_paths(&self) -> Vec<std::path::PathBuf> {
        self.pool.maker().factory.groups.paths()
    }

    async fn test_itself(&self) -> Result<(), String> {
        let chain = |error: &ExecutorError| match creation_hint(error) {
            Some(hint) => format!("{} (hint: {hint})", error.chain()),
            None => error.chain(),
        };
        let created = self.create(&Hints::default(), Freshness::Any).await;
        let sandbox = created.map_err(|error| chain(&error))?;
        let request = ExecRequest { code: "print(6 * 7)".into(), ..ExecRequest::default() };
        let answer = sandbox.answer_once(&request, &Control::default()).await;
        let result = answer.map_err(|error| chain(&error))?;
        match (result.success(), result.stdout.text.as_str()) {
            (true, "42\n") => Ok(()),
            _ => Err(format!("`print(6 * 7)` gave {result:?}")),
        }
    }
}

/// The fix, where the sandbox failed at a step of its own set-up.
fn creation_hint(error: &ExecutorError) -> Option<&'static str> {
    let mut cause = std::error::Error::source(error);
    while let Some(current) = cause {
        if let Some(GuestError::Fault { step, .. }) = current.downcast_ref() {
            return hint::of_setup_step(step);
        }
        cause = current.source();
    }
    None
}

#[async_trait]
impl Executor for NativeExecutor {
    fn name(&self) -> &'static str {
        PROVIDER
    }

    async fn health(&self) -> Health {
        let factory = Arc::clone(&self.pool.maker().factory);
        let running = tokio::task::spawn_blocking(move || factory.launcher.ensure_running()).await;
        let mut protections = self.protections.clone();
        let reason = match running {
            _ if self.stopped.load(Ordering::Relaxed) => Some("the executor is shut down".to_owned()),
            Ok(Ok(root)) => {
                protections.extend(start::root_protections(&root));
                None
            }
            Ok(Err(error)) => Some(support::error_chain(&error)),
            Err(error) => Some(error.to_string()),
        };
        Health { healthy: reason.is_none(), reason, protections, warm: self.pool.idle() }
    }

    async fn create(&self, hints: &Hints, freshness: Freshness) -> Result<Sandbox, ExecutorError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(ExecutorError::before_start(
                PROVIDER,
                "create a sandbox",
                "the executor is shut down",
            ));
        }
        let templates = &self.pool.maker().factory.templates;
        let template = templates.choose(hints);
        let Taken { item: sandbox, was_idle } = self.pool.take(template, freshness, hints.yields).await?;
        let origin = SandboxOrigin { template: templates.shared_name(template), was_idle };
        Ok(sandbox.with_origin(origin).yielding_cpu(hints.yields))
    }

    fn stats(&self) -> ExecutorStats {
        let NativeMaker { factory, remover } = self.pool.maker();
        let templates = factory.templates.ids().zip(self.pool.stats()).map(|(id, pool)| {
            let (interpreters, replaced) = factory.interpreters(id).unzip();
            let (name, replaced) = (factory.templates.shared_name(id), replaced.unwrap_or(0));
            TemplateStats { name, pool, interpreters, replaced }
        });
        ExecutorStats {
            templates: templates.collect(),
            sandboxes: Some(factory.living.get()),
            removing: Some(remover.removing()),
            memory_bytes: factory.groups.memory_used(),
            memory_bytes_max: factory.totals.memory_bytes,
        }
    }

    async fn shut_down(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.pool.finish(FILL_TIME_MAX).await;
        let (factory, remover) =
            (Arc::clone(&self.pool.maker().factory), Arc::clone(&self.pool.maker().remover));
        let finished = tokio::task::spawn_blocking(move || {
            remover.finish();
            factory.launcher.stop();
        });
        if finished.await.is_err() {
            tracing::error!("failed to shut the native executor down");
        }
    }
}
