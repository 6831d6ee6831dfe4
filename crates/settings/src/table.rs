//! The table of settings, the only source of every text about a setting.
//!
//! `.env.example`, `docs/settings.md`, `check-config`, the error messages and the parser all read this table,
//! so they cannot disagree. Names and defaults of the original service are part of the contract
//! (`docs/api.md`).

use super::kind::{Item, Kind, STORES};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Its name in the environment.
    pub(crate) name: &'static str,
    /// Its section in the documents.
    pub(crate) group: Group,
    /// Type and bounds of its value.
    pub(crate) kind: Kind,
    /// Its value if no source sets it.
    pub(crate) default: Preset,
    /// Its unit, for a number.
    pub(crate) unit: Option<&'static str>,
    /// One-line description.
    pub(crate) doc: &'static str,
}

/// A default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    /// This text.
    Fixed(&'static str),
    /// Computed at startup; the phrase says how.
    Computed(&'static str),
}

/// The sections of the settings, in document order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// The service itself.
    Application,
    /// What is between the service and its clients.
    Front,
    /// Log lines.
    Logging,
    /// Metrics.
    Observability,
    /// Traces.
    Traces,
    /// Choice of executors and runtime.
    Executors,
    /// The native executor.
    Native,
    /// Concurrency, queue and request size.
    Load,
    /// API keys.
    Access,
    /// Limits of one caller.
    Limits,
    /// Rules of the validator.
    Validator,
    /// Limits on a program's output and files.
    Output,
    /// Where output files are stored.
    Storage,
    /// The Docker executor.
    Docker,
    /// gVisor and Kata, which use the Docker engine.
    Runtimes,
    /// The Firecracker executor.
    Firecracker,
}

impl Group {
    /// All, in order.
    pub(crate) const ALL: [Self; 16] = [
        Self::Application,
        Self::Front,
        Self::Logging,
        Self::Observability,
        Self::Traces,
        Self::Executors,
        Self::Native,
        Self::Load,
        Self::Access,
        Self::Limits,
        Self::Validator,
        Self::Output,
        Self::Storage,
        Self::Docker,
        Self::Runtimes,
        Self::Firecracker,
    ];

    /// The heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Application => "Application",
            Self::Front => "TLS and proxies",
            Self::Logging => "Logging",
            Self::Observability => "Metrics",
            Self::Traces => "Traces (OpenTelemetry, under its own names)",
            Self::Executors => "Executors",
            Self::Native => "Native executor",
            Self::Load => "Load: concurrency, queue, request size",
            Self::Access => "API keys",
            Self::Limits => "Limits of one caller: an API key, or without keys an address",
            Self::Validator => "Validator: a policy and early feedback; no guarantee depends on it",
            Self::Output => "Output of a program",
            Self::Storage => "Storage of output files",
            Self::Docker => "Docker executor, also for gVisor and Kata",
            Self::Runtimes => "gVisor and Kata only",
            Self::Firecracker => "Firecracker executor (not in this version)",
        }
    }
}

/// Two templates, by measurement (runtime/README.md has the figures): the cost of a fork grows with what its
/// template has imported, so programs that use pandas should not pay for scikit-learn. The second is worth
/// its memory: each package that it adds takes about a second of CPU time and most of NATIVE_MEMORY to
/// import.
const NATIVE_TEMPLATES: &str = "data=numpy+pandas+openpyxl+xlsxwriter+matplotlib.pyplot,\
    science=numpy+pandas+matplotlib.pyplot+scipy.stats+seaborn+sklearn.ensemble+sklearn.linear_model\
    +sklearn.model_selection+sklearn.preprocessing+sklearn.pipeline+sklearn.cluster+sklearn.datasets+statsmodels.api";

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Shorthand for a row.
const fn row(
    group: Group,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    unit: Option<&'static str>,
    doc: &'static str,
) -> Entry {
    Entry { name, group, kind, default: Preset::Fixed(default), unit, doc }
}

/// Shorthand for a row whose default is computed at startup.
const fn computed(
    group: Group,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    unit: Option<&'static str>,
    doc: &'static str,
) -> Entry {
    Entry { name, group, kind, default: Preset::Computed(default), unit, doc }
}

