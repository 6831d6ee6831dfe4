//! Settings: one table, four sources, one checked struct.
//!
//! Precedence: command line, environment, `.env`, TOML file, default. [`resolve()`] checks every value by the
//! table's rules and reports all problems at once; the rest of the program sees only [`Settings`]. Executors
//! and stores are only names here; the crate `compose` resolves them.

mod document;
mod dotenv;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod kind;
mod resolve;
mod sources;
mod table;
#[cfg(test)]
mod tests;

pub use document::{env_example, report};
pub use error::Problems;
pub use kind::{PROVIDERS_BUILT, parse_size, size_display};
pub use resolve::{Host, Resolved, resolve};
pub use sources::{FileChoice, Inputs};

use executor::{ExecLimits, PoolSize, SandboxLimits, TemplateSpec};
use kind::Value;
use runtime::PackageList;
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::time::Duration;
use support::Network;

/// The period of `NATIVE_CPU_QUOTA` in microseconds; the kernel's own default (cgroups(7)).
const NATIVE_CPU_PERIOD_US: u64 = 100_000;

/// Every setting that this version uses, checked. Settings of planned executors are checked
/// too, but stay in [`Resolved`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name shown to clients.
    pub app_name: String,
    /// Host name or address to listen on.
    pub host: String,
    /// Port to listen on; 0 = any.
    pub port: u16,
    /// Base address of the service as clients see it, without a trailing slash.
    pub public_url: Option<String>,
    /// Web origins whose pages may call the API.
    pub cors_origins: Vec<String>,
    /// Names that are allowed in `Host`.
    pub allowed_hosts: Vec<String>,
    /// TLS; `None`: plain HTTP.
    pub tls: Option<TlsSettings>,
    /// Proxies that may name the client.
    pub proxies: ProxySettings,
    /// Directory of the runtime, the stored files and the link key.
    pub data_dir: PathBuf,
    /// Grace period for running programs at shutdown.
    pub shutdown_timeout: Duration,
    /// Log lines.
    pub log: LogSettings,
    /// The audit log.
    pub audit: AuditSettings,
    /// Metrics for Prometheus.
    pub metrics: MetricsSettings,
    /// Traces; `None`: there are none.
    pub traces: Option<TracesSettings>,
    /// The first executor.
    pub provider: String,
    /// The executors to fail over to, in order, including planned ones.
    pub fallback_providers: Vec<String>,
    /// The operator's own root file system.
    pub runtime_rootfs: Option<PathBuf>,
    /// The package list; `None` for `auto`.
    pub runtime_packages: Option<PackageList>,
    /// Limits of a native sandbox.
    pub native_limits: SandboxLimits,
    /// Limits on all native sandboxes together.
    pub native_totals: NativeTotals,
    /// Parent cgroup of the sandboxes' cgroups.
    pub native_cgroup_parent: Option<String>,
    /// Make the container's own cgroups writable.
    pub native_cgroup_remount: bool,
    /// Templates besides the lean one; `None` for fresh interpreters.
    pub native_templates: Option<Vec<TemplateSpec>>,
    /// Idle native sandboxes for each template.
    pub native_pool: PoolSize,
    /// Largest copy of the runtime in memory, in bytes.
    pub native_runtime_memory: u64,
    /// Bytes per second that all native sandboxes together may read from the runtime's disk; `None` for no
    /// limit.
    pub native_disk_read_max: Option<u64>,
    /// Containers: Docker, gVisor, Kata.
    pub docker: DockerSettings,
    /// Concurrency, queue and request size.
    pub load: LoadSettings,
    /// API keys.
    pub access: AccessSettings,
    /// Limits of one caller.
    pub limits: LimitSettings,
    /// Rules of the validator.
    pub validator: ValidatorSettings,
    /// Limits of one execution; `wall_time` is the longest that a request may set.
    pub exec_limits_max: ExecLimits,
    /// Storage of output files.
    pub storage: StorageSettings,
}

/// TLS of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The file with the certificate, then those of the authorities.
    pub certificate: PathBuf,
    /// The file with its key.
    pub key: PathBuf,
    /// How long browsers use HTTPS only.
    pub strict_max_age: Duration,
}

