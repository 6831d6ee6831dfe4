//! Settings as a whole: every source, the precedence, each error, and that no secret is printed.

use super::*;
use std::ffi::OsString;

const SECRET: &str = "canary-4f1c9a";

struct Case {
    inputs: Inputs,
    host: Host,
    directory: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let inputs = Inputs { directory: directory.path().to_owned(), ..Inputs::default() };
        Self { inputs, host: Host { cores: 4, data_dir: Some("/data".into()) }, directory }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.inputs.environment.push((OsString::from(name), OsString::from(value)));
        self
    }

    fn set(mut self, text: &str) -> Self {
        self.inputs.command_line.push(("--set", text.to_owned()));
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.directory.path().join(name), text).expect("a file in a fresh directory");
        self
    }

    fn good(&self) -> (Settings, Resolved) {
        let resolved = resolve(&self.inputs, &self.host).unwrap_or_else(|problems| panic!("{problems}"));
        (Settings::from_resolved(&resolved), resolved)
    }

    fn problems(&self) -> String {
        let problems = resolve(&self.inputs, &self.host).expect_err("the settings are invalid");
        assert!(!format!("{problems:?}{problems}").contains(SECRET), "a secret was printed");
        problems.to_string()
    }

    /// Asserts that each text is in the message.
    fn fails_with(&self, texts: &[&str]) {
        let message = self.problems();
        for text in texts {
            assert!(message.contains(text), "{text:?} is not in: {message}");
        }
    }
}