const fn number(min: u64, max: u64) -> Kind {
    Kind::Number { min, max }
}

const fn size(min: u64, max: u64) -> Kind {
    Kind::Size { min, max }
}

const BYTES: Option<&str> = Some("bytes");
const SECONDS: Option<&str> = Some("seconds");

/// Every setting.
#[rustfmt::skip]
pub(crate) const SETTINGS: &[Entry] = {
    use Group::{
        Access, Application, Docker, Executors, Firecracker, Front, Limits, Load, Logging, Native, Observability, Output, Runtimes, Storage,
        Traces, Validator,
    };
    &[
        row(Application, "APP_NAME", Kind::Text, "Python Sandbox", None, "Name shown by GET / and in the documentation pages."),
        row(Application, "DEBUG", Kind::Flag, "false", None, "Sets the default of LOG_LEVEL to debug; responses do not change."),
        row(Application, "HOST", Kind::Text, "127.0.0.1", None, "Address to listen on. Any address except loopback exposes the service to the network."),
        row(Application, "PORT", number(0, 65_535), "8000", None, "TCP port to listen on; 0 = any free port."),
        row(Application, "PUBLIC_URL", Kind::Url, "", None, "Base address of the service as clients see it, used in file links; empty = taken from each request."),
        row(Application, "CORS_ORIGINS", Kind::List(Item::Origin), "", None, "Web origins whose pages may call the API; empty = none."),
        row(Application, "ALLOWED_HOSTS", Kind::List(Item::Host), "", None, "Names of this service that are allowed in `Host`, against DNS rebinding; * = any. Always allowed: addresses, localhost, the names of PUBLIC_URL and HOST, and, where HOST is not loopback, names without a dot."),
        computed(Application, "DATA_DIR", Kind::Path, "/var/lib/python-sandbox for root, else $XDG_DATA_HOME/python-sandbox or ~/.local/share/python-sandbox", None, "Directory for the Python runtime, the stored files, the link key and the API keys."),
        row(Application, "SHUTDOWN_TIMEOUT", number(0, 3600), "30", SECONDS, "Grace period for running programs after SIGTERM or SIGINT."),

        row(Front, "TLS_CERT_FILE", Kind::Path, "", None, "Certificate of the service, in PEM, followed by those of the authorities between it and a root; PORT then takes HTTPS only. Read again within 10 seconds of a change, with TLS_KEY_FILE. Empty = no TLS. METRICS_PORT never uses TLS."),
        row(Front, "TLS_KEY_FILE", Kind::Path, "", None, "Key of the first certificate in TLS_CERT_FILE, in PEM, without a passphrase; not readable by every user."),
        row(Front, "TLS_HSTS_MAX_AGE", number(0, 63_072_000), "86400", SECONDS, "With TLS: how long browsers use HTTPS only after a visit, for every port of this host name (Strict-Transport-Security). Raise it to 31536000 once that is sure to stay; 0 = browsers are not told."),
        row(Front, "TRUSTED_PROXIES", Kind::List(Item::Network), "", None, "Proxies whose word on the address of a client is believed; list only addresses from which nobody but these proxies can connect. Empty = none: the address of the connection counts."),
        row(Front, "TRUSTED_PROXY_HEADER", Kind::Word(&["x-forwarded-for", "forwarded"]), "x-forwarded-for", None, "The header in which these proxies name the client; the other one is ignored."),

        row(Logging, "LOG_FORMAT", Kind::Word(&["text", "json"]), "text", None, "Format of log lines on standard error."),
        computed(Logging, "LOG_LEVEL", Kind::Word(&["error", "warn", "info", "debug", "trace"]), "info, or debug when DEBUG is true", None, "Lowest level that is logged."),
        row(Logging, "AUDIT_LOG", Kind::AuditLog, "off", None, "Where the audit log goes: one JSON line per execution with caller, digest of the program and outcome, and one per change of an API key. A file is made with mode 0600 and followed by its name, so logrotate may move it. While it cannot be written, executions go on, and /health says degraded."),
        row(Logging, "LOG_PROGRAMS", Kind::Flag, "false", None, "Adds each program's text and output, at most 16 KiB of each, to the audit log. Sensitive: they are your clients' data."),

        row(Observability, "METRICS_ENABLED", Kind::Flag, "true", None, "Serves metrics for Prometheus at /metrics."),
        row(Observability, "METRICS_PORT", Kind::OptionalNumber { min: 0, max: 65_535 }, "", None, "TCP port that serves /metrics alone; 0 = any free port; empty = /metrics on PORT."),
        row(Observability, "METRICS_HOST", Kind::Text, "127.0.0.1", None, "Address of METRICS_PORT. Any address except loopback shows the metrics to the network, without a key and without TLS, even if PORT has TLS."),

        row(Traces, "OTEL_EXPORTER_OTLP_ENDPOINT", Kind::Url, "", None, "Address of the collector of traces, to which /v1/traces is added, such as http://127.0.0.1:4318; empty = no traces, unless OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set."),
        row(Traces, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Kind::Url, "", None, "The collector's whole address, to which nothing is added; it takes precedence."),
        row(Traces, "OTEL_EXPORTER_OTLP_PROTOCOL", Kind::Word(&["http/protobuf"]), "http/protobuf", None, "Protocol to the collector. It usually listens for it on port 4318; 4317 is for gRPC, which is not supported."),
        row(Traces, "OTEL_EXPORTER_OTLP_HEADERS", Kind::SecretPairs, "", None, "Headers for the collector, such as authorization=Bearer%20TOKEN; never printed."),
        row(Traces, "OTEL_EXPORTER_OTLP_TIMEOUT", number(100, 60_000), "10000", Some("milliseconds"), "Longest time for one batch of spans, with all attempts; then its spans are given up, and counted."),
        row(Traces, "OTEL_EXPORTER_OTLP_CERTIFICATE", Kind::Path, "", None, "Certificates, in PEM, of the authorities that an https:// collector may have its certificate from; empty = the public ones. A file that others than root and the service's user can change is refused."),
        row(Traces, "OTEL_SERVICE_NAME", Kind::Text, "python-sandbox", None, "Name of this service in traces."),
        row(Traces, "OTEL_RESOURCE_ATTRIBUTES", Kind::Pairs, "", None, "Further attributes of this service in traces, such as deployment.environment.name=production."),
        row(Traces, "OTEL_TRACES_EXPORTER", Kind::Word(&["otlp", "none"]), "otlp", None, "none = no traces, whatever else is set."),
        row(Traces, "OTEL_TRACES_SAMPLER", Kind::Word(&["always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"]), "parentbased_always_on", None, "Which requests are recorded; with parentbased, a caller that sends traceparent decides for its own."),
        row(Traces, "OTEL_TRACES_SAMPLER_ARG", Kind::Fraction, "1", None, "Fraction of the traces that traceidratio records."),
        row(Traces, "OTEL_SDK_DISABLED", Kind::Flag, "false", None, "true = no traces, whatever else is set."),

        row(Executors, "EXECUTOR_PROVIDER", Kind::Provider, "native", None, "Executor that runs programs."),
        row(Executors, "EXECUTOR_FALLBACK_PROVIDERS", Kind::List(Item::Provider), "docker", None, "Executors to fail over to, in this order. Executors that this version does not support yet stay inactive."),
        row(Executors, "RUNTIME_ROOTFS", Kind::Path, "", None, "Your own root file system for programs; empty = the runtime prepared by `python-sandbox setup`."),
        row(Executors, "RUNTIME_PACKAGES", Kind::Word(&["auto", "minimal", "full"]), "auto", None, "Package list of the runtime that programs use and that `python-sandbox setup` prepares; auto = the list last requested from `setup`, otherwise `minimal`."),

        row(Native, "NATIVE_MEMORY", size(16 * MIB, 1024 * GIB), "128m", BYTES, "Memory of one sandbox, including files in /tmp; no swap beyond it."),
        row(Native, "NATIVE_CPU_QUOTA", number(1000, 100_000_000), "100000", Some("microseconds of CPU time per 100000 microseconds"), "CPU of one sandbox: 100000 is one core."),
        row(Native, "NATIVE_PIDS_LIMIT", number(2, 32_768), "50", Some("processes and threads"), "Concurrent processes and threads in one sandbox."),
        row(Native, "NATIVE_TMP_SIZE", size(MIB, 1024 * GIB), "64m", BYTES, "Size of /tmp in one sandbox. It is a tmpfs and also counts against NATIVE_MEMORY."),
        row(Native, "NATIVE_TMP_INODES", number(64, 10_000_000), "8192", Some("files and directories"), "Number of files and directories in /tmp of one sandbox."),
        row(Native, "NATIVE_RUNTIME_MEMORY", size(0, 1024 * GIB), "600m", BYTES, "Largest Python runtime that is kept in memory, one copy for all sandboxes, so that programs share nothing with the host's disk. A larger runtime stays on disk, as does any runtime when memory is short; 0 = always on disk."),
        row(Native, "NATIVE_DISK_READ_MAX", Kind::OptionalSize { min: MIB, max: 1024 * GIB }, "100m", Some("bytes per second"), "Bytes per second that all sandboxes together may read from the disk of a runtime that is not in memory, with one read per second allowed for each 64 KiB of that. Needs the cgroup controller blkio (v1) or io (v2) and a file system on a block device; otherwise there is no limit, and /health reports it."),
        row(Native, "NATIVE_MEMORY_TOTAL", Kind::OptionalSize { min: 64 * MIB, max: 1024 * GIB }, "", BYTES, "Memory of all sandboxes together, including the launcher and its templates; empty = 85 % of the machine's memory, or of a lower limit of a parent cgroup; 0 = no limit."),
        row(Native, "NATIVE_PIDS_TOTAL", Kind::OptionalNumber { min: 64, max: 4_194_304 }, "", Some("processes and threads"), "Processes and threads of all sandboxes together, including the launcher and its templates (which may have 1024 of them); empty = half of the machine's maximum, or of a lower limit of a parent cgroup; 0 = no limit."),
        row(Native, "NATIVE_CGROUP_PARENT", Kind::Group, "", None, "Parent of the sandboxes' cgroups, as a path from the root of each hierarchy, such as /python-sandbox; empty = the service's own cgroup."),
        row(Native, "NATIVE_CGROUP_REMOUNT", Kind::Flag, "false", None, "In a container: makes the container's own cgroups writable, which engines mount read-only. Needs CAP_SYS_ADMIN."),
        row(Native, "NATIVE_TEMPLATES", Kind::List(Item::Template), NATIVE_TEMPLATES, None, "Idle interpreters with packages imported, forked for programs that import those packages, as NAME=MODULE+MODULE; modules that the runtime lacks are left out. A template without packages always exists. runtime/README.md lists the costs."),
        row(Native, "NATIVE_FRESH_INTERPRETER", Kind::Flag, "false", None, "Starts a new interpreter for every program instead of forking a template: programs then share neither address layout nor hash seed, but import their packages each time."),
        computed(Native, "NATIVE_POOL_SIZE", number(0, 1000), "4 x cores, at least 8", Some("sandboxes"), "Maximum number of idle sandboxes for each template; a quarter is always kept ready, more on demand. 0 = none."),

        computed(Load, "MAX_CONCURRENT", number(1, 10_000), "2 x cores, at least 2", Some("programs"), "Concurrency limit: programs that run at the same time."),
        computed(Load, "MAX_WAITING", number(0, 1_000_000), "16 x MAX_CONCURRENT", Some("requests"), "Maximum queue length; further requests get 503 with Retry-After."),
        row(Load, "QUEUE_TIMEOUT", number(1, 3600), "30", SECONDS, "Longest time in the queue before 503."),
        row(Load, "FAIR_RESERVE", number(0, 90), "50", Some("percent of MAX_CONCURRENT"), "Part of MAX_CONCURRENT that one caller leaves free while others are active, so that a flood of one delays nobody else; a caller alone may use all of it."),
        row(Load, "MAX_TIMEOUT", number(1, 3600), "30", SECONDS, "Longest wall-clock time that a request may set for its program."),
        computed(Load, "MAX_BODY_SIZE", size(1024, 4 * GIB), "enough for MAX_CODE_LENGTH, standard input, environment and MAX_TOTAL_SIZE of files in JSON", BYTES, "Largest request body; a larger one gets 413."),

        row(Access, "REQUIRE_API_KEY", Kind::OptionalFlag, "", None, "Whether callers need an API key; empty = once the first was created, and from then on; true = always, and the start fails without a key; false = never."),
        computed(Access, "KEY_STORE", Kind::Word(&["embedded", "redis", "file"]), "file if KEY_FILE is set, else redis if REDIS_URL is set, else embedded", None, "Where API keys are kept: embedded = in DATA_DIR, redis = in REDIS_URL, for several services; both managed by `python-sandbox keys`; file = in KEY_FILE. Set REQUIRE_API_KEY=true with redis: a new service cannot know that a Redis without keys has lost them."),
        row(Access, "KEY_FILE", Kind::Path, "", None, "TOML file with API keys, for deployments whose files do not change; `python-sandbox keys create` prints its entries."),
        row(Access, "KEY_STALE_MAX", number(1, 3600), "1", SECONDS, "How long known API keys are accepted while their store cannot be read; a revocation may take as long then."),
        row(Access, "REDIS_URL", Kind::RedisUrl, "", None, "Redis, version 6.0 or newer, or Valkey, that several services share; it may contain a password and is never printed. Special characters in the password are written as %XX."),
        row(Access, "REDIS_CA_FILE", Kind::Path, "", None, "Certificates, in PEM, of the authorities that a rediss:// server may have its certificate from; empty = the public ones. A file that others than root and the service's user can change is refused."),
        row(Access, "REDIS_PREFIX", Kind::Prefix, "python-sandbox", None, "What the names of all keys in Redis begin with, in braces; services with another prefix share nothing with this one."),
        row(Access, "REDIS_TIMEOUT", number(10, 5000), "250", Some("milliseconds"), "Longest wait for Redis in one request; API keys are asked for with at most 400 ms."),

        row(Limits, "RATE_LIMIT", number(0, 600_000), "0", Some("requests per minute"), "Requests of one caller to run programs; more get 429 with Retry-After. 0 = no limit. A key may have limits of its own (`python-sandbox keys create --rate`), which take precedence."),
        row(Limits, "RATE_BURST", Kind::OptionalNumber { min: 1, max: 1_000_000 }, "", Some("requests"), "Requests that a caller may send at once, before RATE_LIMIT holds it back; empty or 0 = RATE_LIMIT."),
        row(Limits, "MAX_CONCURRENT_PER_CALLER", number(0, 10_000), "0", Some("requests"), "Requests of one caller that run or wait at the same time in one service; more get 429. 0 = no limit."),
        row(Limits, "QUOTA_CPU_SECONDS", number(0, 1_000_000_000), "0", Some("seconds of CPU time per QUOTA_PERIOD"), "CPU time of one caller's programs. Charged when a program has ended, so the last one may exceed it; that is a debt. 0 = no limit."),
        row(Limits, "QUOTA_STORED_BYTES", size(0, 1024 * 1024 * GIB), "0", Some("bytes per QUOTA_PERIOD"), "Output files of one caller's programs, charged like CPU time; removing them gives nothing back. 0 = no limit."),
        row(Limits, "QUOTA_PERIOD", number(1, 31 * 24 * 3600), "86400", SECONDS, "Time after which a quota that was used is free again; it comes back evenly, not at the end of the period."),
        row(Limits, "LIMITS_WITHOUT_REDIS", Kind::Word(&["local", "refuse"]), "local", None, "What happens to rates and quotas while REDIS_URL is set and Redis does not answer: local = each service counts alone; refuse = requests that have one get 503."),

        row(Validator, "MAX_CODE_LENGTH", number(1, 10_000_000), "50000", Some("characters"), "Maximum length of a program."),
        row(Validator, "MAX_COMPLEXITY", number(0, 1_000_000), "500", Some("decision points"), "Maximum number of decision points in a program; 0 = no limit."),
        row(Validator, "FORBIDDEN_IMPORTS", Kind::List(Item::Module), "os,subprocess,socket,sys,importlib,ctypes,multiprocessing,threading,builtins", None, "Modules that a program may not import; empty = none. No guarantee depends on it."),

        row(Output, "MAX_OUTPUT_SIZE", size(0, 64 * MIB), "10240", BYTES, "Bytes kept of stdout and of stderr, half from the beginning and half from the end; the rest is dropped and marked."),
        row(Output, "MAX_OUTPUT_TOTAL_SIZE", size(0, 1024 * GIB), "0", BYTES, "A program that writes more than this in total is killed (output_limit); 0 = no limit."),
        row(Output, "MAX_FILE_SIZE", size(0, 4 * GIB), "10485760", BYTES, "Largest output or input file."),
        row(Output, "MAX_TOTAL_SIZE", size(0, 4 * GIB), "52428800", BYTES, "Maximum total size of one program's output files, and of its input files."),
        row(Output, "MAX_FILE_COUNT", number(0, 10_000), "10", Some("files"), "Maximum number of one program's output files, and of its input files."),

        row(Storage, "STORAGE_ENABLED", Kind::Flag, "true", None, "Stores output files and returns links; false = lists them as skipped."),
        row(Storage, "STORAGE_PROVIDER", Kind::Word(STORES), "local", None, "Where output files are stored: on this host's disk, in Amazon S3 or a service with its API, in Cloudflare R2, or nowhere. Files that the object store does not take now are kept in DATA_DIR and moved later."),
        row(Storage, "STORAGE_LINK_LIFETIME", number(1, 604_800), "18000", SECONDS, "Lifetime of a download link. A file on this host's disk is removed afterwards."),
        row(Storage, "STORAGE_CLEANUP_DAYS", number(1, 3650), "7", Some("days"), "Maximum age of a stored file, whatever the lifetime of its link; in an object store, the age at which it is removed."),
        row(Storage, "STORAGE_MAX_SIZE", size(MIB, 1024 * 1024 * GIB), "10g", BYTES, "Maximum total size of all files stored on this host's disk, each counted in blocks of 4096 bytes. A file that does not fit is listed in skipped_files (storage_full)."),
        row(Storage, "STORAGE_MIN_FREE", number(0, 90), "5", Some("percent of the disk"), "Share of the disk, in bytes and inodes, that stored files leave free, at most 4g and 65536 inodes; 0 = none."),
        row(Storage, "STORAGE_S3_BUCKET", Kind::Name, "", None, "S3 bucket; it must exist."),
        row(Storage, "STORAGE_S3_REGION", Kind::Name, "us-east-1", None, "Region of the S3 bucket."),
        row(Storage, "STORAGE_S3_ENDPOINT", Kind::Url, "", None, "Address of a service with the API of S3, without the bucket; empty = Amazon's in the region."),
        row(Storage, "STORAGE_S3_PUBLIC_ENDPOINT", Kind::Url, "", None, "The same as clients reach it, for links; empty = STORAGE_S3_ENDPOINT."),
        row(Storage, "STORAGE_S3_PATH_STYLE", Kind::Flag, "false", None, "Writes the bucket into the path of addresses instead of the host name, as many services other than Amazon's need."),
        row(Storage, "STORAGE_S3_ACCESS_KEY", Kind::Secret, "", None, "Access key of the S3 bucket."),
        row(Storage, "STORAGE_S3_SECRET_KEY", Kind::Secret, "", None, "Secret key of the S3 bucket."),
        row(Storage, "STORAGE_S3_SESSION_TOKEN", Kind::Secret, "", None, "Session token, if the keys are temporary: links are then the service's own and redirect to the bucket."),
        row(Storage, "STORAGE_S3_CREDENTIALS_FILE", Kind::Path, "", None, "File with the keys instead, in the format of the AWS command line, section [default]; it is read again when it changes, so temporary keys can be renewed there."),
        row(Storage, "STORAGE_S3_PREFIX", Kind::KeyPrefix, "", None, "Prefix of the keys in the S3 bucket; nothing else in it is touched. Give the service one of its own in a bucket that others use: old objects below it whose names are 64 hexadecimal digits are removed. Services that share one need the same STORAGE_CLEANUP_DAYS."),
        row(Storage, "STORAGE_S3_CA_FILE", Kind::Path, "", None, "Certificates, in PEM, of the authorities that the S3 service may have its certificate from; empty = the public ones. A file that others than root and the service's user can change is refused."),
        row(Storage, "STORAGE_R2_BUCKET", Kind::Name, "", None, "R2 bucket; it must exist."),
        row(Storage, "STORAGE_R2_ACCOUNT_ID", Kind::Name, "", None, "Account of the R2 bucket, followed by `.eu` or `.fedramp` for a bucket in that jurisdiction."),
        row(Storage, "STORAGE_R2_ENDPOINT", Kind::Url, "", None, "Address of R2, without the bucket; empty = that of the account."),
        row(Storage, "STORAGE_R2_ACCESS_KEY", Kind::Secret, "", None, "Access key of the R2 bucket."),
        row(Storage, "STORAGE_R2_SECRET_KEY", Kind::Secret, "", None, "Secret key of the R2 bucket."),
        row(Storage, "STORAGE_R2_SESSION_TOKEN", Kind::Secret, "", None, "Session token, if the keys are temporary: links are then the service's own and redirect to the bucket."),
        row(Storage, "STORAGE_R2_CREDENTIALS_FILE", Kind::Path, "", None, "File with the keys instead, in the format of the AWS command line, section [default]; it is read again when it changes, so temporary keys can be renewed there."),
        row(Storage, "STORAGE_R2_PREFIX", Kind::KeyPrefix, "", None, "Prefix of the keys in the R2 bucket; nothing else in it is touched. Give the service one of its own in a bucket that others use: old objects below it whose names are 64 hexadecimal digits are removed. Services that share one need the same STORAGE_CLEANUP_DAYS."),
        row(Storage, "STORAGE_R2_PUBLIC_URL", Kind::Url, "", None, "Public address of the R2 bucket, if it has one. Links below it never expire, so they are given out only with STORAGE_R2_PUBLIC_LINKS; without, links are the service's own."),
        row(Storage, "STORAGE_R2_PUBLIC_LINKS", Kind::Flag, "false", None, "Gives out links below STORAGE_R2_PUBLIC_URL: anyone who has one can download the file until it is removed."),

        row(Docker, "DOCKER_HOST", Kind::OptionalText, "", None, "Address of the engine, such as unix:///var/run/docker.sock or tcp://host:2376; empty = the system's socket, or the user's own if only that exists."),
        row(Docker, "DOCKER_TLS_VERIFY", Kind::Flag, "false", None, "Uses TLS with an engine at tcp://, and accepts only a certificate signed by the CA in DOCKER_CERT_PATH."),
        row(Docker, "DOCKER_CERT_PATH", Kind::Path, "", None, "Directory with ca.pem, cert.pem and key.pem for DOCKER_TLS_VERIFY, as for the docker command line."),
        row(Docker, "DOCKER_IMAGE", Kind::Text, "python-sandbox:latest", None, "Image that programs run in, built by `python-sandbox image build`."),
        row(Docker, "DOCKER_TIMEOUT", number(1, 3600), "30", SECONDS, "Longest wait for a response from the Docker engine."),
        row(Docker, "DOCKER_MEMORY", size(16 * MIB, 1024 * GIB), "128m", BYTES, "Memory of one container."),
        row(Docker, "DOCKER_MEMORY_SWAP", size(16 * MIB, 1024 * GIB), "128m", BYTES, "Memory and swap of one container together; equal to DOCKER_MEMORY = no swap."),
        row(Docker, "DOCKER_CPU_QUOTA", number(1000, 100_000_000), "50000", Some("microseconds of CPU time per period"), "CPU of one container."),
        row(Docker, "DOCKER_CPU_PERIOD", number(1000, 1_000_000), "100000", Some("microseconds"), "Period of DOCKER_CPU_QUOTA."),
        row(Docker, "DOCKER_PIDS_LIMIT", number(2, 32_768), "50", Some("processes and threads"), "Concurrent processes and threads in one container."),
        row(Docker, "DOCKER_TMP_SIZE", size(MIB, 1024 * GIB), "64m", BYTES, "Size of /tmp in one container. It is a tmpfs and also counts against DOCKER_MEMORY."),
        row(Docker, "DOCKER_TMP_INODES", number(64, 10_000_000), "8192", Some("files and directories"), "Number of files and directories in /tmp of one container."),
        row(Docker, "DOCKER_TEMPLATES", Kind::List(Item::Template), "data=numpy+pandas+openpyxl+xlsxwriter", None, "Idle containers with packages imported, for programs that import those packages, as NAME=MODULE+MODULE. Imported modules count against DOCKER_MEMORY. Containers without packages are always kept too."),
        computed(Docker, "DOCKER_POOL_SIZE", number(0, 1000), "2 x cores, at least 4", Some("containers"), "Maximum number of idle containers for each template. For the first executor a quarter is always kept ready; for a fallback, containers are created on demand. 0 = none."),

        row(Runtimes, "GVISOR_RUNTIME", Kind::Text, "runsc", None, "Name of gVisor's runtime in the Docker engine."),
        row(Runtimes, "KATA_RUNTIME", Kind::Text, "kata-runtime", None, "Name of Kata's runtime in the Docker engine."),

        row(Firecracker, "FIRECRACKER_KERNEL_PATH", Kind::Path, "/var/firecracker/vmlinux", None, "Guest kernel."),
        row(Firecracker, "FIRECRACKER_ROOTFS_PATH", Kind::Path, "/var/firecracker/rootfs.ext4", None, "Guest root file system."),
        row(Firecracker, "FIRECRACKER_SOCKET_PATH", Kind::Path, "/tmp/firecracker", None, "Directory for the sockets."),
        row(Firecracker, "FIRECRACKER_MEMORY_MB", number(64, 1_048_576), "128", Some("MiB"), "Memory of one microVM."),
        row(Firecracker, "FIRECRACKER_VCPU_COUNT", number(1, 32), "1", Some("CPUs"), "CPUs of one microVM."),
    ]
};

