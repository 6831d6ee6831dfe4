//! Settings: one table, four sources, one checked struct.
//!
//! Command line over environment over `.env` over TOML file over default. [`resolve`] checks every value by the
//! table's rules and reports all problems at once; [`Settings`] is what the rest of the program sees.

mod document;
mod dotenv;
mod error;
mod kind;
mod resolve;
mod sources;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use document::{env_example, report};
pub(crate) use error::Problems;
pub(crate) use kind::{PROVIDERS_BUILT, parse_size, size_display};
pub(crate) use resolve::{Host, Resolved, resolve};
pub(crate) use sources::{FileChoice, Inputs};

use executor::{ExecLimits, PoolSize, SandboxLimits, TemplateSpec};
use executor_docker::EngineAddress;
use executor_native::{Total, Totals};
use kind::Value;
use runtime::PackageList;
use std::path::PathBuf;
use std::time::Duration;

/// The period of `NATIVE_CPU_QUOTA` in microseconds; the kernel's own default (cgroups(7)).
const NATIVE_CPU_PERIOD_US: u64 = 100_000;

/// Every setting that this version acts on, checked. Settings of executors that are not built yet are checked
/// with the others and stay in [`Resolved`].
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Name shown to clients.
    pub(crate) app_name: String,
    /// Host name or address to listen on.
    pub(crate) host: String,
    /// Port to listen on; 0 = any.
    pub(crate) port: u16,
    /// Address of the service as clients see it, without a final slash.
    pub(crate) public_url: Option<String>,
    /// Origins that browsers may call from.
    pub(crate) cors_origins: Vec<String>,
    /// Names of this service in `Host`.
    pub(crate) allowed_hosts: Vec<String>,
    /// Directory of the runtime, the stored files and the link key.
    pub(crate) data_dir: PathBuf,
    /// Grace for running programs at the end.
    pub(crate) shutdown_timeout: Duration,
    /// Log lines.
    pub(crate) log: LogSettings,
    /// The first executor.
    pub(crate) provider: String,
    /// The others, in order, built or not.
    pub(crate) fallback_providers: Vec<String>,
    /// A root file system of the operator's own.
    pub(crate) runtime_rootfs: Option<PathBuf>,
    /// The list of packages, where one is asked for.
    pub(crate) runtime_packages: Option<PackageList>,
    /// Limits of a native sandbox.
    pub(crate) native_limits: SandboxLimits,
    /// What all sandboxes of the native executor together may use.
    pub(crate) native_totals: Totals,
    /// Control group below which sandboxes' groups are made.
    pub(crate) native_cgroup_parent: Option<String>,
    /// Make the container's own control groups writable.
    pub(crate) native_cgroup_remount: bool,
    /// Templates besides the lean one; `None` for fresh interpreters.
    pub(crate) native_templates: Option<Vec<TemplateSpec>>,
    /// Native sandboxes that wait, for each template.
    pub(crate) native_pool: PoolSize,
    /// Bytes of memory that a copy of the runtime may take.
    pub(crate) native_runtime_memory: u64,
    /// Bytes per second that all native sandboxes together may read from the runtime's disk; `None` for no limit.
    pub(crate) native_disk_read_max: Option<u64>,
    /// Containers: Docker, gVisor, Kata.
    pub(crate) docker: DockerSettings,
    /// How much work is taken.
    pub(crate) load: LoadSettings,
    /// What the validator refuses.
    pub(crate) validator: ValidatorSettings,
    /// What one execution may use and return; `wall_time` is the largest that a request may ask for.
    pub(crate) exec_limits_max: ExecLimits,
    /// Where output files go.
    pub(crate) storage: StorageSettings,
}

/// Form and amount of log lines.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    /// JSON instead of text.
    pub(crate) json: bool,
    /// Least important level.
    pub(crate) level: tracing::Level,
}

/// Containers: Docker, gVisor, Kata.
#[derive(Debug, Clone)]
pub(crate) struct DockerSettings {
    /// Where the engine is.
    pub(crate) engine: EngineAddress,
    /// The sandbox image.
    pub(crate) image: String,
    /// Longest wait for the engine.
    pub(crate) timeout: Duration,
    /// Limits of a container.
    pub(crate) limits: SandboxLimits,
    /// Memory and swap together, in bytes.
    pub(crate) memory_swap_bytes: u64,
    /// Templates besides the lean one.
    pub(crate) templates: Vec<TemplateSpec>,
    /// Containers that wait, for each template.
    pub(crate) pool: PoolSize,
    /// gVisor's name in the engine.
    pub(crate) gvisor_runtime: String,
    /// Kata's.
    pub(crate) kata_runtime: String,
}