#[test]
fn a_misspelt_setting_in_the_environment_is_not_ignored_in_silence() {
    for (name, meant) in [
        ("REQUIRE_API_KEYS", "REQUIRE_API_KEY"),
        ("REQUIRED_API_KEY", "REQUIRE_API_KEY"),
        ("REQUIRE_APIKEY", "REQUIRE_API_KEY"),
        ("KEYS_FILE", "KEY_FILE"),
        ("KEY_STOR", "KEY_STORE"),
        ("TLS_CERTFILE", "TLS_CERT_FILE"),
        ("TLS_KEYS_FILE", "TLS_KEY_FILE"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
        ("TRUSTED_PROXYS", "TRUSTED_PROXIES"),
        ("TRUSTEDPROXIES", "TRUSTED_PROXIES"),
    ] {
        let expected = format!("{name} (environment) is not a setting");
        Case::new().env(name, SECRET).fails_with(&[&expected, &format!("did you mean {meant}?")]);
    }
    // Names that other programs may have.
    for name in ["REDIS_URI", "LOGLEVEL", "METRIC_HOST"] {
        let (_, resolved) = Case::new().env(name, SECRET).good();
        let warnings = resolved.warnings.join(" ");
        assert!(warnings.contains(name) && !warnings.contains(SECRET), "{name}: {warnings}");
    }
    for name in
        ["HOSTS", "PORTS", "REQUIRE_ALL", "REDIS_HOST", "KEY", "KEYRING", "HOME", "PATH", "TERM", "DEBUGGER"]
    {
        let (_, resolved) = Case::new().env(name, "x").good();
        assert!(resolved.warnings.is_empty(), "{name}: {:?}", resolved.warnings);
    }
}

#[test]
fn defaults_are_the_contracts() {
    let (settings, _) = Case::new().good();
    assert_eq!((settings.host.as_str(), settings.port), ("127.0.0.1", 8000));
    assert_eq!(settings.native_limits.memory_bytes, 128 << 20);
    assert_eq!(settings.native_limits.pids_max, 50);
    assert_eq!(settings.exec_limits_max.file_bytes_max, 10_485_760);
    assert_eq!(settings.exec_limits_max.wall_time, Duration::from_secs(30));
    assert_eq!(settings.validator.forbidden_imports.len(), 9);
    assert_eq!(settings.load.concurrent_max, 8);
    assert_eq!(settings.load.waiting_max, 128);
    assert_eq!(settings.fallback_providers, ["docker"]);
    assert_eq!(settings.active_providers(), ["native", "docker"]);
    assert_eq!(settings.log.level, tracing::Level::INFO);
    assert_eq!(settings.data_dir, PathBuf::from("/data"));
}

#[test]
fn metrics_are_beside_the_api_on_a_port_of_their_own_or_nowhere() {
    let metrics = |case: Case| case.good().0.metrics;
    let alone = |host: &str, port| MetricsSettings::Alone { host: host.to_owned(), port };
    assert_eq!(metrics(Case::new()), MetricsSettings::WithApi);
    assert_eq!(metrics(Case::new().set("METRICS_PORT=9102")), alone("127.0.0.1", 9102));
    assert_eq!(metrics(Case::new().set("METRICS_PORT=0").set("METRICS_HOST=::")), alone("::", 0));
    assert_eq!(metrics(Case::new().set("METRICS_PORT=9102").set("METRICS_ENABLED=no")), MetricsSettings::Off);
    Case::new().set("METRICS_PORT=65536").fails_with(&["METRICS_PORT", "65535"]);
}

#[test]
fn proxies_are_networks_and_one_header() {
    let (settings, _) = Case::new().good();
    assert!(settings.proxies.trusted.is_empty() && !settings.proxies.write_forwarded);
    let case = Case::new().set("TRUSTED_PROXIES=10.0.0.0/8,fd00::1").set("TRUSTED_PROXY_HEADER=Forwarded");
    let (settings, _) = case.good();
    let networks: Vec<_> = settings.proxies.trusted.iter().map(ToString::to_string).collect();
    assert_eq!(
        (networks.join(","), settings.proxies.write_forwarded),
        ("10.0.0.0/8,fd00::1".to_owned(), true)
    );
    Case::new().set("TRUSTED_PROXIES=10.0.0.1/8").fails_with(&[
        "TRUSTED_PROXIES",
        "10.0.0.1/8",
        "behind the prefix",
    ]);
    Case::new()
        .set("TRUSTED_PROXY_HEADER=x-real-ip")
        .fails_with(&["TRUSTED_PROXY_HEADER", "x-forwarded-for"]);
}

#[test]
fn computed_defaults_follow_the_settings_they_depend_on() {
    let (settings, _) = Case::new().set("MAX_CONCURRENT=3").set("DEBUG=yes").set("MAX_TOTAL_SIZE=0").good();
    assert_eq!(settings.load.waiting_max, 48);
    assert_eq!(settings.log.level, tracing::Level::DEBUG);
    assert!(settings.load.body_bytes_max < 9 << 20);
    let (settings, _) = Case::new().good();
    assert!(settings.load.body_bytes_max > 70_000_000);
    let mut case = Case::new();
    case.host.cores = 1;
    assert_eq!(case.good().0.load.concurrent_max, 2);
}

#[test]
fn a_stronger_source_wins() {
    let mut case = Case::new()
        .file("python-sandbox.toml", "port = 1\nHOST = \"toml\"\napp_name = \"toml\"\nMAX_FILE_COUNT = 1\n");
    assert_eq!(case.good().0.port, 1);
    case = case.file(".env", "PORT=2\nHOST=dotenv\nAPP_NAME=dotenv\n");
    assert_eq!(case.good().0.port, 2);
    case = case.env("PORT", "3").env("HOST", "environment");
    assert_eq!(case.good().0.port, 3);
    case = case.set("PORT=4");
    let (settings, resolved) = case.good();
    assert_eq!(settings.port, 4);
    assert_eq!(settings.host, "environment");
    assert_eq!(settings.app_name, "dotenv");
    assert_eq!(settings.exec_limits_max.file_count_max, 1);
    let report = report(&resolved);
    for (name, origin) in [
        ("PORT", "command line, --set"),
        ("HOST", "environment"),
        ("APP_NAME", ".env:3"),
        ("MAX_FILE_COUNT", "python-sandbox.toml:4"),
        ("DEBUG", "default"),
    ] {
        let line =
            report.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or_default();
        assert!(line.ends_with(origin), "{line}");
    }
}

#[test]
fn a_later_line_of_env_wins_as_the_originals_documents_do_it() {
    let (settings, _) = Case::new().file(".env", "PORT=1\nPORT=2\n").good();
    assert_eq!(settings.port, 2);
}

#[test]
fn toml_takes_lists_numbers_and_flags() {
    let text =
        "forbidden_imports = [\"os\", \"sys\"]\nDEBUG = true\nmax_file_size = 0x10\nnative_memory = \"1g\"\n";
    let (settings, _) = Case::new().file("python-sandbox.toml", text).good();
    assert_eq!(settings.validator.forbidden_imports, ["os", "sys"]);
    assert_eq!(settings.log.level, tracing::Level::DEBUG);
    assert_eq!(settings.exec_limits_max.file_bytes_max, 16);
    assert_eq!(settings.native_limits.memory_bytes, 1 << 30);
}

#[test]
fn a_named_file_replaces_the_default_one_and_must_exist() {
    let mut case = Case::new().file("python-sandbox.toml", "PORT = 1").file("other.toml", "PORT = 2");
    case.inputs.config = FileChoice::Named("other.toml".into());
    assert_eq!(case.good().0.port, 2);
    case.inputs.config = FileChoice::Named("missing.toml".into());
    case.fails_with(&["failed to read", "missing.toml"]);
}

fn choose(case: &mut Case, file: &str, choice: FileChoice) {
    *(if file == ".env" { &mut case.inputs.env_file } else { &mut case.inputs.config }) = choice;
}

#[test]
fn files_of_the_working_directory_that_others_can_change_stop_the_start_unless_named() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    };
    for (name, text, named, without) in [
        (".env", "PORT=7\n", "`--env-file .env`", "--no-env-file"),
        ("python-sandbox.toml", "port = 7\n", "`--config python-sandbox.toml`", "--no-config"),
    ] {
        let mut case = Case::new().file(name, text);
        assert_eq!(case.good().0.port, 7);
        let file = case.directory.path().join(name);
        // The file itself, then the directory, in which it could be replaced.
        for at in [file.clone(), case.directory.path().to_owned()] {
            let before = std::fs::metadata(&at).expect("there").permissions();
            mode(&at, 0o777);
            let at_shown = at.display().to_string();
            case.fails_with(&[name, "everybody may write to", &at_shown, named, without]);
            choose(&mut case, name, FileChoice::Named(name.into()));
            let (settings, resolved) = case.good();
            assert_eq!((settings.port, resolved.warnings.len()), (7, 1), "{:?}", resolved.warnings);
            assert!(resolved.warnings[0].contains(&at_shown), "{:?}", resolved.warnings);
            choose(&mut case, name, FileChoice::None);
            let (settings, resolved) = case.good();
            assert_eq!((settings.port, resolved.warnings.len()), (8000, 0));
            choose(&mut case, name, FileChoice::Default);
            std::fs::set_permissions(&at, before).expect("ours");
            assert_eq!(case.good().0.port, 7);
        }
    }
    // A directory without such files may belong to any user.
    let case = Case::new();
    mode(case.directory.path(), 0o777);
    case.good();
}

