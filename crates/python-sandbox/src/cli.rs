//! The command line: commands, options and their help texts.

use cgroup::{Bound, DelegatedLimits};
use clap::{Args, Parser, Subcommand};
use settings::{FileChoice, Inputs, parse_size};
use std::ffi::OsString;
use std::path::PathBuf;

/// Run untrusted Python, over HTTP or from the command line.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 success; 1 the program failed (`run` passes its own code through), \
a check failed (`doctor`, `health`, `metrics`, `storage`), or `keys` found no such key; 2 internal error, \
invalid settings or invalid usage."
)]
pub(crate) struct Cli {
    /// The command; `serve` if omitted.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Override a setting; takes precedence over the environment and all files; may be repeated
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    set: Vec<String>,

    /// Read settings from this TOML file instead of python-sandbox.toml in the working directory, even if
    /// others can write to it
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "no_config")]
    config: Option<PathBuf>,

    /// Do not read a TOML file
    #[arg(long, global = true)]
    no_config: bool,

    /// Read settings from this file instead of .env in the working directory, even if others can write to it
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "no_env_file")]
    env_file: Option<PathBuf>,

    /// Read no .env
    #[arg(long, global = true)]
    no_env_file: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the HTTP API (the default)
    Serve(ServeArgs),
    /// Run one program without HTTP
    #[command(
        override_usage = "python-sandbox run [OPTIONS] <FILE>\n       python-sandbox run [OPTIONS] --code <CODE>"
    )]
    Run(RunArgs),
    /// Check this host: attack every protection from inside a real sandbox
    Doctor(DoctorArgs),
    /// Measure the cost of a sandbox, compared with bare forks and other kinds of isolation in the same run
    Bench(BenchArgs),
    /// Prepare the Python runtime that programs run in
    Setup(SetupArgs),
    /// Build the image that container executors run programs in
    #[command(subcommand)]
    Image(ImageCommand),
    /// Check that the service on this machine accepts work: exit code 0 yes, 1 no
    Health,
    /// Print the metrics of the service on this machine; PYTHON_SANDBOX_API_KEY has the API key if it requires one
    Metrics,
    /// Manage API keys: once the first is created, only callers with a key may run programs
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Check the store of output files, and see and move the files that wait for an object store
    #[command(subcommand)]
    Storage(StorageCommand),
    /// Replace the key of download links; earlier links work until they expire, running services need no
    /// restart
    RotateLinkKey(RotateLinkKeyArgs),
    /// Print every setting with its value and source
    CheckConfig(CheckConfigArgs),
}

impl Default for Command {
    fn default() -> Self {
        Self::Serve(ServeArgs::default())
    }
}

/// Arguments of `serve`.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// Listen on this address (HOST)
    #[arg(long)]
    host: Option<String>,

    /// Listen on this port; 0 for any free one (PORT)
    #[arg(long)]
    port: Option<String>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// File with the program; `-` for standard input
    #[arg(required_unless_present = "code", conflicts_with = "code", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// The program as text
    #[arg(short = 'c', long = "code", value_name = "CODE")]
    pub(crate) code: Option<String>,

    /// Limit the program's wall-clock time, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<i64>,

    /// Read the program's standard input from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) stdin: Option<PathBuf>,

    /// Save the program's output files in this directory; existing files are not replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Print the answer in the API's JSON format
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Take this many samples of each case; slow cases take fewer, throughput cases more
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = parse_samples)]
    samples: usize,

    /// Measure only this case and those that it is compared with; may be repeated
    #[arg(long, value_name = "CASE")]
    only: Vec<String>,

    /// Also write the report as JSON to this file; `-` prints it instead of the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Plot the cases to this SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Measure the service at this address instead of starting one
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,

    /// Also run this many sleeping programs at once in a separate service, until they time out
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    sleepers: u32,

    /// Also send this many ordinary and hostile programs to a separate service and check every answer
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    soak: u32,

    /// Also flood a separate service for this many seconds each with 10 and 40 times as many clients as it
    /// admits, which ignore Retry-After
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=600))]
    overload: u32,
}