/// How much work is taken.
#[derive(Debug, Clone)]
pub(crate) struct LoadSettings {
    /// Programs at once.
    pub(crate) concurrent_max: u32,
    /// Requests that wait.
    pub(crate) waiting_max: usize,
    /// Longest wait.
    pub(crate) queue_timeout: Duration,
    /// Longest request body in bytes.
    pub(crate) body_bytes_max: usize,
}

/// What the validator refuses.
#[derive(Debug, Clone)]
pub(crate) struct ValidatorSettings {
    /// Longest program in characters.
    pub(crate) code_chars_max: usize,
    /// Most decision points; 0 = no such limit.
    pub(crate) complexity_max: u32,
    /// Modules that may not be imported.
    pub(crate) forbidden_imports: Vec<String>,
}

/// Where output files go.
#[derive(Debug, Clone)]
pub(crate) struct StorageSettings {
    /// Keep files and answer with links.
    pub(crate) enabled: bool,
    /// How long a link works.
    pub(crate) link_lifetime: Duration,
    /// How long a file may be kept at most.
    pub(crate) file_lifetime: Duration,
    /// Most bytes of all files together.
    pub(crate) bytes_max: u64,
    /// Share of the disk that is kept free, in percent.
    pub(crate) min_free_percent: u8,
}

impl Settings {
    /// The typed view of checked values.
    pub(crate) fn from_resolved(resolved: &Resolved) -> Self {
        let view = View(resolved);
        Self {
            app_name: view.text("APP_NAME"),
            host: view.text("HOST"),
            port: view.count("PORT"),
            public_url: view.optional_text("PUBLIC_URL"),
            cors_origins: view.list("CORS_ORIGINS"),
            allowed_hosts: view.list("ALLOWED_HOSTS"),
            data_dir: view.path("DATA_DIR").unwrap_or_default(),
            shutdown_timeout: view.seconds("SHUTDOWN_TIMEOUT"),
            log: LogSettings {
                json: view.text("LOG_FORMAT") == "json",
                level: view.text("LOG_LEVEL").parse().unwrap_or(tracing::Level::INFO),
            },
            provider: view.text("EXECUTOR_PROVIDER"),
            fallback_providers: view.list("EXECUTOR_FALLBACK_PROVIDERS"),
            runtime_rootfs: view.path("RUNTIME_ROOTFS"),
            runtime_packages: view.text("RUNTIME_PACKAGES").parse().ok(),
            native_limits: SandboxLimits {
                memory_bytes: view.number("NATIVE_MEMORY"),
                cpu_quota_us: view.number("NATIVE_CPU_QUOTA"),
                cpu_period_us: NATIVE_CPU_PERIOD_US,
                pids_max: view.count("NATIVE_PIDS_LIMIT"),
                disk_bytes: view.number("NATIVE_TMP_SIZE"),
                disk_inodes: view.number("NATIVE_TMP_INODES"),
            },
            native_totals: Totals {
                memory: view.total("NATIVE_MEMORY_TOTAL"),
                pids: view.total("NATIVE_PIDS_TOTAL"),
            },
            native_cgroup_parent: view.optional_text("NATIVE_CGROUP_PARENT"),
            native_cgroup_remount: view.flag("NATIVE_CGROUP_REMOUNT"),
            native_templates: (!view.flag("NATIVE_FRESH_INTERPRETER"))
                .then(|| templates(&view.list("NATIVE_TEMPLATES"))),
            native_pool: pool_size(view.count("NATIVE_POOL_SIZE")),
            native_runtime_memory: view.number("NATIVE_RUNTIME_MEMORY"),
            native_disk_read_max: match view.total("NATIVE_DISK_READ_MAX") {
                Total::Fixed(bytes) => Some(bytes),
                Total::Share | Total::Unlimited => None,
            },
            docker: DockerSettings {
                engine: EngineAddress {
                    host: view.optional_text("DOCKER_HOST"),
                    certificates: view
                        .flag("DOCKER_TLS_VERIFY")
                        .then(|| view.path("DOCKER_CERT_PATH").unwrap_or_default()),
                },
                image: view.text("DOCKER_IMAGE"),
                timeout: view.seconds("DOCKER_TIMEOUT"),
                limits: SandboxLimits {
                    memory_bytes: view.number("DOCKER_MEMORY"),
                    cpu_quota_us: view.number("DOCKER_CPU_QUOTA"),
                    cpu_period_us: view.number("DOCKER_CPU_PERIOD"),
                    pids_max: view.count("DOCKER_PIDS_LIMIT"),
                    disk_bytes: view.number("DOCKER_TMP_SIZE"),
                    disk_inodes: view.number("DOCKER_TMP_INODES"),
                },
                memory_swap_bytes: view.number("DOCKER_MEMORY_SWAP"),
                templates: templates(&view.list("DOCKER_TEMPLATES")),
                pool: pool_size(view.count("DOCKER_POOL_SIZE")),
                gvisor_runtime: view.text("GVISOR_RUNTIME"),
                kata_runtime: view.text("KATA_RUNTIME"),
            },
            load: LoadSettings {
                concurrent_max: view.count("MAX_CONCURRENT"),
                waiting_max: view.count("MAX_WAITING"),
                queue_timeout: view.seconds("QUEUE_TIMEOUT"),
                body_bytes_max: view.count("MAX_BODY_SIZE"),
            },
            validator: ValidatorSettings {
                code_chars_max: view.count("MAX_CODE_LENGTH"),
                complexity_max: view.count("MAX_COMPLEXITY"),
                forbidden_imports: view.list("FORBIDDEN_IMPORTS"),
            },
            exec_limits_max: ExecLimits {
                wall_time: view.seconds("MAX_TIMEOUT"),
                output_bytes_max: view.number("MAX_OUTPUT_SIZE"),
                output_total_bytes_max: view.number("MAX_OUTPUT_TOTAL_SIZE"),
                file_bytes_max: view.number("MAX_FILE_SIZE"),
                files_total_bytes_max: view.number("MAX_TOTAL_SIZE"),
                file_count_max: view.count("MAX_FILE_COUNT"),
            },
            storage: StorageSettings {
                enabled: view.flag("STORAGE_ENABLED") && view.text("STORAGE_PROVIDER") != "disabled",
                link_lifetime: view.seconds("STORAGE_LINK_LIFETIME"),
                file_lifetime: Duration::from_secs(view.number("STORAGE_CLEANUP_DAYS") * 24 * 3600),
                bytes_max: view.number("STORAGE_MAX_SIZE"),
                min_free_percent: view.count("STORAGE_MIN_FREE"),
            },
        }
    }

