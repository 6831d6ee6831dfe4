//! A real Redis server, for tests: `redis-server` of the distribution.

use std::ffi::OsString;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a start may take, in steps of 10 ms.
const START_STEPS_MAX: u32 = 1000;

/// Whether the server keeps its content over a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// It starts empty again.
    Nothing,
    /// It has all that it acknowledged.
    Everything,
}

/// A server on a free port of loopback, with a directory of its own; killed on drop.
#[derive(Debug)]
pub struct RedisServer {
    address: SocketAddr,
    directory: tempfile::TempDir,
    keeps: Keeps,
    password: Option<&'static str>,
    /// Further arguments.
    more: Vec<OsString>,
    running: Option<Child>,
}

impl RedisServer {
    /// Starts a server; `None` if there is none on this machine, which is reported as a skip.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(keeps: Keeps) -> Option<Self> {
        Self::start_with(keeps, None)
    }

    /// The same with a password.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_with(keeps: Keeps, password: Option<&'static str>) -> Option<Self> {
        Self::start_as(keeps, password, |_| Vec::new())
    }

    /// A server that speaks TLS alone, with this certificate and its key.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_tls(certificate: &Path, key: &Path) -> Option<Self> {
        Self::start_as(Keeps::Nothing, None, |port| {
            let mut more: Vec<OsString> =
                ["--tls-port", port, "--port", "0", "--tls-auth-clients", "no"].map(Into::into).into();
            more.extend(["--tls-cert-file".into(), certificate.into(), "--tls-key-file".into(), key.into()]);
            // It wants authorities even if clients need no certificate.
            more.extend(["--tls-ca-cert-file".into(), certificate.into()]);
            more
        })
    }

    fn start_as(
        keeps: Keeps,
        password: Option<&'static str>,
        more: impl FnOnce(&str) -> Vec<OsString>,
    ) -> Option<Self> {
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            return crate::skip(format_args!("there is no redis-server (hint: scripts/prerequisites test)"));
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        drop(listener);
        let more = more(&address.port().to_string());
        let mut server = Self { address, directory, keeps, password, more, running: None };
        server.restart();
        Some(server)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as `REDIS_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address)
    }

    /// The same at the address of a proxy.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        let login = self.password.map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{login}{address}")
    }

    /// Ends it as a power failure of its host would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, at the same address.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let append = match self.keeps {
            Keeps::Nothing => "no",
            Keeps::Everything => "yes",
        };
        let log_path = self.directory.path().join("log");
        let log = File::create(&log_path).expect("the directory is ours");
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &self.address.port().to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", append, "--appendfsync", "always", "--daemonize", "no"])
            .arg("--dir")
            .arg(self.directory.path())
            .args(&self.more)
            .stdin(Stdio::null())
            .stdout(log);
        if let Some(password) = self.password {
            command.args(["--requirepass", password]);
        }
        self.running = Some(command.spawn().expect("the program starts"));
        for _ in 0..START_STEPS_MAX {
            // It listens before it has read its content, and refuses commands until then.
            let log = std::fs::read(&log_path).expect("the log is ours");
            if String::from_utf8_lossy(&log).contains("Ready to accept connections") {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server is not ready at {}", self.address);
    }

    /// Stops it without closing its connections, as a host that hangs would.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let child = self.running.as_ref().expect("it runs");
        let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Sets another password, and ends all connections.
    pub fn change_password(&mut self, password: &'static str) {
        self.ask(&["CONFIG", "SET", "requirepass", password]);
        self.password = Some(password);
        self.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    }

    /// Sends a command with redis-cli and returns what it prints.
    ///
    /// # Panics
    /// If it fails.
    pub fn ask(&self, command: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        cli.args(["-p", &self.address.port().to_string()]).args(command);
        if let Some(password) = self.password {
            cli.env("REDISCLI_AUTH", password);
        }
        let output = cli.output().expect("redis-cli is installed with the server");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