/// Bounds of `bench --samples`: fewer samples are meaningless, more take days.
const SAMPLES: std::ops::RangeInclusive<usize> = 10..=100_000;

fn parse_samples(text: &str) -> Result<usize, String> {
    let (min, max) = (SAMPLES.start(), SAMPLES.end());
    let allowed = text.parse().ok().filter(|samples| SAMPLES.contains(samples));
    allowed.ok_or_else(|| format!("expected a whole number, {min} to {max}"))
}

/// Arguments of `setup`.
#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Build the runtime from this CPython (3.11 or newer, with venv)
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,

    /// Install this list of packages; by default the prepared one, or `minimal` if none is prepared
    /// (RUNTIME_PACKAGES)
    #[arg(long, value_name = "LIST", value_parser = clap::builder::PossibleValuesParser::new(runtime::PackageList::NAMES))]
    pub(crate) packages: Option<String>,

    /// Build the runtime again even if it exists; stop the service first
    #[arg(long)]
    pub(crate) force: bool,

    /// As root, on cgroup v1: give this user the cgroups that the native executor needs, and do nothing else
    #[arg(long, value_name = "USER", conflicts_with_all = ["python", "packages", "force"])]
    pub(crate) delegate_cgroups: Option<String>,

    /// With --delegate-cgroups: limit the memory of all that user's programs together, 16m to 1024g, or max
    /// for no limit
    #[arg(long, value_name = "SIZE", requires = "delegate_cgroups", value_parser = parse_memory_max)]
    memory_max: Option<Bound>,

    /// With --delegate-cgroups: limit processes and threads of all that user's programs together, 2 to
    /// 4194304, or max
    #[arg(long, value_name = "N", requires = "delegate_cgroups", value_parser = parse_pids_max)]
    pids_max: Option<Bound>,

    /// With --delegate-cgroups: limit the CPU time of all that user's programs together, in microseconds per
    /// 100000 microseconds (100000 is one core), 1000 to 100000000, or max
    #[arg(long, value_name = "MICROSECONDS", requires = "delegate_cgroups", value_parser = parse_cpu_quota)]
    cpu_quota: Option<Bound>,
}

impl BenchArgs {
    /// The options of `bench`.
    pub(crate) fn into_options(self) -> bench::Options {
        let Self { samples, only, json, plot, url, sleepers, soak, overload } = self;
        bench::Options { samples, only, json, plot, url, sleepers, soak, overload }
    }
}

impl SetupArgs {
    /// The limits on the delegated cgroups.
    pub(crate) fn delegated_limits(&self) -> DelegatedLimits {
        DelegatedLimits {
            memory_bytes: self.memory_max,
            pids_max: self.pids_max,
            cpu_quota_us: self.cpu_quota,
        }
    }
}

fn parse_memory_max(text: &str) -> Result<Bound, String> {
    bound(text, || parse_size(text, 16 << 20, 1024 << 30))
}

fn parse_pids_max(text: &str) -> Result<Bound, String> {
    bound(text, || whole_number(text, 2, 4 << 20))
}

fn parse_cpu_quota(text: &str) -> Result<Bound, String> {
    bound(text, || whole_number(text, 1000, 100_000_000))
}

/// `max` as in cgroup v2, or the result of `number`.
fn bound(text: &str, number: impl Fn() -> Result<u64, String>) -> Result<Bound, String> {
    if text == "max" { Ok(Bound::Max) } else { number().map(Bound::At) }
}

fn whole_number(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let allowed = text.parse().ok().filter(|number| (min..=max).contains(number));
    allowed.ok_or_else(|| format!("expected a whole number, {min} to {max}, or max"))
}

/// Commands of `image`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ImageCommand {
    /// Build DOCKER_IMAGE from the prepared runtime on the engine at DOCKER_HOST; needs no registry
    Build,
    /// Write the image's content, the runtime and the guest agent, as a tar archive to standard output, for a
    /// Dockerfile
    Export,
}