#[test]
fn empty_lists_are_none_and_empty_numbers_are_wrong() {
    let (settings, _) =
        Case::new().env("FORBIDDEN_IMPORTS", "").env("EXECUTOR_FALLBACK_PROVIDERS", "").good();
    assert!(settings.validator.forbidden_imports.is_empty());
    assert!(settings.fallback_providers.is_empty());
    Case::new().env("PORT", "").fails_with(&["PORT", "environment", "is empty", "0 to 65535"]);
}

#[test]
fn every_problem_is_reported_with_name_value_place_and_what_is_allowed() {
    let case = Case::new()
        .env("PORT", "70000")
        .env("NATIVE_MEMORY", "12mb")
        .file(".env", "# x\nMAX_TIMEOUT=soon\nno equals sign\n")
        .file("python-sandbox.toml", "debug = 1.5\n\nlog_format = \"xml\"\n")
        .set("MAX_FILE_COUNT=-1")
        .set("novalue");
    case.fails_with(&[
        "in 8 places",
        "PORT = `70000` (environment) is too large; allowed: a whole number, 0 to 65535",
        "NATIVE_MEMORY = `12mb` (environment) is not a size; allowed: bytes, 16m to 1024g",
        "MAX_TIMEOUT = `soon` (.env:2) is not a whole number; allowed: a whole number of seconds, 1 to 3600",
        ".env:3 has no `=`",
        "python-sandbox.toml:1 DEBUG is neither text",
        "LOG_FORMAT = `xml` (python-sandbox.toml:3) is not a known word; allowed: text, json",
        "MAX_FILE_COUNT = `-1` (command line, --set) is not a whole number",
    ]);
}

#[test]
fn a_message_about_an_unknown_name_is_one_short_line() {
    for value in ["1.5", "1"] {
        let case =
            Case::new().file("python-sandbox.toml", &format!("\"a\\u0001{}\" = {value}\n", "b".repeat(5000)));
        let message = case.problems();
        assert!(message.len() < 300 && !message.contains(char::is_control), "{message:?}");
    }
}

