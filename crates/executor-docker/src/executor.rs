//! The executor: the facts proved about the engine, the pool, and health.

use crate::config::{DockerConfig, Flavour};
use crate::container::Container;
use crate::container_lease::{self, ContainerLease};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::image::{self, Facts};
use crate::limits;
use crate::sandbox::{ContainerBacking, DockerSandbox};
use crate::spec;
use async_trait::async_trait;
use bollard::Docker;
use bollard::models::{ImageConfig, SystemInfo};
use executor::{
    Control, ExecRequest, Executor, ExecutorError, ExecutorStats, Freshness, Health, Hints, LiveCount, Maker,
    Pool, Protection, Sandbox, SandboxOrigin, Taken, TemplateId, TemplateStats, Templates,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// Timeout for a container's agent to get ready: its interpreter may import a lot, on a busy host.
const READY_TIME_MAX: Duration = Duration::from_secs(60);
/// Timeout of one check.
const SWEEP_TIME_MAX: Duration = Duration::from_secs(60);
/// Interval between sweeps for containers that nothing else removes.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);
/// Time for which the description of a running engine is reused: it starts programs to give one.
const INFO_AGE_MAX: Duration = Duration::from_secs(60);
/// Timeout for the removal of all containers at shutdown.
const REMOVE_TIME_MAX: Duration = Duration::from_secs(10);

/// Makes sandboxes that are containers. Creating the executor never fails: an engine may start later, and
/// stop and restart; until it is proved to meet the guarantees nothing runs.
#[derive(Debug)]
pub struct DockerExecutor {
    pool: Pool<ContainerMaker>,
    shared: Arc<Shared>,
    /// Sweeps as long as the executor exists.
    keeper: AbortOnDropHandle<()>,
}

/// The shared state of one executor.
#[derive(Debug)]
struct Shared {
    config: DockerConfig,
    templates: Templates,
    engine: Arc<Engine>,
    owner: Arc<ContainerLease>,
    removals: TaskTracker,
    /// What was proved; `None` until then, and after a failure.
    proved: Mutex<Option<Arc<Facts>>>,
    /// The engine's description of itself, and when it was given; dropped together with what was proved.
    info: Mutex<Option<(Instant, SystemInfo)>>,
    /// The last inspected image, and its agent's digest.
    looked_into: Mutex<Option<(String, String)>>,
    /// One proof at a time.
    proving: tokio::sync::Mutex<()>,
    serial: AtomicU64,
    /// Sandboxes that are idle or in use.
    living: LiveCount,
    stopped: AtomicBool,
}

/// Makes the containers of the pool.
#[derive(Debug)]
struct ContainerMaker(Arc<Shared>);

#[async_trait]
impl Maker for ContainerMaker {
    type Item = DockerSandbox;

    async fn make(&self, template: TemplateId) -> Result<DockerSandbox, ExecutorError> {
        let facts = self.0.proved_facts().await?;
        let made = self.0.make(&facts, template).await;
        if made.is_err() {
            // The next check proves everything again.
            self.0.forget();
        }
        made
    }

    fn is_usable(&self, sandbox: &DockerSandbox) -> bool {
        // Without facts the engine is suspect, and a running container is the best there is.
        let current = self.0.facts().is_none_or(|facts| facts.image_id == sandbox.image_id);
        current && sandbox.sandbox.is_alive()
    }
}

impl DockerExecutor {
    /// Makes an executor. Requires a tokio runtime.
    ///
    /// # Errors
    /// If the state directory cannot be written.
    pub fn new(config: DockerConfig) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            owner: Arc::new(ContainerLease::start(&config.state_dir)?),
            engine: Arc::new(Engine::new(&config.engine, config.timeout)),
            templates: Templates::new(Some(&config.templates)),
            removals: TaskTracker::new(),
            proved: Mutex::new(None),
            info: Mutex::new(None),
            looked_into: Mutex::new(None),
            proving: tokio::sync::Mutex::new(()),
            // Uids depend on it, and another service may have started too.
            serial: AtomicU64::new(container_lease::random()? >> 32),
            living: LiveCount::default(),
            stopped: AtomicBool::new(false),
            config,
        });
        let pool =
            Pool::new(ContainerMaker(Arc::clone(&shared)), shared.templates.count(), shared.config.pool);
        let keeper = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&shared).keep_clean()));
        Ok(Self { pool, shared, keeper })
    }
}