/// The commands of `storage`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum StorageCommand {
    /// Test whether files can be stored, and say what is wrong and which setting fixes it: exit code 0 if they can, 1 if
    /// not
    Check(StorageArgs),
    /// Show how many files wait in DATA_DIR for an object store, and for how long
    Status(StorageArgs),
    /// Move the files that wait to the object store now, even while services run: exit code 0 if nothing waits any more, 1 if
    /// something does
    Flush(StorageArgs),
}

/// Arguments of the commands of `storage`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct StorageArgs {
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The commands of `keys`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Create a key and print it; it is shown only now
    Create(CreateKeyArgs),
    /// List the keys
    List(ListKeysArgs),
    /// Replace the secret text of a key and print the new one; the earlier one works until the grace period is over
    Rotate(RotateKeyArgs),
    /// Revoke a key: within a second no service accepts it; programs that are already running are not ended
    Revoke(RevokeKeyArgs),
}

/// Arguments of `keys create`.
#[derive(Debug, Args)]
pub(crate) struct CreateKeyArgs {
    /// Name of the key, 1 to 64 characters, unique among the keys that are not revoked
    #[arg(long, value_name = "NAME")]
    pub(crate) name: access::KeyName,

    /// What it may be used for: execute, sessions, jobs, metrics, admin (all of these), separated by commas
    #[arg(long, value_name = "LIST", default_value = access::Scopes::DEFAULT)]
    pub(crate) scopes: access::Scopes,

    /// When it expires: after a number of days or hours (90d, 12h), or at a time (2027-01-01, 2027-01-01T12:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = parse_end)]
    pub(crate) expires: Option<jiff::Timestamp>,

    /// Executors that it may use, separated by commas; all without this option
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(settings::PROVIDERS_BUILT))]
    pub(crate) executors: Option<Vec<String>>,

    #[command(flatten)]
    pub(crate) limits: KeyLimitArgs,

    /// Print the key and its record as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Limits of one key in `keys create`: 0 for none; without the option the service's setting applies.
#[derive(Debug, Args)]
pub(crate) struct KeyLimitArgs {
    /// Requests per minute (default: RATE_LIMIT; 0 = no limit)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=i64::from(access::RATE_MAX)))]
    pub(crate) rate: Option<u32>,

    /// Requests at once (default: as many as in a minute if --rate is given, else RATE_BURST)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) burst: Option<u32>,

    /// Requests that run or wait at the same time (default: MAX_CONCURRENT_PER_CALLER; 0 = no limit)
    #[arg(long, value_name = "NUMBER")]
    pub(crate) concurrent: Option<u32>,

    /// CPU seconds of its programs per QUOTA_PERIOD (default: QUOTA_CPU_SECONDS; 0 = no limit)
    #[arg(long, value_name = "SECONDS")]
    pub(crate) cpu_seconds: Option<u64>,

    /// Bytes of output files per QUOTA_PERIOD, with an optional suffix k, m or g (default: QUOTA_STORED_BYTES; 0 = no limit)
    #[arg(long, value_name = "SIZE", value_parser = parse_stored)]
    pub(crate) stored_bytes: Option<u64>,
}

/// Arguments of `keys list`.
#[derive(Debug, Args)]
pub(crate) struct ListKeysArgs {
    /// Also list keys that are revoked or expired
    #[arg(long)]
    pub(crate) all: bool,

    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `keys rotate`.
#[derive(Debug, Args)]
pub(crate) struct RotateKeyArgs {
    /// Id or name of the key
    #[arg(value_name = "KEY")]
    pub(crate) key: String,

    /// How long the earlier text still works: days or hours (1d, 12h), or 0
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = parse_span)]
    pub(crate) grace: std::time::Duration,

    /// Print the key and its record as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `keys revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeKeyArgs {
    /// Id or name of the key
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
}

