//! The container peers: `docker run` of the sandbox image, with the engine's own runtime and with gVisor's.
//!
//! They use the same engine and image as our executors, and give each container the limits and protections
//! that ours have, as far as the command line has options for them. They keep the engine's seccomp profile,
//! and have no CPU limit, which could only make them slower.

use super::error::{CaseError, beginning};
use super::host::{FLAGS, HostCommand};
use super::installed::{Found, ask_with, find_program};
use settings::DockerSettings;
use std::ffi::OsString;

/// Variables that are passed to the engine's client; the choice of engine is ours.
const VARIABLES: [&str; 3] = ["PATH", "HOME", "DOCKER_CONFIG"];
/// Processes of the container in addition to the program: our agent is one, gVisor's kernel has many.
const PIDS_BESIDE: u32 = 201;

/// The program's user id: nobody.
const USER: u32 = 65_534;

/// A way to `docker run`.
#[derive(Debug)]
pub(super) struct DockerRun<'a> {
    docker: &'a DockerSettings,
    env: Vec<(String, OsString)>,
}

impl<'a> DockerRun<'a> {
    /// With the engine and the image from these settings.
    pub(super) fn new(docker: &'a DockerSettings) -> Self {
        let own = VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?)));
        let host = compose::engine_address(&docker.engine);
        let tls = docker.engine.certificates.iter().flat_map(|directory| {
            [("DOCKER_TLS_VERIFY".to_owned(), "1".into()), ("DOCKER_CERT_PATH".to_owned(), directory.into())]
        });
        let env = own.chain([("DOCKER_HOST".to_owned(), host.into())]).chain(tls).collect();
        Self { docker, env }
    }

    /// Programs in containers of one of the engine's runtimes; `None` for its default.
    ///
    /// # Errors
    /// Without the client, the engine or the image.
    pub(super) fn with_runtime(&self, runtime: Option<&str>) -> Result<Found, CaseError> {
        let image = &self.docker.image;
        let version = self.ask(&["version", "--format", "{{.Server.Version}}"])?;
        let id = self.ask(&["image", "inspect", "--format", "{{.Id}}", image]).map_err(with_hint)?;
        let mut words: Vec<OsString> = vec![find_program("docker").into()];
        words.extend(arguments(self.docker, runtime).into_iter().map(OsString::from));
        words.extend(FLAGS.map(OsString::from));
        let id: String = id.trim_start_matches("sha256:").chars().take(12).collect();
        let runtime = runtime.map_or_else(String::new, |runtime| format!(", runtime {runtime}"));
        let version = beginning(&format!("{version}{runtime}, image {image} ({id})"));
        Ok(Found { command: HostCommand::new(words, self.env.clone()), version })
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, CaseError> {
        ask_with("docker", arguments, &self.env)
    }
}

/// Adds a hint if the engine has no such image.
fn with_hint(error: CaseError) -> CaseError {
    match error {
        CaseError::Unsuitable { program, said } => CaseError::Unsuitable {
            program,
            said: format!("{said} (hint: build the image with `python-sandbox image build`)"),
        },
        other => other,
    }
}

/// The client's arguments up to those of the interpreter. The image's own first process is the guest agent.
fn arguments(docker: &DockerSettings, runtime: Option<&str>) -> Vec<String> {
    let limits = &docker.limits;
    let memory_swap_bytes = docker.memory_swap_bytes.max(limits.memory_bytes);
    let tmpfs = format!(
        "/tmp:rw,noexec,nosuid,nodev,size={},nr_inodes={},mode=0700,uid={USER},gid={USER}",
        limits.disk_bytes, limits.disk_inodes
    );
    let mut words = vec!["run".to_owned(), "--rm".to_owned(), "--read-only".to_owned()];
    let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
    add("--network", "none".to_owned());
    add("--ipc", "none".to_owned());
    add("--log-driver", "none".to_owned());
    add("--cap-drop", "ALL".to_owned());
    add("--security-opt", "no-new-privileges".to_owned());
    add("--memory", limits.memory_bytes.to_string());
    add("--memory-swap", memory_swap_bytes.to_string());
    add("--pids-limit", limits.pids_max.saturating_add(PIDS_BESIDE).to_string());
    add("--tmpfs", tmpfs);
    add("--user", format!("{USER}:{USER}"));
    add("--workdir", "/tmp".to_owned());
    add("--entrypoint", "python3".to_owned());
    if let Some(runtime) = runtime {
        add("--runtime", runtime.to_owned());
    }
    words.push(docker.image.clone());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor::{PoolSize, SandboxLimits};
    use std::time::Duration;

    fn settings() -> DockerSettings {
        DockerSettings {
            engine: settings::EngineSettings {
                host: Some("unix:///nowhere/docker.sock".to_owned()),
                certificates: None,
            },
            image: "image:tag".to_owned(),
            timeout: Duration::from_secs(1),
            limits: SandboxLimits {
                memory_bytes: 1 << 27,
                cpu_quota_us: 50_000,
                cpu_period_us: 100_000,
                pids_max: 50,
                disk_bytes: 1 << 26,
                disk_inodes: 100,
            },
            memory_swap_bytes: 0,
            templates: Vec::new(),
            pool: PoolSize { min: 0, max: 0 },
            gvisor_runtime: "runsc".to_owned(),
            kata_runtime: "kata".to_owned(),
        }
    }

    #[test]
    fn a_peer_has_our_limits_and_our_image() {
        let words = arguments(&settings(), Some("runsc")).join(" ");
        for wanted in [
            "--read-only",
            "--network none",
            "--cap-drop ALL",
            "--memory 134217728 --memory-swap 134217728",
            "--pids-limit 251",
            "size=67108864,nr_inodes=100",
            "--runtime runsc image:tag",
        ] {
            assert!(words.contains(wanted), "{wanted} in {words}");
        }
        assert!(!arguments(&settings(), None).contains(&"--runtime".to_owned()));
    }

    #[test]
    fn it_asks_the_engine_of_the_settings_and_says_what_is_missing() {
        let docker = settings();
        let run = DockerRun::new(&docker);
        assert!(run.env.contains(&("DOCKER_HOST".to_owned(), "unix:///nowhere/docker.sock".into())));
        // With a client, and without one.
        assert!(run.with_runtime(None).is_err());
    }
}
