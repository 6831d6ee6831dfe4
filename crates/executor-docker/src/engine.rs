//! The way to the engine, and what can be wrong with it.

use crate::config::EngineAddress;
use crate::tls;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use executor::error_chain;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Longest wait for an engine to take a connection and to say that it lives.
const PING_TIME_MAX: Duration = Duration::from_millis(600);
/// Looks at a container that the engine removes by itself, and the pause between two.
const GOING_TRIES: u32 = 50;
const GOING_PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for an engine to say what it is: Podman asks the programs that it starts first, half a second each time.
const MEET_TIME_MAX: Duration = Duration::from_secs(5);
/// Where a system's engine listens.
const SYSTEM_SOCKET: &str = "/var/run/docker.sock";
/// Ports of engines, without TLS and with it.
const PORT: u16 = 2375;
const PORT_TLS: u16 = 2376;
/// Bytes of an engine's own words that are passed on: Podman repeats a whole seccomp profile.
const WORDS_BYTES_MAX: usize = 600;

/// Why the engine cannot be used. Each text says what fixes it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Nothing listens there, and never did.
    #[error(
        "there is no Docker engine at {address} (hint: install it with `apt-get install docker.io` and start it with \
         `systemctl start docker`, or name another in DOCKER_HOST)"
    )]
    Missing {
        /// Where.
        address: String,
    },
    /// Something listened there once.
    #[error("the Docker engine at {address} does not answer (hint: start it with `systemctl start docker`)")]
    Stopped {
        /// Where.
        address: String,
        /// What connecting gave.
        source: io::Error,
    },
    /// We may not.
    #[error(
        "the Docker engine at {address} refuses this user (hint: `usermod -aG docker USER` and log in again, or use a \
         rootless engine by DOCKER_HOST)"
    )]
    Refused {
        /// Where.
        address: String,
    },
    /// An address that is not understood.
    #[error("DOCKER_HOST = `{address}` is not understood (hint: unix:///path/to/socket, or tcp://host:port)")]
    Address {
        /// As given.
        address: String,
    },
    /// An address that only ssh(1) can reach.
    #[error(
        "DOCKER_HOST = `{address}` is not supported (hint: forward the engine's socket, `ssh -N -L \
         $XDG_RUNTIME_DIR/engine.sock:/var/run/docker.sock USER@HOST`, and name it: \
         DOCKER_HOST=unix://$XDG_RUNTIME_DIR/engine.sock)"
    )]
    Ssh {
        /// As given.
        address: String,
    },
    /// The engine wants TLS.
    #[error(
        "the Docker engine at {address} wants TLS (hint: set DOCKER_TLS_VERIFY to true and DOCKER_CERT_PATH to the \
         directory with ca.pem, cert.pem and key.pem)"
    )]
    WantsTls {
        /// Where.
        address: String,
    },
    /// One of our files for TLS.
    #[error(
        "failed to read {path} for TLS with the Docker engine (hint: DOCKER_CERT_PATH must be a directory with ca.pem, \
         cert.pem and key.pem that this user may read)"
    )]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// One side does not trust the other.
    #[error("TLS with the Docker engine at {address} failed: {words} (hint: {hint})")]
    Tls {
        /// Where.
        address: String,
        /// What failed.
        words: String,
        /// What fixes it.
        hint: &'static str,
    },
    /// The engine's disk.
    #[error(
        "the Docker engine failed to {step} because its disk is full (hint: make room below its `Docker Root Dir`, see \
         `docker info`, such as by `docker system prune`): {words}"
    )]
    DiskFull {
        /// What was asked, in the infinitive.
        step: &'static str,
        /// Its answer.
        words: String,
    },
    /// The engine drops limits that it is asked for.
    #[error("the Docker engine does not enforce the limits of {missing} (hint: {hint})")]
    Unlimited {
        /// Which limits.
        missing: String,
        /// What fixes it.
        hint: &'static str,
    },
    /// The engine answered with an error.
    #[error("the Docker engine failed to {step}")]
    Api {
        /// What was asked, in the infinitive.
        step: &'static str,
        /// Its answer.
        #[source]
        source: bollard::errors::Error,
    },
    /// There is no such image.
    #[error("the engine has no image `{image}` (hint: make it with `python-sandbox image build`)")]
    ImageMissing {
        /// Its name.
        image: String,
    },
    /// An image that is none of ours.
    #[error(
        "the image `{image}` is no sandbox image: it lacks the label {label} (hint: make one with `python-sandbox \
         image build`, or name another in DOCKER_IMAGE)"
    )]
    ImageForeign {
        /// Its name.
        image: String,
        /// What it lacks.
        label: String,
    },
    /// An image of another version of this program.
    #[error(
        "the image `{image}` holds the guest agent of another version (hint: make it again with `python-sandbox image \
         build`)"
    )]
    ImageOutdated {
        /// Its name.
        image: String,
    },
    /// The engine does not know the runtime.
    #[error(
        "the engine has no runtime `{runtime}`, only {known} (hint: install it, and add it under `runtimes` in \
         /etc/docker/daemon.json)"
    )]
    RuntimeMissing {
        /// Its name.
        runtime: String,
        /// What there is.
        known: String,
    },
}

impl EngineError {
    /// An answer of the engine to a step.
    pub(crate) fn at(step: &'static str) -> impl FnOnce(bollard::errors::Error) -> Self {
        move |mut source| {
            if let bollard::errors::Error::DockerResponseServerError { message, .. } = &mut source {
                shorten(message);
            }
            let words = error_chain(&source);
            if is_disk_full(&words) { Self::DiskFull { step, words } } else { Self::Api { step, source } }
        }
    }
}