/// A number of days or hours, or 0.
fn parse_span(text: &str) -> Result<std::time::Duration, String> {
    /// Ten years: longer is a spelling error.
    const HOURS_MAX: u64 = 10 * 366 * 24;
    let number = |digits: &str| digits.parse::<u64>().ok().filter(|_| !digits.starts_with('+'));
    let hours = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((days, "d")) => number(days).and_then(|days| days.checked_mul(24)),
        Some((hours, "h")) => number(hours),
        _ if text == "0" => Some(0),
        _ => None,
    };
    let hours = hours.filter(|hours| *hours <= HOURS_MAX);
    hours
        .map(|hours| std::time::Duration::from_secs(hours * 3600))
        .ok_or_else(|| "expected a number of days or hours, such as 90d or 12h, at most 3660d".to_owned())
}

/// Bytes of output files.
fn parse_stored(text: &str) -> Result<u64, String> {
    settings::parse_size(text, 0, 1 << 50)
}

/// A time in the future: a span from now, a date (its first moment in UTC), or a timestamp.
fn parse_end(text: &str) -> Result<jiff::Timestamp, String> {
    let now = jiff::Timestamp::now();
    let end = match (parse_span(text), text.parse::<jiff::Timestamp>(), text.parse::<jiff::civil::Date>()) {
        (Ok(span), _, _) => now.checked_add(span).ok(),
        (_, Ok(end), _) => Some(end),
        (_, _, Ok(date)) => date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp()),
        _ => None,
    };
    let allowed = "expected a time in the future, such as 90d, 12h, 2027-01-01 or 2027-01-01T12:00:00Z";
    end.filter(|end| *end > now).ok_or_else(|| allowed.to_owned())
}

/// Arguments of `rotate-link-key`.
#[derive(Debug, Args)]
pub(crate) struct RotateLinkKeyArgs {
    /// Invalidate all earlier links at once: for a key that others may have read
    #[arg(long)]
    pub(crate) end_links: bool,
}

/// Arguments of `check-config`.
#[derive(Debug, Args)]
pub(crate) struct CheckConfigArgs {
    /// Print an example `.env` instead: every setting with its default and allowed values
    #[arg(long)]
    pub(crate) example: bool,
}

impl Cli {
    /// The flags that pass the same settings to another command of this program.
    pub(crate) fn settings_flags(&self) -> Vec<OsString> {
        let sets = self.set.iter().flat_map(|text| [OsString::from("--set"), text.into()]);
        let config = self.config.iter().flat_map(|path| [OsString::from("--config"), path.into()]);
        let env_file = self.env_file.iter().flat_map(|path| [OsString::from("--env-file"), path.into()]);
        let without = [("--no-config", self.no_config), ("--no-env-file", self.no_env_file)];
        let without = without.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| OsString::from(flag));
        sets.chain(config).chain(env_file).chain(without).collect()
    }

    /// The sources of the settings.
    pub(crate) fn inputs(&self) -> Inputs {
        let mut command_line: Vec<_> = self.set.iter().map(|text| ("--set", text.clone())).collect();
        if let Some(Command::Serve(args)) = &self.command {
            command_line.extend(args.host.iter().map(|host| ("--host", format!("HOST={host}"))));
            command_line.extend(args.port.iter().map(|port| ("--port", format!("PORT={port}"))));
        }
        Inputs {
            command_line,
            environment: std::env::vars_os().collect(),
            directory: PathBuf::new(),
            env_file: choice(self.env_file.as_ref(), self.no_env_file),
            config: choice(self.config.as_ref(), self.no_config),
        }
    }
}