impl Shared {
    fn facts(&self) -> Option<Arc<Facts>> {
        self.proved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same, proved now if they are not yet.
    async fn proved_facts(&self) -> Result<Arc<Facts>, ExecutorError> {
        if let Some(facts) = self.facts() {
            return Ok(facts);
        }
        self.check().await.map_err(|reason| self.failed("create a sandbox", reason))?;
        self.facts().ok_or_else(|| self.failed("create a sandbox", "the engine failed again meanwhile"))
    }

    fn forget(&self) {
        self.proved.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.info.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn name(&self) -> &'static str {
        self.config.flavour.name()
    }

    fn failed(
        &self,
        step: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ExecutorError {
        ExecutorError::before_start(self.name(), step, source)
    }

    /// Makes a container of a template and waits until its interpreter is idle.
    async fn make(&self, facts: &Facts, template: TemplateId) -> Result<DockerSandbox, ExecutorError> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let preload = self.templates.preload(template);
        let body = spec::describe(&self.config, facts, &self.owner.name, &preload, serial);
        let name = self.owner.container_name(serial);
        let (container, stream) = Container::start(
            Arc::clone(&self.engine),
            Arc::clone(&self.owner),
            self.removals.clone(),
            name,
            body,
        )
        .await
        .map_err(|error| self.failed("create a sandbox", error))?;
        let (limits, flavour) = (self.config.limits, self.config.flavour);
        let backing = ContainerBacking {
            state: stream.state(),
            container,
            flavour,
            pause_in_doubt: false,
            _living: self.living.enter(),
        };
        let (sandbox, _) = Sandbox::open(self.name(), limits, stream, backing, READY_TIME_MAX).await?;
        Ok(DockerSandbox { sandbox, image_id: facts.image_id.clone() })
    }

    /// Checks engine and image, and proves them if they are not the ones that were proved.
    async fn check(&self) -> Result<(), String> {
        let say = |error: EngineError| support::error_chain(&error);
        // Not only a ping: an engine that comes back has to describe itself first, and may need longer for
        // that.
        self.engine.client().await.map_err(say)?;
        self.engine.ping().await.map_err(say)?;
        let _alone = self.proving.lock().await;
        let facts = self.look().await.map_err(say)?;
        if self.facts().is_some_and(|proved| *proved == facts) {
            return Ok(());
        }
        // Leftovers that cannot be removed are no reason to run nothing; their removal is tried again.
        if let Err(error) = self.sweep().await {
            tracing::warn!(executor = self.name(), error = %support::error_chain(&error), "failed to remove leftovers");
        }
        if facts.podman {
            spec::write_profile(&self.config, &self.owner.name)
                .map_err(|error| format!("failed to write the seccomp profile for Podman: {error}"))?;
        }
        self.prove(&facts).await?;
        *self.proved.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(facts));
        Ok(())
    }

    /// Removes what nothing else removes.
    async fn sweep(&self) -> Result<(), EngineError> {
        let removed = self.owner.sweep(&self.engine).await?;
        if removed > 0 {
            tracing::info!(executor = self.name(), removed, "removed leftover containers");
        }
        Ok(())
    }