#[test]
fn broken_toml_names_the_line_and_quotes_nothing() {
    let text = format!("PORT = 1\nSTORAGE_R2_SECRET_KEY = {SECRET}\n");
    Case::new().file("python-sandbox.toml", &text).fails_with(&["python-sandbox.toml:2 is not TOML"]);
    Case::new()
        .file("python-sandbox.toml", "PORT = 1\nport = 2\n")
        .fails_with(&["python-sandbox.toml:", "is already set"]);
    Case::new()
        .file("python-sandbox.toml", "[server]\nport = 2\n")
        .fails_with(&["python-sandbox.toml:1 SERVER"]);
}

#[test]
fn tls_needs_both_files() {
    let (settings, _) = Case::new().good();
    assert_eq!(settings.tls, None);
    let case = Case::new().set("TLS_CERT_FILE=/c.pem").set("TLS_KEY_FILE=/k.pem");
    let (settings, _) = case.good();
    let tls = settings.tls.expect("TLS");
    assert_eq!((tls.certificate, tls.key), ("/c.pem".into(), "/k.pem".into()));
    assert_eq!(tls.strict_max_age.as_secs(), 86_400);
    Case::new().set("TLS_CERT_FILE=/c.pem").fails_with(&["TLS_CERT_FILE is set, but TLS_KEY_FILE is not"]);
    Case::new().set("TLS_KEY_FILE=/k.pem").fails_with(&["TLS_KEY_FILE is set, but TLS_CERT_FILE is not"]);
}

#[test]
fn misspelt_names_get_a_suggestion_and_foreign_ones_are_left_alone() {
    Case::new()
        .env("MAX_FILE_SIZ", "1")
        .fails_with(&["MAX_FILE_SIZ (environment)", "did you mean MAX_FILE_SIZE?"]);
    Case::new()
        .env("NATIVE_WHATEVER_ELSE", "1")
        .fails_with(&["is not a setting; `python-sandbox check-config`"]);
    Case::new().file(".env", "PROT=1\n").fails_with(&["PROT (.env:1)", "did you mean PORT?"]);
    Case::new()
        .file("python-sandbox.toml", "hots = \"a\"\n")
        .fails_with(&["HOTS (python-sandbox.toml:1)", "HOST"]);
    Case::new().set("FOO=1").fails_with(&["FOO (command line, --set) is not a setting"]);
    Case::new()
        .env("DOCKER_CLI_HINTS", "false")
        .env("DOCKER_BUILDKIT", "1")
        .env("PYTHON_SANDBOX_TEST_DATA", "/x")
        .env("SSL_CERT_FILE", "/etc/ssl/cert.pem")
        .env("SSL_KEY_FILE", "/x")
        .env("SSL_CERT_DIR", "/etc/ssl/certs")
        .env("PATH", "/bin")
        .env("DOCKER_DEFAULT_PLATFORM", "x")
        .good();
}

#[test]
fn executors_are_known_unknown_or_not_built_yet() {
    Case::new().env("EXECUTOR_PROVIDER", "firecracker").fails_with(&[
        "EXECUTOR_PROVIDER = `firecracker`",
        "does not support yet",
        "allowed: native, docker, gvisor, kata",
    ]);
    Case::new().env("EXECUTOR_PROVIDER", "podman").fails_with(&["native, docker, gvisor, kata, firecracker"]);
    Case::new().env("EXECUTOR_FALLBACK_PROVIDERS", "podman").fails_with(&["EXECUTOR_FALLBACK_PROVIDERS"]);
    let (settings, _) = Case::new().env("EXECUTOR_FALLBACK_PROVIDERS", "docker,native,firecracker").good();
    assert_eq!(settings.active_providers(), ["native", "docker"]);
}

#[test]
fn secrets_are_never_printed() {
    let case = Case::new()
        .env("STORAGE_R2_SECRET_KEY", SECRET)
        .file(".env", &format!("STORAGE_R2_ACCESS_KEY={SECRET}\n"));
    let (settings, resolved) = case.good();
    let text = format!("{settings:?} {resolved:?} {}", report(&resolved));
    assert!(!text.contains(SECRET));
    assert!(
        report(&resolved)
            .lines()
            .any(|line| line.starts_with("STORAGE_R2_SECRET_KEY") && line.contains("***"))
    );
    // An invalid value, a misspelt name, and a line that cannot be read.
    Case::new()
        .env("STORAGE_R2_SECRET_KEY", &format!("{SECRET}\u{1}"))
        .fails_with(&["STORAGE_R2_SECRET_KEY (environment)"]);
    Case::new().env("STORAGE_R2_SECRET_KEYS", SECRET).fails_with(&["did you mean STORAGE_R2_SECRET_KEY?"]);
    Case::new().file(".env", &format!("STORAGE_R2_SECRET_KEY='{SECRET}\n")).fails_with(&[".env:1"]);
    Case::new().file(".env", &format!("STORAGE_R2_SECRET_KEY {SECRET}\n")).fails_with(&[".env:1"]);
    Case::new().set(SECRET).fails_with(&["--set takes NAME=VALUE"]);
}

