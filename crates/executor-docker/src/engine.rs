//! The connection to the engine.

use crate::config::EngineAddress;
use crate::error::EngineError;
use crate::tls;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use support::authority::{Authority, Host};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Timeout for an engine to accept a connection and answer a ping.
const PING_TIME_MAX: Duration = Duration::from_millis(600);
/// Checks for a container that the engine removes by itself, and the pause between them.
const GOING_TRIES: u32 = 50;
const GOING_PAUSE: Duration = Duration::from_millis(100);
/// Timeout for an engine to describe itself: Podman first asks the programs that it starts, half a second
/// each time.
const MEET_TIME_MAX: Duration = Duration::from_secs(5);
/// The usual socket of a system's engine.
const SYSTEM_SOCKET: &str = "/var/run/docker.sock";
/// Ports of engines, without and with TLS.
const PORT: u16 = 2375;
const PORT_TLS: u16 = 2376;

/// The connection to one engine.
#[derive(Debug)]
pub(crate) struct Engine {
    address: String,
    /// For an engine behind TLS: host and port, and the directory of the certificates.
    tls: Option<(String, PathBuf)>,
    timeout: Duration,
    known: Mutex<Option<Known>>,
}

/// Facts about an engine that has answered.
#[derive(Debug, Clone)]
struct Known {
    /// Knows the API version that both sides support.
    client: Docker,
    is_podman: bool,
}

impl Engine {
    /// The engine at an address, or at the usual address. Does not connect.
    pub(crate) fn new(address: &EngineAddress, timeout: Duration) -> Self {
        let EngineAddress { host, certificates } = address;
        let mut address = engine_address(host.as_deref());
        let mut tls = None;
        if let Some(authority) = address.strip_prefix("tcp://").or_else(|| address.strip_prefix("http://")) {
            let authority = with_port(authority, if certificates.is_some() { PORT_TLS } else { PORT });
            address = format!("tcp://{authority}");
            if certificates.is_none() && !is_loopback(&authority) {
                tracing::warn!(
                    engine = address,
                    "the connection to the Docker engine is not encrypted, and access to the engine is equivalent to root on its \
                     host; set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"
                );
            }
            tls = certificates.clone().map(|directory| (authority, directory));
        }
        Self { address, tls, timeout, known: Mutex::new(None) }
    }

    /// A client, once the engine has answered.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn client(&self) -> Result<Docker, EngineError> {
        self.known().await.map(|known| known.client)
    }

    /// Whether it is Podman behind Docker's API.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) async fn is_podman(&self) -> Result<bool, EngineError> {
        self.known().await.map(|known| known.is_podman)
    }

    async fn known(&self) -> Result<Known, EngineError> {
        if let Some(known) = support::lock(&self.known).clone() {
            return Ok(known);
        }
        self.look().await?;
        let client = self.connect()?;
        let meet = async {
            let client = client.negotiate_version().await?;
            let version = client.version().await?;
            let is_podman = version.components.iter().flatten().any(|part| part.name.starts_with("Podman"));
            Ok(Known { client, is_podman })
        };
        let known = match tokio::time::timeout(self.timeout.min(MEET_TIME_MAX), meet).await {
            Ok(known) => known.map_err(|error| self.explain("report its version", error))?,
            Err(_elapsed) => return Err(self.silent()),
        };
        *support::lock(&self.known) = Some(known.clone());
        Ok(known)
    }

    /// Classifies a first answer: sides with different protocols meet here.
    fn explain(&self, step: &'static str, error: bollard::errors::Error) -> EngineError {
        use bollard::errors::Error::DockerResponseServerError;
        let address = self.address.clone();
        if self.tls.is_some() {
            if let Some((words, hint)) = tls::hint(&error) {
                return EngineError::Tls { address, words, hint };
            }
        } else if matches!(&error, DockerResponseServerError { message, .. } if message.contains("HTTPS server"))
        {
            return EngineError::WantsTls { address };
        }
        EngineError::at(step)(error)
    }

    /// Whether the engine is up: quick, and only about this moment.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) async fn ping(&self) -> Result<(), EngineError> {
        let known = support::lock(&self.known).clone();
        // Asked several times a second: a new socket each time would be most of the cost.
        let ping = async {
            let Some(known) = known else { return self.look().await };
            let Err(source) = known.client.ping().await else { return Ok(()) };
            self.look().await?;
            Err(self.explain("answer", source))
        };
        let answer = match tokio::time::timeout(PING_TIME_MAX, ping).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(self.silent()),
        };
        if answer.is_err() {
            // Another engine may come back, with another API version.
            support::lock(&self.known).take();
        }
        answer
    }

    /// Kills and removes a container by its id or name, and returns when it is gone: whether there was one.
    pub(crate) async fn remove(&self, container: &str) -> Result<bool, EngineError> {
        use bollard::errors::Error::DockerResponseServerError;
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let mut tries = 0;
        loop {
            match self.client().await?.remove_container(container, Some(options.clone())).await {
                Ok(()) => return Ok(true),
                Err(DockerResponseServerError { status_code: 404, .. }) => return Ok(tries > 0),
                // The engine is removing it by itself: its agent had ended.
                Err(DockerResponseServerError { status_code: 409, .. }) if tries < GOING_TRIES => {
                    tries += 1;
                    tokio::time::sleep(GOING_PAUSE).await;
                }
                Err(source) => return Err(EngineError::at("remove a container")(source)),
            }
        }
    }

    fn silent(&self) -> EngineError {
        EngineError::Stopped { address: self.address.clone(), source: io::ErrorKind::TimedOut.into() }
    }

    /// Tries the socket itself: the client's own errors do not distinguish the causes. Sends a ping too,
    /// since an engine that hangs still accepts connections.
    async fn look(&self) -> Result<(), EngineError> {
        let address = self.address.clone();
        if !["unix://", "tcp://"].iter().any(|scheme| address.starts_with(scheme)) {
            return self.connect().map(drop);
        }
        let tried = async {
            if let Some(path) = address.strip_prefix("unix://") {
                sign_of_life(UnixStream::connect(path).await?).await
            } else if let Some((authority, _)) = &self.tls {
                TcpStream::connect(authority).await.map(drop)
            } else if let Some(authority) = address.strip_prefix("tcp://") {
                sign_of_life(TcpStream::connect(authority).await?).await
            } else {
                Ok(())
            }
        };
        match tokio::time::timeout(PING_TIME_MAX, tried).await {
            Err(_elapsed) => Err(self.silent()),
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(EngineError::Missing { address })
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(EngineError::Refused { address })
            }
            Ok(Err(source)) => Err(EngineError::Stopped { address, source }),
        }
    }

    fn connect(&self) -> Result<Docker, EngineError> {
        let (address, timeout_s) = (&self.address, self.timeout.as_secs());
        let client = if let Some((authority, directory)) = &self.tls {
            return tls::connect(authority, directory, timeout_s);
        } else if address.starts_with("unix://") {
            Docker::connect_with_unix(address, timeout_s, API_DEFAULT_VERSION)
        } else if address.starts_with("tcp://") {
            Docker::connect_with_http(address, timeout_s, API_DEFAULT_VERSION)
        } else if address.starts_with("ssh://") {
            return Err(EngineError::Ssh { address: address.clone() });
        } else {
            return Err(EngineError::Address { address: address.clone() });
        };
        client.map_err(EngineError::at("be reached"))
    }
}