    /// Sweeps at intervals: an engine may still make containers that a dead service asked for.
    async fn keep_clean(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            // An engine that does not answer is the breaker's business, and must not end the sweeps.
            let _ = tokio::time::timeout(SWEEP_TIME_MAX, self.sweep()).await;
        }
    }

    /// Current facts of engine and image.
    async fn look(&self) -> Result<Facts, EngineError> {
        let (image, client) = (&self.config.image, self.engine.client().await?);
        let info = self.info(&client).await?;
        self.check_runtime(&info)?;
        limits::check_claims(&info)?;
        let podman = self.engine.is_podman().await?;
        let inspected = match client.inspect_image(image).await {
            Ok(inspected) => inspected,
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => {
                return Err(EngineError::ImageMissing { image: image.clone() });
            }
            Err(source) => return Err(EngineError::at("inspect the image")(source)),
        };
        let facts = self.facts_of(inspected.id.unwrap_or_default(), inspected.config.as_ref()).await?;
        let options = info.security_options.unwrap_or_default();
        Ok(Facts {
            maps_users: options.iter().any(|option| option == "name=userns" || option == "name=rootless"),
            cpus: info.ncpu.and_then(|count| u32::try_from(count).ok()).unwrap_or(1),
            kernel: info.kernel_version.unwrap_or_default(),
            limits_swap: info.swap_limit == Some(true),
            podman,
            ..facts
        })
    }

    /// The engine's description, cached for a short while.
    async fn info(&self, client: &Docker) -> Result<SystemInfo, EngineError> {
        let known = self.info.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, info)) = known.filter(|(asked, _)| asked.elapsed() < INFO_AGE_MAX) {
            return Ok(info);
        }
        let info = client.info().await.map_err(EngineError::at("describe itself"))?;
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), info.clone()));
        Ok(info)
    }

    /// An image's facts. One without the agent's digest among its labels is inspected, once.
    async fn facts_of(&self, id: String, config: Option<&ImageConfig>) -> Result<Facts, EngineError> {
        let image = &self.config.image;
        if let Some(agent) = image::labelled_agent(config) {
            return image::facts(image, id, config, Some(&agent));
        }
        let facts = image::facts(image, id, config, None)?;
        let known = self.looked_into.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let agent = match known {
            Some((id, agent)) if id == facts.image_id => agent,
            _ => {
                let labels = container_lease::labels(&self.owner.name, self.config.flavour);
                let name = self.owner.container_name(self.serial.fetch_add(1, Ordering::Relaxed));
                let agent =
                    image::find_agent(&self.engine, &self.owner, name, &facts.image_id, labels).await?;
                let seen = (facts.image_id.clone(), agent.clone());
                *self.looked_into.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
                agent
            }
        };
        image::facts(image, facts.image_id, config, Some(&agent))
    }

    fn check_runtime(&self, info: &SystemInfo) -> Result<(), EngineError> {
        let Some(runtime) = &self.config.runtime else { return Ok(()) };
        let mut known: Vec<_> = info.runtimes.iter().flatten().map(|(name, _)| name.clone()).collect();
        if known.contains(runtime) {
            return limits::check_runtime(runtime, info);
        }
        known.sort();
        Err(EngineError::RuntimeMissing { runtime: runtime.clone(), known: known.join(", ") })
    }

    /// Runs a program, and checks which kernel answers and what its cgroup allows.
    async fn prove(&self, facts: &Facts) -> Result<(), String> {
        let chain = |error: ExecutorError| error.chain();
        let made = self
            .make(facts, TemplateId::default())
            .await
            .map_err(|error| support::error_chain(&*error.source))?;
        let code =
            format!("import os\nu = os.uname()\nprint(u.release)\nprint(u.version)\n{}", limits::PROOF);
        let request = ExecRequest { code: code.into(), ..ExecRequest::default() };
        let result = made.sandbox.answer_once(&request, &Control::default()).await.map_err(chain)?;
        let mut lines = result.stdout.text.lines();
        let (true, Some(release), Some(version)) = (result.success(), lines.next(), lines.next()) else {
            return Err(format!("the first sandbox failed: {result:?}"));
        };
        self.check_kernel(facts, release, version)?;
        // Separate kernels have their own cgroups, if any.
        if self.config.flavour == Flavour::Docker {
            let (swap_bytes, pids_max) = (spec::swap_bytes(&self.config), spec::pids_max(&self.config));
            limits::check_proof(&result.stdout.text, &self.config.limits, swap_bytes, pids_max)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Whether the kernel that answered from inside is the one that the flavour requires.
    fn check_kernel(&self, facts: &Facts, release: &str, version: &str) -> Result<(), String> {
        let own = release == facts.kernel;
        // gVisor's kernel names itself since 2025; before, it reported the version of Linux that it modelled.
        let gvisor = release.contains("gvisor")
            || (release == "4.4.0" && version.contains("Jan 10 15:06:54 PST 2016"));
        let right = match self.config.flavour {
            Flavour::Docker => own,
            Flavour::Gvisor => gvisor,
            Flavour::Kata => !own && !gvisor,
        };
        if right {
            return Ok(());
        }
        Err(format!(
            "the kernel inside a sandbox is `{release} {version}`, which is not {}'s (hint: the \
             runtime `{}` of the engine starts something else; see `runtimes` in /etc/docker/daemon.json)",
            self.name(),
            self.config.runtime.as_deref().unwrap_or("default"),
        ))
    }

    fn protections(&self) -> BTreeMap<&'static str, Protection> {
        let enforced = |detail: &str| Protection { enforced: true, detail: detail.to_owned() };
        let facts = self.facts();
        let podman = facts.as_ref().is_some_and(|facts| facts.podman);
        // A container on the host's kernel read its own limits when it was proved.
        let swap_counts =
            self.config.flavour == Flavour::Docker || facts.is_none_or(|facts| facts.limits_swap);
        let memory_limit = Protection {
            enforced: swap_counts,
            detail: if swap_counts {
                "cgroup, swap included"
            } else {
                "cgroup; the engine cannot limit swap: boot its host with swapaccount=1, or turn swap off"
            }
            .to_owned(),
        };
        let kernel = match self.config.flavour {
            Flavour::Docker => "the host's, isolated with namespaces",
            Flavour::Gvisor => "gVisor's own, verified from inside",
            Flavour::Kata => "a virtual machine's own, verified from inside",
        };
        let seccomp = if self.config.flavour.is_linux() {
            "allow-list around agent and program, and the agent's own; blocked system calls are named in the verdict"
        } else {
            "allow-list of the agent inside gVisor; blocked system calls are not named"
        };
        BTreeMap::from([
            ("kernel", enforced(kernel)),
            ("seccomp", enforced(seccomp)),
            ("namespaces", enforced("mount, pid, net, ipc, uts, cgroup, by the engine's runtime")),
            ("network", enforced("none; sockets blocked")),
            (
                "root_file_system",
                enforced(if podman {
                    "the sandbox image, owned by root; the program is another user, confined by Landlock"
                } else {
                    "the sandbox image, read-only"
                }),
            ),
            (
                "writable_file_system",
                enforced("tmpfs on /tmp and a small one on /dev/shm, bounded in bytes, noexec"),
            ),
            (
                "file_count_limit",
                if self.config.flavour == Flavour::Gvisor || podman {
                    Protection {
                        enforced: false,
                        detail: "not supported by this runtime's tmpfs; the memory limit includes files"
                            .to_owned(),
                    }
                } else {
                    enforced("inodes of the tmpfs")
                },
            ),
            ("user", enforced("a separate unprivileged uid, no capability, no_new_privs")),
            ("memory_limit", memory_limit),
            (
                "process_limit",
                enforced(match self.config.flavour {
                    Flavour::Gvisor => {
                        "the agent ends a program that has more; a cgroup limits gVisor's kernel"
                    }
                    Flavour::Docker | Flavour::Kata => "cgroup",
                }),
            ),
            ("cpu_limit", enforced("cgroup")),
            ("wall_time_limit", enforced("the agent's clock, backed by the service's")),
        ])
    }
}