#[test]
fn settings_that_disagree_are_named() {
    Case::new().env("DOCKER_MEMORY_SWAP", "64m").fails_with(&["DOCKER_MEMORY_SWAP", "DOCKER_MEMORY"]);
    Case::new().env("DOCKER_TLS_VERIFY", "1").fails_with(&["DOCKER_CERT_PATH names no directory"]);
    let tls = Case::new().env("DOCKER_TLS_VERIFY", "1").env("DOCKER_CERT_PATH", "/certificates").good();
    assert_eq!(tls.0.docker.engine.certificates, Some("/certificates".into()));
    assert_eq!(Case::new().env("DOCKER_CERT_PATH", "/c").good().0.docker.engine.certificates, None);
    Case::new().env("STORAGE_PROVIDER", "r2").fails_with(&[
        "in 4 places",
        "STORAGE_R2_BUCKET names no bucket",
        "STORAGE_R2_ACCOUNT_ID is empty",
        "STORAGE_R2_ACCESS_KEY is empty",
        "STORAGE_R2_SECRET_KEY is empty",
    ]);
    Case::new().env("STORAGE_PROVIDER", "s3").fails_with(&["in 3 places", "STORAGE_S3_BUCKET"]);
    Case::new()
        .env("STORAGE_PROVIDER", "disk")
        .fails_with(&["STORAGE_PROVIDER = `disk`", "local, s3, r2, disabled"]);
    Case::new().env("STORAGE_PROVIDER", "r2").env("STORAGE_ENABLED", "false").good();
    Case::new()
        .set("STORAGE_LINK_LIFETIME=86401")
        .set("STORAGE_CLEANUP_DAYS=1")
        .fails_with(&["raise the days"]);
    assert!(!Case::new().env("STORAGE_PROVIDER", "disabled").good().0.storage.enabled);
    let mut case = Case::new();
    case.host.data_dir = None;
    case.fails_with(&["DATA_DIR has no default"]);
    Case::new().env("DATA_DIR", "").fails_with(&["DATA_DIR is empty"]);
    Case::new()
        .env("NATIVE_CGROUP_PARENT", "/a/../b")
        .fails_with(&["NATIVE_CGROUP_PARENT = `/a/../b`", "such as"]);
    let parent = Case::new().env("NATIVE_CGROUP_PARENT", "/a/b").good().0.native_cgroup_parent;
    assert_eq!(parent.as_deref(), Some("a/b"));
}

/// An object store with everything that it needs.
fn object_store(provider: &str) -> Case {
    let name = |name: &str| format!("STORAGE_{}_{name}", provider.to_uppercase());
    Case::new()
        .env("STORAGE_PROVIDER", provider)
        .env(&name("BUCKET"), "files")
        .env(&name("ACCESS_KEY"), SECRET)
        .env(&name("SECRET_KEY"), SECRET)
}