/// The entry of this name.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    SETTINGS.iter().find(|entry| entry.name == name)
}

/// The setting whose name is closest to this misspelt one; `None` if none is close.
pub(crate) fn similar(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    SETTINGS
        .iter()
        .map(|entry| (strsim::damerau_levenshtein(&upper, entry.name), entry.name))
        .filter(|(distance, known)| *distance <= 3.min(known.len() / 3))
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_upper_case_and_fixed_defaults_parse() {
        let mut seen = std::collections::BTreeSet::new();
        for entry in SETTINGS {
            assert!(seen.insert(entry.name), "{} twice", entry.name);
            assert!(entry.name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'));
            assert!(entry.doc.ends_with('.'), "{}", entry.name);
            if let Preset::Fixed(text) = entry.default {
                entry.kind.parse(text).unwrap_or_else(|why| panic!("{}: default {why}", entry.name));
            }
        }
    }

    #[test]
    fn the_contracts_defaults_are_ours() {
        for (name, default) in [
            ("APP_NAME", "Python Sandbox"),
            ("HOST", "127.0.0.1"),
            ("PORT", "8000"),
            ("EXECUTOR_PROVIDER", "native"),
            ("EXECUTOR_FALLBACK_PROVIDERS", "docker"),
            ("NATIVE_MEMORY", "128m"),
            ("NATIVE_CPU_QUOTA", "100000"),
            ("NATIVE_PIDS_LIMIT", "50"),
            ("DOCKER_CPU_QUOTA", "50000"),
            ("MAX_CODE_LENGTH", "50000"),
            ("MAX_COMPLEXITY", "500"),
            ("MAX_OUTPUT_SIZE", "10240"),
            ("MAX_FILE_SIZE", "10485760"),
            ("MAX_TOTAL_SIZE", "52428800"),
            ("MAX_FILE_COUNT", "10"),
            ("STORAGE_CLEANUP_DAYS", "7"),
        ] {
            assert_eq!(find(name).map(|entry| entry.default), Some(Preset::Fixed(default)), "{name}");
        }
    }

    #[test]
    fn a_misspelling_finds_its_name_and_a_stranger_none() {
        assert_eq!(similar("MAX_FILE_SIZ"), Some("MAX_FILE_SIZE"));
        assert_eq!(similar("EXECUTOR_PROVDIER"), Some("EXECUTOR_PROVIDER"));
        assert_eq!(similar("native_memroy"), Some("NATIVE_MEMORY"));
        assert_eq!(similar("STORAGE_EMULATOR"), None);
    }
}
