//! The side of the service: its configuration, and the pair in it, which is replaced when the files change.

use crate::error::LoadError;
use crate::files::{Stamp, TlsFiles};
use crate::pair::Pair;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often [`Tls::poll`] is to be called. A change is in use after one to two intervals.
pub const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// The protocols that are offered in the handshake (ALPN), the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS of the service.
pub struct Tls {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    /// Held by [`Tls::poll`] alone, while it reads files.
    watch: Mutex<Watch>,
    /// Whether `watch` has a failure: for [`Tls::status`], which does not wait for files.
    reload_failed: AtomicBool,
}

/// What the files were.
#[derive(Debug)]
struct Watch {
    /// When the pair in use was read.
    loaded: Stamp,
    /// At the last poll.
    seen: Stamp,
    /// Why what they are now is not used.
    failed: Option<String>,
}

/// What metrics show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// When the certificate in use expires.
    pub expires: Timestamp,
    /// The files were changed, and cannot be used as they are now.
    pub reload_failed: bool,
}

/// The pair in use, for each handshake.
#[derive(Debug)]
struct Current(Mutex<Pair>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&support::lock(&self.0).certified))
    }
}

/// Without the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads and checks the files. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`LoadError`]: which file cannot be used, and why.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, LoadError> {
        let provider = crate::provider();
        let stamp = files.stamp();
        let current = Arc::new(Current(Mutex::new(Pair::load(&files, &provider)?)));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| LoadError::Certificate {
                path: files.certificate.clone(),
                what: error.to_string(),
            })?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        let watch = Mutex::new(Watch { loaded: stamp, seen: stamp, failed: None });
        let reload_failed = AtomicBool::new(false);
        Ok(Arc::new(Self { files, provider, config: Arc::new(config), current, watch, reload_failed }))
    }

    /// The configuration of a handshake.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// What is in use. Never waits for a file.
    #[must_use]
    pub fn status(&self) -> Status {
        let expires = support::lock(&self.current.0).expires;
        Status { expires, reload_failed: self.reload_failed.load(Ordering::Relaxed) }
    }

    /// Takes over what the files have become, if they can be used; if not, the pair in use stays, and the log says why,
    /// once for each reason. A pair is read only if neither file has changed since the last call, so that one that is
    /// being replaced is not taken for a broken one. Blocks for as long as reading takes.
    pub fn poll(&self) {
        let mut watch = support::lock(&self.watch);
        self.look(&mut watch);
        self.reload_failed.store(watch.failed.is_some(), Ordering::Relaxed);
    }

    fn look(&self, watch: &mut Watch) {
        let now = self.files.stamp();
        let settled = now == watch.seen;
        watch.seen = now;
        if now == watch.loaded {
            watch.failed = None;
            return;
        }
        if !settled {
            return;
        }
        // Also if it failed before: it may not have been valid yet.
        match Pair::load(&self.files, &self.provider) {
            Ok(pair) => {
                tracing::info!(expires = %pair.expires, "the TLS certificate was replaced");
                *support::lock(&self.current.0) = pair;
                watch.loaded = now;
                watch.failed = None;
            }
            Err(error) => {
                let reason = support::error_chain(&error);
                if watch.failed.as_ref() != Some(&reason) {
                    tracing::error!(
                        reason,
                        "the new TLS certificate cannot be used; the old one stays in use"
                    );
                    watch.failed = Some(reason);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use testkit::Certificate;

    #[test]
    fn the_status_does_not_wait_for_a_poll() {
        let dir = tempfile::tempdir().unwrap();
        let own = Certificate::make(dir.path(), "own");
        let tls = Tls::load(TlsFiles { certificate: own.certificate, key: own.key }).unwrap();
        // As a poll that waits for a disk.
        let _poll = tls.watch.lock().unwrap();
        let (echo, status) = channel();
        let asked = Arc::clone(&tls);
        std::thread::spawn(move || echo.send(asked.status()));
        assert!(!status.recv_timeout(Duration::from_secs(30)).unwrap().reload_failed);
    }
}