#[test]
fn an_object_store_has_its_address_from_its_settings() {
    let open = |case: Case| case.good().0.storage.object_store.expect("an object store");
    let s3 = open(object_store("s3").env("STORAGE_S3_PREFIX", "/sandbox"));
    assert_eq!(
        (s3.endpoint.as_str(), s3.region.as_str()),
        ("https://s3.us-east-1.amazonaws.com", "us-east-1")
    );
    assert_eq!((s3.link_endpoint, s3.path_style, s3.prefix.as_str()), (s3.endpoint, false, "sandbox/"));
    assert!(s3.public_url.is_none() && !s3.is_r2);
    assert!(matches!(s3.credentials, crate::StoreCredentials::Keys { session_token: None, .. }));
    let china = open(object_store("s3").env("STORAGE_S3_REGION", "cn-north-1"));
    assert_eq!(china.endpoint, "https://s3.cn-north-1.amazonaws.com.cn");
    let other = open(
        object_store("s3")
            .env("STORAGE_S3_ENDPOINT", "http://127.0.0.1:9000/")
            .env("STORAGE_S3_PUBLIC_ENDPOINT", "https://files.example.org")
            .env("STORAGE_S3_SESSION_TOKEN", SECRET),
    );
    assert_eq!(
        (other.endpoint.as_str(), other.link_endpoint.as_str()),
        ("http://127.0.0.1:9000", "https://files.example.org")
    );
    assert!(matches!(other.credentials, crate::StoreCredentials::Keys { session_token: Some(_), .. }));
    let r2 = open(object_store("r2").env("STORAGE_R2_ACCOUNT_ID", "0123.eu"));
    assert_eq!(
        (r2.endpoint.as_str(), r2.region.as_str()),
        ("https://0123.eu.r2.cloudflarestorage.com", "auto")
    );
    assert!(r2.is_r2 && r2.path_style);
    object_store("r2")
        .env("STORAGE_R2_ACCOUNT_ID", "0123")
        .env("STORAGE_R2_PUBLIC_LINKS", "true")
        .fails_with(&["STORAGE_R2_PUBLIC_URL is empty"]);
    object_store("s3")
        .env("STORAGE_S3_CREDENTIALS_FILE", "/keys")
        .env("STORAGE_S3_SESSION_TOKEN", SECRET)
        .fails_with(&["in 3 places", "leave one of them out"]);
    let file = Case::new()
        .env("STORAGE_PROVIDER", "s3")
        .env("STORAGE_S3_BUCKET", "files")
        .env("STORAGE_S3_CREDENTIALS_FILE", "/keys");
    assert!(matches!(open(file).credentials, crate::StoreCredentials::File(path) if path == *"/keys"));
    assert!(Case::new().good().0.storage.object_store.is_none());
}

#[test]
fn programs_are_logged_only_into_an_audit_log() {
    Case::new().env("LOG_PROGRAMS", "true").fails_with(&["LOG_PROGRAMS", "AUDIT_LOG is off"]);
    let (settings, _) = Case::new().env("LOG_PROGRAMS", "true").env("AUDIT_LOG", "stderr").good();
    assert_eq!(settings.audit, AuditSettings { target: AuditTarget::Stderr, programs: true });
    let (settings, _) = Case::new().env("AUDIT_LOG", "/var/log/a.log").good();
    let target = AuditTarget::File("/var/log/a.log".into());
    assert_eq!(settings.audit, AuditSettings { target, programs: false });
    Case::new().env("AUDIT_LOG", "a.log").fails_with(&["AUDIT_LOG", "`a.log`", "absolute path"]);
}

#[test]
fn traces_are_off_until_a_collector_is_named() {
    assert!(Case::new().good().0.traces.is_none());
    assert!(Case::new().env("OTEL_SERVICE_NAME", "x").good().0.traces.is_none());
    let case = || Case::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/");
    let of = |case: Case| case.good().0.traces.expect("traces");
    let traces = of(case());
    assert_eq!((traces.endpoint.as_str(), traces.is_parent_based), ("http://127.0.0.1:4318/v1/traces", true));
    assert_eq!((traces.ratio, traces.service_name.as_str()), (1.0, "python-sandbox"));
    let own = case().env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c.example/x");
    assert_eq!(of(own).endpoint, "https://c.example/x");
    for (sampler, is_parent_based, ratio) in [
        ("always_off", false, 0.0),
        ("traceidratio", false, 0.25),
        ("parentbased_traceidratio", true, 0.25),
        ("parentbased_always_off", true, 0.0),
    ] {
        let traces = of(case().env("OTEL_TRACES_SAMPLER", sampler).env("OTEL_TRACES_SAMPLER_ARG", "0.25"));
        assert_eq!((traces.is_parent_based, traces.ratio), (is_parent_based, ratio), "{sampler}");
    }
    assert!(case().env("OTEL_SDK_DISABLED", "true").good().0.traces.is_none());
    assert!(case().env("OTEL_TRACES_EXPORTER", "none").good().0.traces.is_none());
    let (settings, resolved) =
        case().env("OTEL_EXPORTER_OTLP_HEADERS", &format!("authorization={SECRET}")).good();
    assert!(!format!("{settings:?}{}", report(&resolved)).contains(SECRET));
    case()
        .env("OTEL_EXPORTER_OTLP_HEADERS", SECRET)
        .fails_with(&["OTEL_EXPORTER_OTLP_HEADERS", "name=value"]);
    // Of other signals and SDKs: none of ours.
    let foreign = case().env("OTEL_METRICS_EXPORTER", "none").env("OTEL_BSP_SCHEDULE_DELAY", "1").good();
    assert!(foreign.1.warnings.is_empty(), "{:?}", foreign.1.warnings);
}
