//! Peers: other kinds of isolation that may be installed here, each with its own start of Python.
//!
//! Each is asked at the start for its version and for one run; a failing one is skipped with its message.

use super::case::PRINT;
use super::docker_run::DockerRun;
use super::error::CaseError;
use super::host::{FLAGS, HostCommand};
use super::installed::{Found, ask, find_program};
use runtime::Runtime;
use settings::DockerSettings;
use std::ffi::OsString;
use std::path::Path;

/// A peer.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Its name in cases.
    pub(super) name: &'static str,
    /// Description of one sample.
    pub(super) what: String,
    /// The command that runs a program in it, and its version; or why it cannot be measured here.
    pub(super) found: Result<Found, String>,
}

/// All peers, the cheapest first. The image of `docker` must have a `python3`.
pub(super) fn find(runtime: &Runtime, docker: &DockerSettings) -> Vec<Peer> {
    let peer = |name, what: &str, found: Result<Found, CaseError>| {
        let found = found.and_then(prove).map_err(|error| support::error_chain(&error));
        Peer { name, what: what.to_owned(), found }
    };
    let run = DockerRun::new(docker);
    let (image, gvisor) = (&docker.image, &docker.gvisor_runtime);
    vec![
        peer("bwrap", "bubblewrap", bubblewrap(runtime)),
        peer("docker", &format!("docker run of `{image}`"), run.with_runtime(None)),
        peer(
            "docker-runsc",
            &format!("docker run --runtime={gvisor} of `{image}`"),
            run.with_runtime(Some(gvisor)),
        ),
        peer("runsc", "gVisor, runsc do", runsc(runtime)),
    ]
}

/// Runs one program in it as a check.
fn prove(found: Found) -> Result<Found, CaseError> {
    let (success, stdout, stderr) = found.command.run(PRINT.code, Path::new("/"))?;
    PRINT.check(success, &stdout, &stderr)?;
    Ok(found)
}

/// Bubblewrap: namespaces and mounts like ours, but no seccomp filter, cgroup, Landlock or protocol.
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

/// `runsc do`: gVisor's kernel around one command, without an engine, a network or limits.
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

#[cfg(test)]
mod tests {
    use super::*;

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