/// Proxies that may name the client.
#[derive(Debug, Clone)]
pub struct ProxySettings {
    /// Their addresses.
    pub trusted: Vec<Network>,
    /// They write `Forwarded`, instead of `X-Forwarded-For`.
    pub write_forwarded: bool,
}

/// Format and level of log lines.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// JSON instead of text.
    pub json: bool,
    /// Lowest level that is logged.
    pub level: tracing::Level,
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// Where it goes.
    pub target: AuditTarget,
    /// It has programs and their output.
    pub programs: bool,
}

/// Where the audit log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditTarget {
    /// Nowhere.
    Off,
    /// To standard error.
    Stderr,
    /// Into this file.
    File(PathBuf),
}

/// Where metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsSettings {
    /// Nowhere.
    Off,
    /// Beside the API.
    WithApi,
    /// Alone, on an address of their own.
    Alone {
        /// Host name or address to listen on.
        host: String,
        /// Port to listen on; 0 = any.
        port: u16,
    },
}

/// Traces for a collector of OpenTelemetry.
#[derive(Debug, Clone)]
pub struct TracesSettings {
    /// The address that spans are sent to.
    pub endpoint: String,
    /// Headers for it: names, and values that may be secrets.
    pub headers: Vec<(String, SecretString)>,
    /// How long a batch may take.
    pub timeout: Duration,
    /// Authorities of an `https://` collector; `None`: the public ones.
    pub ca_file: Option<PathBuf>,
    /// The service's name.
    pub service_name: String,
    /// Its further attributes.
    pub resource: Vec<(String, String)>,
    /// The decision of a caller that names a trace is kept.
    pub is_parent_based: bool,
    /// The fraction of the other traces that is recorded.
    pub ratio: f64,
}

/// Limits on all native sandboxes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeTotals {
    /// Memory in bytes.
    pub memory: Total,
    /// Processes and threads.
    pub pids: Total,
}

/// A limit on all sandboxes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// A share of the host's resources, chosen by the executor.
    Share,
    /// This limit, in the setting's unit.
    Fixed(u64),
    /// No limit.
    Unlimited,
}

/// Address of a container engine, and how to authenticate it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// `unix://PATH` or `tcp://HOST:PORT`; `None` for the usual socket.
    pub host: Option<String>,
    /// The directory with `ca.pem`, `cert.pem` and `key.pem`; `None` for a connection without TLS.
    pub certificates: Option<PathBuf>,
}

/// Containers: Docker, gVisor, Kata.
#[derive(Debug, Clone)]
pub struct DockerSettings {
    /// The engine's address.
    pub engine: EngineSettings,
    /// The sandbox image.
    pub image: String,
    /// Longest wait for a response from the engine.
    pub timeout: Duration,
    /// Limits of a container.
    pub limits: SandboxLimits,
    /// Memory and swap together, in bytes.
    pub memory_swap_bytes: u64,
    /// Templates besides the lean one.
    pub templates: Vec<TemplateSpec>,
    /// Idle containers for each template.
    pub pool: PoolSize,
    /// Name of gVisor's runtime in the engine.
    pub gvisor_runtime: String,
    /// Name of Kata's runtime in the engine.
    pub kata_runtime: String,
}

/// Concurrency, queue and request size.
#[derive(Debug, Clone)]
pub struct LoadSettings {
    /// Programs that run at the same time.
    pub concurrent_max: u32,
    /// Maximum length of the queue.
    pub waiting_max: usize,
    /// Longest time in the queue.
    pub queue_timeout: Duration,
    /// Percentage of `concurrent_max` that one caller leaves free while others are active.
    pub fair_reserve_percent: u8,
    /// Largest request body in bytes.
    pub body_bytes_max: usize,
}

/// API keys.
#[derive(Debug, Clone)]
pub struct AccessSettings {
    /// Whether callers need one; `None`: once the first was created.
    pub require_key: Option<bool>,
    /// Where the keys are.
    pub key_store: KeyStoreSettings,
    /// How long known keys are accepted while their store cannot be read.
    pub stale_max: Duration,
}

