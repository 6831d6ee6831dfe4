//! The way to the engine, and what can be wrong with it.

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UnixStream;

/// Longest wait for an engine to take a connection and to say that it lives.
const PING_TIME_MAX: Duration = Duration::from_millis(600);
/// Looks at a container that the engine removes by itself, and the pause between two.
const GOING_TRIES: u32 = 50;
const GOING_PAUSE: Duration = Duration::from_millis(100);
/// Where a system's engine listens.
const SYSTEM_SOCKET: &str = "/var/run/docker.sock";

/// Why the engine cannot be used. Each text says what mends it.
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
    #[error(
        "the Docker engine at {address} does not answer (hint: start it with `systemctl start docker`): {source}"
    )]
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
        "the image `{image}` holds the guest agent of another version (hint: make it anew with `python-sandbox image \
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
        move |source| Self::Api { step, source }
    }
}

/// The way to one engine.
#[derive(Debug)]
pub(crate) struct Engine {
    address: String,
    timeout: Duration,
    /// Knows the version of the API that both sides speak.
    client: Mutex<Option<Docker>>,
}

impl Engine {
    /// The engine at an address, or where engines usually listen. Does not connect.
    pub(crate) fn new(address: Option<&str>, timeout: Duration) -> Self {
        Self { address: engine_address(address), timeout, client: Mutex::new(None) }
    }

    /// A client, once the engine was seen to answer.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn client(&self) -> Result<Docker, EngineError> {
        if let Some(client) = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(client);
        }
        self.look().await?;
        let client = self.connect()?;
        let version = client.negotiate_version();
        let client = match tokio::time::timeout(self.timeout, version).await {
            Ok(client) => client.map_err(EngineError::at("say its version"))?,
            Err(_elapsed) => return Err(self.silent()),
        };
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
    }

    /// Whether the engine lives: quick, and the truth of this moment.
    ///
    /// # Errors
    /// Why not.
    pub(crate) async fn ping(&self) -> Result<(), EngineError> {
        // Asked several times a second: a socket of its own each time would be most of the price.
        let ping = async {
            let Err(source) = self.client().await?.ping().await else { return Ok(()) };
            self.look().await?;
            Err(EngineError::Api { step: "answer", source })
        };
        let answer = match tokio::time::timeout(PING_TIME_MAX, ping).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(self.silent()),
        };
        if answer.is_err() {
            // Another engine may come back, which speaks another version.
            self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
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
                Err(source) => return Err(EngineError::Api { step: "remove a container", source }),
            }
        }
    }

    fn silent(&self) -> EngineError {
        EngineError::Stopped { address: self.address.clone(), source: io::ErrorKind::TimedOut.into() }
    }

    /// Tries the socket itself: the client's own errors do not tell one cause from the other.
    async fn look(&self) -> Result<(), EngineError> {
        let Some(path) = self.address.strip_prefix("unix://") else { return Ok(()) };
        let address = self.address.clone();
        match UnixStream::connect(path).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(EngineError::Missing { address }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(EngineError::Refused { address })
            }
            Err(source) => Err(EngineError::Stopped { address, source }),
        }
    }

    fn connect(&self) -> Result<Docker, EngineError> {
        let (address, timeout_s) = (&self.address, self.timeout.as_secs());
        let client = if address.starts_with("unix://") {
            Docker::connect_with_unix(address, timeout_s, API_DEFAULT_VERSION)
        } else if address.starts_with("tcp://") || address.starts_with("http://") {
            Docker::connect_with_http(address, timeout_s, API_DEFAULT_VERSION)
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

    async fn reason(address: &str) -> String {
        let engine = Engine::new(Some(address), Duration::from_secs(1));
        engine.ping().await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn each_fault_has_its_own_words_and_what_mends_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker.sock");
        let address = format!("unix://{}", path.display());
        assert!(reason(&address).await.contains("apt-get install docker.io"));
        // What a killed engine leaves: the file of a socket that nobody listens on.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(reason(&address).await.contains("systemctl start docker"));
        assert!(reason("ssh://host").await.contains("DOCKER_HOST"));
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