/// The engine at an address, or at the usual address.
#[must_use]
pub fn engine_address(address: Option<&str>) -> String {
    address.map_or_else(usual_address, str::to_owned)
}

/// Whether something answers. The client finds out what.
async fn sign_of_life(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").await?;
    stream.read_u8().await.map(drop)
}

/// A host and port, with the usual port if none is given. Anything else is kept as it is: connecting reports
/// what is wrong.
fn with_port(text: &str, port: u16) -> String {
    let text = text.trim_end_matches('/');
    match Authority::parse(text) {
        Some(Authority { port: None, .. }) => format!("{}:{port}", text.trim_end_matches(':')),
        _ => text.to_owned(),
    }
}

fn is_loopback(text: &str) -> bool {
    match Authority::parse(text).map(|authority| authority.host) {
        Some(Host::Address(address)) => address.is_loopback(),
        Some(Host::Name(name)) => name == "localhost",
        Some(Host::Number(_)) | None => false,
    }
}

/// The system's engine, or the user's own if only that exists.
fn usual_address() -> String {
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("docker.sock"));
    match own.filter(|path| path.exists() && !Path::new(SYSTEM_SOCKET).exists()) {
        Some(path) => format!("unix://{}", path.display()),
        None => format!("unix://{SYSTEM_SOCKET}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]
mod tests {
    use super::*;

    fn engine(address: &str, certificates: Option<&Path>) -> Engine {
        let (host, certificates) = (Some(address.to_owned()), certificates.map(Path::to_owned));
        Engine::new(&EngineAddress { host, certificates }, Duration::from_secs(1))
    }

    async fn reason(address: &str) -> String {
        engine(address, None).ping().await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn each_fault_has_its_own_words_and_what_fixes_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker.sock");
        let address = format!("unix://{}", path.display());
        assert!(reason(&address).await.contains("apt-get install docker.io"));
        // What a killed engine leaves: the file of a socket without a listener.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(reason(&address).await.contains("systemctl start docker"));
        assert!(reason("pigeon://host").await.contains("tcp://host:port"));
        assert!(reason("ssh://host").await.contains("ssh -N -L"));
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(reason(&format!("tcp://127.0.0.1:{port}")).await.contains("does not answer"));
    }

    #[test]
    fn an_address_gets_its_usual_port_and_only_loopback_is_near() {
        assert_eq!(engine("tcp://host", None).address, "tcp://host:2375");
        assert_eq!(engine("tcp://host", Some(Path::new("/c"))).address, "tcp://host:2376");
        assert_eq!(engine("http://host:1", Some(Path::new("/c"))).tls, Some(("host:1".into(), "/c".into())));
        assert_eq!(engine("tcp://[::1]", None).address, "tcp://[::1]:2375");
        assert_eq!(engine("tcp://host:1/", None).address, "tcp://host:1");
        assert!(engine("unix:///s", Some(Path::new("/c"))).tls.is_none(), "a socket has its own permissions");
        for (authority, near) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("localhost:1", true),
            ("10.0.0.1:1", false),
            ("[fd00::1]:1", false),
        ] {
            assert_eq!(is_loopback(authority), near, "{authority}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_says_nothing_is_noticed_within_a_second() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let begun = tokio::time::Instant::now();
        assert!(reason(&format!("unix://{}", path.display())).await.contains("does not answer"));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}