/// Limits of one caller; 0: no limit.
#[derive(Debug, Clone)]
pub struct LimitSettings {
    /// Requests per minute.
    pub rate_per_minute: u32,
    /// Requests at once; 0: as many as in a minute.
    pub burst: u32,
    /// Requests that run or wait at the same time.
    pub concurrent: u32,
    /// CPU seconds per period.
    pub cpu_seconds: u64,
    /// Bytes of output files per period.
    pub stored_bytes: u64,
    /// The period.
    pub period: Duration,
    /// Where they are counted; `None`: in each service alone.
    pub redis: Option<RedisSettings>,
    /// Refuse while Redis does not answer.
    pub refuse_without_redis: bool,
}

/// Where API keys are kept.
#[derive(Debug, Clone)]
pub enum KeyStoreSettings {
    /// In the data directory.
    Embedded,
    /// In this Redis.
    Redis(RedisSettings),
    /// In this file.
    File(PathBuf),
}

/// A Redis that several services share.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// Its address, with the password.
    pub url: SecretString,
    /// Authorities of a `rediss://` server; `None`: the public ones.
    pub ca_file: Option<PathBuf>,
    /// What the names of all its keys begin with.
    pub prefix: String,
    /// Longest wait for it.
    pub timeout: Duration,
}

/// Rules of the validator.
#[derive(Debug, Clone)]
pub struct ValidatorSettings {
    /// Longest program in characters.
    pub code_chars_max: usize,
    /// Maximum number of decision points; 0 = no limit.
    pub complexity_max: u32,
    /// Modules that may not be imported.
    pub forbidden_imports: Vec<String>,
}

/// Storage of output files.
#[derive(Debug, Clone)]
pub struct StorageSettings {
    /// Store files and return links.
    pub enabled: bool,
    /// The object store; `None` to keep files on this host.
    pub object_store: Option<ObjectStoreSettings>,
    /// Lifetime of a link.
    pub link_lifetime: Duration,
    /// Maximum age of a file.
    pub file_lifetime: Duration,
    /// Maximum total size of all files in bytes.
    pub bytes_max: u64,
    /// Share of the disk to leave free, in percent.
    pub min_free_percent: u8,
}

/// The keys of an object store.
#[derive(Debug, Clone)]
pub enum StoreCredentials {
    /// These.
    Keys {
        /// Access key.
        access_key: SecretString,
        /// Secret key.
        secret_key: SecretString,
        /// Session token of temporary keys.
        session_token: Option<SecretString>,
    },
    /// Those in this file, which somebody else may renew.
    File(PathBuf),
}