    /// Executors that requests may reach, first the provider, without doubles.
    pub(crate) fn active_providers(&self) -> Vec<&str> {
        let mut active = vec![self.provider.as_str()];
        for name in &self.fallback_providers {
            if PROVIDERS_BUILT.contains(&name.as_str()) && !active.contains(&name.as_str()) {
                active.push(name);
            }
        }
        active
    }
}

/// A quarter always waits; the rest comes with the demand.
fn pool_size(max: usize) -> PoolSize {
    PoolSize { min: max.div_ceil(4), max }
}

/// Checked entries of NATIVE_TEMPLATES or DOCKER_TEMPLATES.
fn templates(entries: &[String]) -> Vec<TemplateSpec> {
    entries.iter().filter_map(|entry| template(entry)).collect()
}

fn template(entry: &str) -> Option<TemplateSpec> {
    let (name, modules) = entry.split_once('=')?;
    let preload = modules.split('+').map(str::to_owned).collect();
    Some(TemplateSpec { name: name.to_owned(), preload })
}

/// Typed reading. A wrong kind is a misspelling of ours that any test which makes settings finds.
struct View<'a>(&'a Resolved);

impl View<'_> {
    fn wrong(name: &str) -> ! {
        panic!("setting `{name}` is of another kind in the table")
    }

    fn text(&self, name: &str) -> String {
        match &self.0.get(name).0 {
            Value::Text(text) => text.clone(),
            _ => Self::wrong(name),
        }
    }

    fn optional_text(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    fn flag(&self, name: &str) -> bool {
        match &self.0.get(name).0 {
            Value::Flag(flag) => *flag,
            _ => Self::wrong(name),
        }
    }

    fn number(&self, name: &str) -> u64 {
        match &self.0.get(name).0 {
            Value::Number(number) => *number,
            _ => Self::wrong(name),
        }
    }

    /// A number, 0 for none, or nothing for a share of what there is.
    fn total(&self, name: &str) -> Total {
        match &self.0.get(name).0 {
            Value::Number(0) => Total::Unlimited,
            Value::Number(number) => Total::Fixed(*number),
            Value::Text(_) => Total::Share,
            _ => Self::wrong(name),
        }
    }

    /// A number in a narrower type; the table's bounds keep it within that.
    fn count<T: TryFrom<u64>>(&self, name: &str) -> T {
        T::try_from(self.number(name)).unwrap_or_else(|_| Self::wrong(name))
    }

    fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    fn list(&self, name: &str) -> Vec<String> {
        match &self.0.get(name).0 {
            Value::List(items) => items.clone(),
            _ => Self::wrong(name),
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        match &self.0.get(name).0 {
            Value::Path(path) => path.clone(),
            _ => Self::wrong(name),
        }
    }
}