#[async_trait]
impl Executor for DockerExecutor {
    fn name(&self) -> &'static str {
        self.shared.name()
    }

    async fn health(&self) -> Health {
        if self.shared.stopped.load(Ordering::Relaxed) {
            return Health::unhealthy("the executor is shut down");
        }
        match self.shared.check().await {
            Ok(()) => Health {
                healthy: true,
                reason: None,
                protections: self.shared.protections(),
                warm: self.pool.idle(),
            },
            Err(reason) => {
                self.shared.forget();
                Health::unhealthy(reason)
            }
        }
    }

    async fn is_alive(&self) -> bool {
        self.shared.stopped.load(Ordering::Relaxed) || self.shared.engine.ping().await.is_ok()
    }

    async fn create(&self, hints: &Hints, freshness: Freshness) -> Result<Sandbox, ExecutorError> {
        if self.shared.stopped.load(Ordering::Relaxed) {
            return Err(self.shared.failed("create a sandbox", "the executor is shut down"));
        }
        self.shared.proved_facts().await?;
        let template = self.shared.templates.choose(hints);
        let Taken { item, was_idle } = self.pool.take(template, freshness, hints.yields).await?;
        let template = self.shared.templates.shared_name(template);
        Ok(item.sandbox.with_origin(SandboxOrigin { template, was_idle }))
    }

    /// Neither memory nor removals: the engine would have to be asked.
    fn stats(&self) -> ExecutorStats {
        let templates = self.shared.templates.ids().zip(self.pool.stats()).map(|(id, pool)| {
            let name = self.shared.templates.shared_name(id);
            TemplateStats { name, pool, interpreters: None, replaced: 0 }
        });
        let (templates, sandboxes) = (templates.collect(), Some(self.shared.living.get()));
        ExecutorStats { templates, sandboxes, ..ExecutorStats::default() }
    }

    async fn shut_down(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // The sweep below is the last one.
        self.keeper.abort();
        self.pool.finish(REMOVE_TIME_MAX).await;
        self.shared.removals.close();
        let _ = tokio::time::timeout(REMOVE_TIME_MAX, self.shared.sweep()).await;
        if tokio::time::timeout(REMOVE_TIME_MAX, self.shared.removals.wait()).await.is_ok() {
            self.shared.owner.end();
        } else {
            tracing::error!(
                executor = self.name(),
                "containers were not removed in time; the next start removes them"
            );
        }
    }
}
