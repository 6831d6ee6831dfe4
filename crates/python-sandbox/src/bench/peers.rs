//! Peers: other ways to keep a program apart that may be installed here, each with its own start of Python.
//!
//! Each is asked at the start for what it is and for one answer; one that fails is skipped with what it said.

use super::case::{CaseError, PRINT, beginning};
use super::host::{FLAGS, HostCommand};
use runtime::Runtime;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variables that tell the engine's client where its engine is.
const DOCKER_VARIABLES: [&str; 8] = [
    "PATH",
    "HOME",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "XDG_RUNTIME_DIR",
];

/// A peer.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Its name, as cases have it.
    pub(super) name: &'static str,
    /// What one sample of it is.
    pub(super) what: String,
    /// How to run a program in it, and its version; or why it cannot be measured here.
    pub(super) found: Result<Found, String>,
}

/// A peer that works.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// How to run a program in it.
    pub(super) command: HostCommand,
    /// What it says that it is.
    pub(super) version: String,
}

/// All peers, the cheapest first. `docker_image` must have a `python3`.
pub(super) fn find(runtime: &Runtime, docker_image: &str) -> Vec<Peer> {
    let peer = |name, what: &str, found: Result<Found, CaseError>| {
        let found = found.and_then(prove).map_err(|error| executor::error_chain(&error));
        Peer { name, what: what.to_owned(), found }
    };
    vec![
        peer("bwrap", "bubblewrap", bubblewrap(runtime)),
        peer("docker", &format!("docker run of `{docker_image}`"), docker(docker_image)),
        peer("runsc", "gVisor, runsc do", runsc(runtime)),
    ]
}

/// Lets it run a program once.
fn prove(found: Found) -> Result<Found, CaseError> {
    let (success, stdout, stderr) = found.command.run(PRINT.code, Path::new("/"))?;
    PRINT.check(success, &stdout, &stderr)?;
    Ok(found)
}

/// Bubblewrap: namespaces and mounts like ours, but no seccomp filter, control group, landlock or protocol.
fn bubblewrap(runtime: &Runtime) -> Result<Found, CaseError> {
    let said = ask("bwrap", &["--version"])?;
    let mut words: Vec<OsString> =
        vec![find_program("bwrap").into(), "--unshare-all".into(), "--die-with-parent".into()];
    words.extend(["--ro-bind".into(), runtime.rootfs.clone().into_os_string(), "/".into()]);
    words.extend(
        ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp"].map(OsString::from),
    );
    words.extend(python(&runtime.interpreter));
    Ok(Found { command: HostCommand::new(words, env_of(runtime)), version: said.replace("bubblewrap ", "") })
}

/// Docker as people use it for this: a container for each program, without a network.
fn docker(image: &str) -> Result<Found, CaseError> {
    let version = ask("docker", &["version", "--format", "{{.Server.Version}}"])?;
    let id = ask("docker", &["image", "inspect", "--format", "{{.Id}}", image])?;
    let mut words: Vec<OsString> = vec![find_program("docker").into()];
    words.extend(["run", "--rm", "--network", "none", "--entrypoint", "python3", image].map(OsString::from));
    words.extend(FLAGS.map(OsString::from));
    let variables = DOCKER_VARIABLES.iter();
    let env = variables.filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?))).collect();
    let id: String = id.trim_start_matches("sha256:").chars().take(12).collect();
    let version = format!("{version}, image {image} ({id})");
    Ok(Found { command: HostCommand::new(words, env), version })
}

/// gVisor's quick form: its own kernel around one command, without an engine, a network or a limit.
fn runsc(runtime: &Runtime) -> Result<Found, CaseError> {
    let said = ask("runsc", &["--version"])?;
    let rootless = if rustix::process::geteuid().is_root() { "--rootless=false" } else { "--rootless=true" };
    let mut words: Vec<OsString> = vec![find_program("runsc").into()];
    words.extend([rootless, "--network=none", "--ignore-cgroups", "do", "-quiet"].map(OsString::from));
    words.extend(["-root".into(), runtime.rootfs.clone().into_os_string(), "-cwd".into(), "/tmp".into()]);
    words.extend(python(&runtime.interpreter));
    let version = said.lines().next().unwrap_or_default().replace("runsc version ", "");
    Ok(Found { command: HostCommand::new(words, env_of(runtime)), version })
}

fn python(interpreter: &str) -> impl Iterator<Item = OsString> {
    [OsString::from(interpreter)].into_iter().chain(FLAGS.map(OsString::from))
}

fn env_of(runtime: &Runtime) -> Vec<(String, OsString)> {
    runtime.env.iter().map(|(name, value)| (name.clone(), value.into())).collect()
}

/// What a program says when it is asked; or why it does not.
fn ask(program: &str, arguments: &[&str]) -> Result<String, CaseError> {
    let asked = Command::new(find_program(program)).args(arguments).stdin(Stdio::null()).output();
    let output = asked.map_err(|source| CaseError::Start { program: program.to_owned(), source })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(CaseError::Unfit { program: program.to_owned(), said: beginning(&text(&output.stderr)) })
}

/// A program's path: the programs' environment has a `PATH` of its own.
fn find_program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| PathBuf::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_or_why_it_says_nothing() {
        assert_eq!(ask("echo", &["a", "b"]).expect("echo is everywhere"), "a b");
        assert!(matches!(ask("false", &[]), Err(CaseError::Unfit { .. })));
        assert!(matches!(ask("no-such-program", &[]), Err(CaseError::Start { .. })));
    }

    #[test]
    fn a_peer_that_prints_something_else_is_not_measured() {
        let found = |words: &[&str]| {
            let words = words.iter().map(OsString::from).collect();
            Found { command: HostCommand::new(words, Vec::new()), version: String::new() }
        };
        assert!(prove(found(&["true"])).is_err());
        assert!(prove(Found { command: HostCommand::of_machine(), version: String::new() }).is_ok());
    }
}