/// Leaves out the middle: both what was done and why it failed matter.
fn shorten(message: &mut String) {
    if message.len() > WORDS_BYTES_MAX {
        let begin = message.floor_char_boundary(WORDS_BYTES_MAX / 2);
        let end = message.ceil_char_boundary(message.len() - WORDS_BYTES_MAX / 2);
        message.replace_range(begin..end, " ... ");
    }
}

/// ENOSPC and EDQUOT in the words of an engine. The kernel says the first of control groups too, of which it has a
/// limited number.
fn is_disk_full(words: &str) -> bool {
    ["no space left on device", "disk quota exceeded"].iter().any(|text| words.contains(text))
        && !words.contains("cgroup")
}

/// The way to one engine.
#[derive(Debug)]
pub(crate) struct Engine {
    address: String,
    /// Where an engine behind TLS is: host and port, and the directory of the certificates.
    tls: Option<(String, PathBuf)>,
    timeout: Duration,
    known: Mutex<Option<Known>>,
}

/// What is known of an engine that answered.
#[derive(Debug, Clone)]
struct Known {
    /// Knows the version of the API that both sides speak.
    client: Docker,
    is_podman: bool,
}

impl Engine {
    /// The engine at an address, or where engines usually listen. Does not connect.
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
                    "the way to the Docker engine is not encrypted, and whoever can reach the engine is root on its \
                     host; set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"
                );
            }
            tls = certificates.clone().map(|directory| (authority, directory));
        }
        Self { address, tls, timeout, known: Mutex::new(None) }
    }

    /// A client, once the engine was seen to answer.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn client(&self) -> Result<Docker, EngineError> {
        self.known().await.map(|known| known.client)
    }

    /// Whether it is Podman behind Docker's API.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn is_podman(&self) -> Result<bool, EngineError> {
        self.known().await.map(|known| known.is_podman)
    }

    async fn known(&self) -> Result<Known, EngineError> {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone() {
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
            Ok(known) => known.map_err(|error| self.explain("say its version", error))?,
            Err(_elapsed) => return Err(self.silent()),
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    /// What a first answer means: two sides that do not speak the same meet here.
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

    /// Whether the engine lives: quick, and the truth of this moment.
    ///
    /// # Errors
    /// Why not.
    pub(crate) async fn ping(&self) -> Result<(), EngineError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Asked several times a second: a socket of its own each time would be most of the price.
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
            // Another engine may come back, which speaks another version.
            self.known.lock().unwrap_or_else(PoisonError::into_inner).take();
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
                // The engine is at it by itself: its agent had ended.
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

    /// Tries the socket itself: the client's own errors do not tell one cause from the other. Asks for a sign of life
    /// too, as an engine that hangs still takes connections.
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

/// The engine at an address, or where engines usually listen.
#[must_use]
pub fn engine_address(address: Option<&str>) -> String {
    address.map_or_else(usual_address, str::to_owned)
}

/// Whether something answers. What, is for the client to judge.
async fn sign_of_life(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").await?;
    stream.read_u8().await.map(drop)
}

/// A host and port, with the usual port where none is given.
fn with_port(authority: &str, port: u16) -> String {
    let authority = authority.trim_end_matches('/');
    // The last colon of a bare IPv6 address, `[::1]`, is none before a port.
    let given = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if given { authority.to_owned() } else { format!("{authority}:{port}") }
}

fn is_loopback(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The system's engine, or the user's own where only that is there.
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
        // What a killed engine leaves: the file of a socket that nobody listens on.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(reason(&address).await.contains("systemctl start docker"));
        assert!(reason("pigeon://host").await.contains("tcp://host:port"));
        assert!(reason("ssh://host").await.contains("ssh -N -L"));
        // A port that was just free.
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
        assert!(engine("unix:///s", Some(Path::new("/c"))).tls.is_none(), "a socket has its own rights");
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

    #[test]
    fn a_full_disk_is_known_by_the_engines_words() {
        let at = |message: &str| {
            let answer = bollard::errors::Error::DockerResponseServerError {
                status_code: 500,
                message: message.to_owned(),
            };
            EngineError::at("make a container")(answer).to_string()
        };
        for words in [
            "mkdir /var/lib/docker/overlay2/719a55fc-init: no space left on device",
            "write /var/lib/docker/containers/9c73/.tmp-config.v2.json1: no space left on device",
            "Error processing tar file(exit status 1): write /usr/lib/a.ttf: no space left on device",
            "open /var/lib/docker/overlay2/x: disk quota exceeded",
        ] {
            let reason = at(words);
            assert!(reason.contains("disk is full") && reason.contains("docker system prune"), "{reason}");
            assert!(reason.contains(words), "{reason}");
        }
        for words in ["mkdir /sys/fs/cgroup/memory/docker/9c73: no space left on device", "no such image"] {
            assert!(!at(words).contains("disk is full"), "{words}");
        }
    }

    #[test]
    fn an_engine_that_says_too_much_is_cut_in_the_middle() {
        let mut words = format!("open {}é: file name too long", "é".repeat(9000));
        shorten(&mut words);
        assert!(words.len() < 700 && words.starts_with("open é") && words.ends_with("too long"), "{words}");
    }

    #[tokio::test]
    async fn an_engine_that_says_nothing_is_noticed_within_a_second() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let begun = std::time::Instant::now();
        assert!(reason(&format!("unix://{}", path.display())).await.contains("does not answer"));
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}