fn choice(named: Option<&PathBuf>, none: bool) -> FileChoice {
    match named {
        Some(path) => FileChoice::Named(path.clone()),
        None if none => FileChoice::None,
        None => FileChoice::Default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["python-sandbox"].iter().chain(args))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_serve_and_flags_become_settings() {
        assert!(parse(&[]).expect("valid without arguments").command.is_none());
        let cli = parse(&["serve", "--port", "9", "--host", "::1", "--set", "DEBUG=1"]).expect("good");
        let inputs = cli.inputs();
        let given: Vec<_> = inputs.command_line.iter().map(|(flag, text)| format!("{flag} {text}")).collect();
        assert_eq!(given, ["--set DEBUG=1", "--host HOST=::1", "--port PORT=9"]);
        assert_eq!(parse(&["--set", "A=1", "doctor", "--set", "B=2"]).expect("global").set.len(), 1);
    }

    #[test]
    fn bench_takes_its_settings_along() {
        let cli = parse(&["--config", "a.toml", "bench", "--set", "B=2", "--samples", "10"]).expect("good");
        assert_eq!(cli.settings_flags(), ["--set", "B=2", "--config", "a.toml"]);
        let cli = parse(&["--env-file", "a", "bench", "--no-config"]).expect("good");
        assert_eq!(cli.settings_flags(), ["--env-file", "a", "--no-config"]);
        assert!(parse(&["bench", "--env-file", "a", "--no-env-file"]).is_err());
        assert!(parse(&["bench", "--samples", "9"]).is_err());
        assert!(parse(&["bench", "--samples", "100001"]).is_err());
        assert!(parse(&["bench", "--samples", "ten"]).is_err());
        assert!(parse(&["bench", "--sleepers", "1000", "--soak", "10000", "--plot", "a.svg"]).is_ok());
        assert!(parse(&["bench", "--sleepers", "1001"]).is_err());
    }

    #[test]
    fn keys_end_at_a_time_in_the_future() {
        let hours = |text: &str| parse_span(text).map(|span| span.as_secs() / 3600);
        assert_eq!((hours("90d"), hours("12h"), hours("0")), (Ok(2160), Ok(12), Ok(0)));
        for wrong in ["", "d", "1", "+1d", "1w", "99999999999d", "-1d"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
        assert!(parse_end("1h").is_ok() && parse_end("2999-01-01").is_ok());
        assert!(parse_end("2999-01-01T12:00:00Z").is_ok());
        for wrong in ["0", "2001-01-01", "soon", "2999-13-01"] {
            assert!(parse_end(wrong).is_err(), "{wrong}");
        }
        assert!(parse(&["keys", "create", "--name", "ci", "--scopes", "execute,metrics"]).is_ok());
        for wrong in [
            &["keys", "create"][..],
            &["keys", "create", "--name", ""],
            &["keys", "create", "--name", "a", "--scopes", "all"],
            &["keys", "create", "--name", "a", "--executors", "firecracker"],
            &["keys", "revoke"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn storage_has_three_commands() {
        for command in ["check", "status", "flush"] {
            assert!(parse(&["storage", command]).is_ok() && parse(&["storage", command, "--json"]).is_ok());
        }
        assert!(parse(&["storage"]).is_err() && parse(&["storage", "clean"]).is_err());
    }

    #[test]
    fn run_takes_one_program() {
        assert!(parse(&["run", "a.py"]).is_ok());
        assert!(parse(&["run", "-"]).is_ok());
        assert!(parse(&["run", "-c", "print(1)", "--json"]).is_ok());
        assert!(parse(&["run"]).is_err());
        assert!(parse(&["run", "a.py", "-c", "print(1)"]).is_err());
        assert!(parse(&["setup", "--force", "--delegate-cgroups", "me"]).is_err());
        let limits = ["setup", "--delegate-cgroups", "me", "--memory-max", "1g", "--pids-max", "max"];
        let Ok(Cli { command: Some(Command::Setup(args)), .. }) = parse(&limits) else { panic!("good") };
        let expected = DelegatedLimits {
            memory_bytes: Some(Bound::At(1 << 30)),
            pids_max: Some(Bound::Max),
            cpu_quota_us: None,
        };
        assert_eq!(args.delegated_limits(), expected);
        assert!(parse(&["setup", "--memory-max", "1g"]).is_err(), "without a user");
        for bad in ["1", "2000g", "", "-1"] {
            assert!(parse(&["setup", "--delegate-cgroups", "me", "--memory-max", bad]).is_err(), "{bad}");
        }
        assert!(parse(&["setup", "--packages", "full"]).is_ok());
        assert!(parse(&["setup", "--packages", "all"]).is_err());
    }
}
