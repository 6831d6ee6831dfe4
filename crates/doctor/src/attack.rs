//! Runs the attack programs, with decoys set up on the host, and checks their results.

use super::proof::{self, Allowed, Proof};
use super::protections::Protection;
use executor::{Control, ExecLimits, ExecRequest, ExecResult, Executor, ExecutorError, Freshness, Hints};
use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

/// Prefix of every program.
const PRELUDE: &str = include_str!("programs/prelude.py");

/// The decoys that the programs try to reach, and the programs' limits.
pub(super) struct Attack {
    allowed: Allowed,
    decoy: Vec<(String, String)>,
    listeners: Vec<Decoy>,
    _directory: tempfile::TempDir,
}

/// A listener on the host that no program may reach.
enum Decoy {
    Tcp(&'static str, TcpListener),
    Unix(&'static str, UnixListener),
}

impl Decoy {
    /// The name, if a program connected.
    fn reached(&self) -> Option<&'static str> {
        match self {
            Self::Tcp(name, listener) => listener.accept().is_ok().then_some(*name),
            Self::Unix(name, listener) => listener.accept().is_ok().then_some(*name),
        }
    }
}

impl Attack {
    /// Sets up the decoys: a file, listeners of every kind.
    ///
    /// # Errors
    /// An I/O error, if they cannot be set up.
    pub(super) fn prepare(allowed: Allowed) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("sandbox-check-").tempdir()?;
        let canary = directory.path().join("canary");
        std::fs::write(&canary, "doctor-file-canary")?;
        let unix = directory.path().join("socket");
        let abstract_name = format!("sandbox-check-{}", std::process::id());

        let mut decoy = Vec::new();
        let mut lay = |name: &str, value: String| decoy.push((format!("DOCTOR_{name}"), value));
        let mut listeners = Vec::new();
        let v4 = TcpListener::bind(("127.0.0.1", 0))?;
        v4.set_nonblocking(true)?;
        lay("PORT_V4", v4.local_addr()?.port().to_string());
        listeners.push(Decoy::Tcp("TCP on 127.0.0.1", v4));
        // A host without IPv6 has nothing to reach there.
        let v6 = TcpListener::bind(("::1", 0)).ok();
        lay(
            "PORT_V6",
            v6.as_ref().and_then(|v6| v6.local_addr().ok()).map_or(9, |addr| addr.port()).to_string(),
        );
        if let Some(v6) = v6 {
            v6.set_nonblocking(true)?;
            listeners.push(Decoy::Tcp("TCP on ::1", v6));
        }
        let by_path = UnixListener::bind(&unix)?;
        by_path.set_nonblocking(true)?;
        listeners.push(Decoy::Unix("Unix socket by path", by_path));
        let by_name = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_name)?)?;
        by_name.set_nonblocking(true)?;
        listeners.push(Decoy::Unix("abstract Unix socket", by_name));

        lay("CANARY_FILE", canary.display().to_string());
        lay("UNIX", unix.display().to_string());
        lay("ABSTRACT", abstract_name);
        lay("PID", std::process::id().to_string());
        lay("PIDS_MAX", allowed.sandbox.pids_max.to_string());
        lay("DISK_BYTES", allowed.sandbox.disk_bytes.to_string());
        lay("DISK_INODES", allowed.sandbox.disk_inodes.to_string());
        lay("CPU_COUNT", allowed.sandbox.cpu_count().to_string());
        lay("HOST_CPUS", std::thread::available_parallelism().map_or(1, std::num::NonZero::get).to_string());
        Ok(Self { allowed, decoy, listeners, _directory: directory })
    }

    /// Attacks one protection; returns what was observed if it held.
    ///
    /// # Errors
    /// What broke, or why the attack could not run.
    pub(super) async fn on(
        &self,
        protection: &Protection,
        executor: &dyn Executor,
    ) -> Result<String, AttackError> {
        let first = self.run(protection, executor, 1).await?;
        let seen = match protection.proof {
            Proof::Verdict => proof::verdict(&first),
            Proof::SecondVerdict => {
                proof::verdict(&first).map_err(AttackError::Broken)?;
                proof::verdict(&self.run(protection, executor, 2).await?)
            }
            Proof::Outcome(kind) => proof::outcome(&first, kind),
            Proof::Result(check) => check(&first, &self.allowed),
            Proof::Differ => proof::differ(&first, &self.run(protection, executor, 2).await?),
        };
        let reached: Vec<&str> = self.listeners.iter().filter_map(Decoy::reached).collect();
        if !reached.is_empty() {
            return Err(AttackError::Broken(format!("reached on the host: {}", reached.join(", "))));
        }
        seen.map_err(AttackError::Broken)
    }

    async fn run(
        &self,
        protection: &Protection,
        executor: &dyn Executor,
        run: u32,
    ) -> Result<ExecResult, AttackError> {
        let mut env = self.decoy.clone();
        env.push(("DOCTOR_RUN".to_owned(), run.to_string()));
        let request = ExecRequest {
            code: format!("{PRELUDE}\n{}", protection.program).into(),
            env,
            limits: ExecLimits {
                wall_time: Duration::from_secs(protection.timeout_s),
                ..self.allowed.limits
            },
            ..ExecRequest::default()
        };
        let sandbox =
            executor.create(&Hints::default(), Freshness::Any).await.map_err(AttackError::Sandbox)?;
        sandbox.answer_once(&request, &Control::default()).await.map_err(AttackError::Sandbox)
    }
}

/// Why a protection is not proved.
#[derive(Debug)]
pub(super) enum AttackError {
    /// The attack worked, or its proof is missing.
    Broken(String),
    /// The sandbox could not be created, or it failed.
    Sandbox(ExecutorError),
}