/// An object store.
#[derive(Debug, Clone)]
pub struct ObjectStoreSettings {
    /// Cloudflare R2, instead of S3.
    pub is_r2: bool,
    /// Name of the bucket.
    pub bucket: String,
    /// Region of the bucket.
    pub region: String,
    /// Address of the service, without the bucket.
    pub endpoint: String,
    /// The same as clients reach it.
    pub link_endpoint: String,
    /// The bucket is in the path of addresses.
    pub path_style: bool,
    /// Empty, or ends in `/`.
    pub prefix: String,
    /// The keys.
    pub credentials: StoreCredentials,
    /// The bucket's public address.
    pub public_url: Option<String>,
    /// Links are below the public address.
    pub public_links: bool,
    /// The only authorities that may sign the service's certificate; `None` for the public ones.
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// The typed view of checked values.
    #[must_use]
    pub fn from_resolved(resolved: &Resolved) -> Self {
        let view = View(resolved);
        Self {
            app_name: view.text("APP_NAME"),
            host: view.text("HOST"),
            port: view.count("PORT"),
            public_url: view.optional_text("PUBLIC_URL"),
            cors_origins: view.list("CORS_ORIGINS"),
            allowed_hosts: view.list("ALLOWED_HOSTS"),
            tls: match (view.path("TLS_CERT_FILE"), view.path("TLS_KEY_FILE")) {
                (Some(certificate), Some(key)) => {
                    Some(TlsSettings { certificate, key, strict_max_age: view.seconds("TLS_HSTS_MAX_AGE") })
                }
                _ => None,
            },
            proxies: ProxySettings {
                trusted: view.list("TRUSTED_PROXIES").iter().filter_map(|text| text.parse().ok()).collect(),
                write_forwarded: view.text("TRUSTED_PROXY_HEADER") == "forwarded",
            },
            data_dir: view.path("DATA_DIR").unwrap_or_default(),
            shutdown_timeout: view.seconds("SHUTDOWN_TIMEOUT"),
            log: LogSettings {
                json: view.text("LOG_FORMAT") == "json",
                level: view.text("LOG_LEVEL").parse().unwrap_or(tracing::Level::INFO),
            },
            audit: AuditSettings {
                target: match view.text("AUDIT_LOG").as_str() {
                    "off" => AuditTarget::Off,
                    "stderr" => AuditTarget::Stderr,
                    path => AuditTarget::File(path.into()),
                },
                programs: view.flag("LOG_PROGRAMS"),
            },
            metrics: match (view.flag("METRICS_ENABLED"), view.optional_count("METRICS_PORT")) {
                (false, _) => MetricsSettings::Off,
                (true, None) => MetricsSettings::WithApi,
                (true, Some(port)) => MetricsSettings::Alone { host: view.text("METRICS_HOST"), port },
            },
            traces: traces(&view),
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
            native_totals: NativeTotals {
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
                engine: EngineSettings {
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
                fair_reserve_percent: view.count("FAIR_RESERVE"),
                body_bytes_max: view.count("MAX_BODY_SIZE"),
            },
            access: AccessSettings {
                require_key: view.optional_flag("REQUIRE_API_KEY"),
                key_store: key_store(&view),
                stale_max: view.seconds("KEY_STALE_MAX"),
            },
            limits: LimitSettings {
                rate_per_minute: view.count("RATE_LIMIT"),
                burst: view.optional_count("RATE_BURST").unwrap_or(0),
                concurrent: view.count("MAX_CONCURRENT_PER_CALLER"),
                cpu_seconds: view.number("QUOTA_CPU_SECONDS"),
                stored_bytes: view.number("QUOTA_STORED_BYTES"),
                period: view.seconds("QUOTA_PERIOD"),
                redis: redis(&view),
                refuse_without_redis: view.text("LIMITS_WITHOUT_REDIS") == "refuse",
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
                object_store: object_store(&view),
                link_lifetime: view.seconds("STORAGE_LINK_LIFETIME"),
                file_lifetime: Duration::from_secs(view.number("STORAGE_CLEANUP_DAYS") * 24 * 3600),
                bytes_max: view.number("STORAGE_MAX_SIZE"),
                min_free_percent: view.count("STORAGE_MIN_FREE"),
            },
        }
    }

    /// Executors that requests may use, the provider first, without duplicates.
    #[must_use]
    pub fn active_providers(&self) -> Vec<&str> {
        let mut active = vec![self.provider.as_str()];
        for name in &self.fallback_providers {
            if PROVIDERS_BUILT.contains(&name.as_str()) && !active.contains(&name.as_str()) {
                active.push(name);
            }
        }
        active
    }
}

/// A quarter is always kept ready; the rest is created on demand.
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

fn redis(view: &View<'_>) -> Option<RedisSettings> {
    Some(RedisSettings {
        url: view.secret("REDIS_URL")?,
        ca_file: view.path("REDIS_CA_FILE"),
        prefix: view.text("REDIS_PREFIX"),
        timeout: Duration::from_millis(view.number("REDIS_TIMEOUT")),
    })
}

/// The object store; that it has what it needs was checked if storage is on.
fn object_store(view: &View<'_>) -> Option<ObjectStoreSettings> {
    let provider = view.text("STORAGE_PROVIDER");
    let is_r2 = provider == "r2";
    if !is_r2 && provider != "s3" {
        return None;
    }
    let name = |name: &str| format!("STORAGE_{}_{name}", if is_r2 { "R2" } else { "S3" });
    let region = if is_r2 { "auto".to_owned() } else { view.text("STORAGE_S3_REGION") };
    let usual = || match is_r2 {
        true => format!("https://{}.r2.cloudflarestorage.com", view.text("STORAGE_R2_ACCOUNT_ID")),
        false => {
            // The regions in China have a domain of their own.
            let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            format!("https://s3.{region}.{domain}")
        }
    };
    let endpoint = view.optional_text(&name("ENDPOINT")).unwrap_or_else(usual);
    let public = if is_r2 { None } else { view.optional_text("STORAGE_S3_PUBLIC_ENDPOINT") };
    Some(ObjectStoreSettings {
        is_r2,
        bucket: view.optional_text(&name("BUCKET"))?,
        link_endpoint: public.unwrap_or_else(|| endpoint.clone()),
        endpoint,
        region,
        // R2 knows both; a bucket with a dot has no valid certificate as a host name.
        path_style: is_r2 || view.flag("STORAGE_S3_PATH_STYLE"),
        prefix: view.text(&name("PREFIX")),
        credentials: match view.path(&name("CREDENTIALS_FILE")) {
            Some(path) => StoreCredentials::File(path),
            None => StoreCredentials::Keys {
                access_key: view.secret(&name("ACCESS_KEY"))?,
                secret_key: view.secret(&name("SECRET_KEY"))?,
                session_token: view.secret(&name("SESSION_TOKEN")),
            },
        },
        public_url: if is_r2 { view.optional_text("STORAGE_R2_PUBLIC_URL") } else { None },
        public_links: is_r2 && view.flag("STORAGE_R2_PUBLIC_LINKS"),
        ca_file: if is_r2 { None } else { view.path("STORAGE_S3_CA_FILE") },
    })
}

fn traces(view: &View<'_>) -> Option<TracesSettings> {
    if view.flag("OTEL_SDK_DISABLED") || view.text("OTEL_TRACES_EXPORTER") == "none" {
        return None;
    }
    let base = || Some(format!("{}/v1/traces", view.optional_text("OTEL_EXPORTER_OTLP_ENDPOINT")?));
    let endpoint = view.optional_text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(base)?;
    let headers = view.secret("OTEL_EXPORTER_OTLP_HEADERS");
    let headers = headers.map(|text| kind::pairs(text.expose_secret()).unwrap_or_default());
    let headers = headers.unwrap_or_default().into_iter();
    let sampler = view.text("OTEL_TRACES_SAMPLER");
    let root = sampler.strip_prefix("parentbased_");
    let ratio = match root.unwrap_or(&sampler) {
        "always_on" => 1.0,
        "always_off" => 0.0,
        _ => view.text("OTEL_TRACES_SAMPLER_ARG").parse().unwrap_or(1.0),
    };
    Some(TracesSettings {
        endpoint,
        headers: headers.map(|(name, value)| (name, SecretString::from(value))).collect(),
        timeout: Duration::from_millis(view.number("OTEL_EXPORTER_OTLP_TIMEOUT")),
        ca_file: view.path("OTEL_EXPORTER_OTLP_CERTIFICATE"),
        service_name: view.text("OTEL_SERVICE_NAME"),
        resource: kind::pairs(&view.text("OTEL_RESOURCE_ATTRIBUTES")).unwrap_or_default(),
        is_parent_based: root.is_some(),
        ratio,
    })
}

/// Where the keys are; that the setting it needs is not empty was checked.
fn key_store(view: &View<'_>) -> KeyStoreSettings {
    match (view.text("KEY_STORE").as_str(), redis(view), view.path("KEY_FILE")) {
        ("redis", Some(redis), _) => KeyStoreSettings::Redis(redis),
        ("file", _, Some(path)) => KeyStoreSettings::File(path),
        _ => KeyStoreSettings::Embedded,
    }
}

/// Typed access. A wrong kind is a bug that any test which makes settings finds.
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

    fn optional_flag(&self, name: &str) -> Option<bool> {
        match &self.0.get(name).0 {
            Value::Flag(flag) => Some(*flag),
            Value::Text(_) => None,
            _ => Self::wrong(name),
        }
    }

    fn number(&self, name: &str) -> u64 {
        match &self.0.get(name).0 {
            Value::Number(number) => *number,
            _ => Self::wrong(name),
        }
    }

    /// A number, 0 for no limit, or empty for a share of the host's resources.
    fn total(&self, name: &str) -> Total {
        match &self.0.get(name).0 {
            Value::Number(0) => Total::Unlimited,
            Value::Number(number) => Total::Fixed(*number),
            Value::Text(_) => Total::Share,
            _ => Self::wrong(name),
        }
    }

    /// A number, or empty for none.
    fn optional_count<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        match &self.0.get(name).0 {
            Value::Text(_) => None,
            _ => Some(self.count(name)),
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

    fn secret(&self, name: &str) -> Option<SecretString> {
        match &self.0.get(name).0 {
            Value::Secret(secret) => secret.clone(),
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
