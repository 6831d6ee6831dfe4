//! Errors of the engine.

use std::io;
use std::path::PathBuf;
use support::error_chain;

/// Maximum length in bytes of an engine's message: Podman repeats a whole seccomp profile.
const OUTPUT_BYTES_MAX: usize = 600;

/// Why the engine cannot be used. Each message says how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Nothing listens there, and nothing has.
    #[error(
        "there is no Docker engine at {address} (hint: install it with `apt-get install docker.io` and start it with \
         `systemctl start docker`, or name another in DOCKER_HOST)"
    )]
    Missing {
        /// Where.
        address: String,
    },
    /// Something has listened there before.
    #[error("the Docker engine at {address} does not answer (hint: start it with `systemctl start docker`)")]
    Stopped {
        /// Where.
        address: String,
        /// The error of connecting.
        source: io::Error,
    },
    /// No permission to connect.
    #[error(
        "the Docker engine at {address} refuses this user (hint: `usermod -aG docker USER` and log in again, or use a \
         rootless engine with DOCKER_HOST)"
    )]
    Refused {
        /// Where.
        address: String,
    },
    /// An invalid address.
    #[error("DOCKER_HOST = `{address}` is invalid (hint: unix:///path/to/socket, or tcp://host:port)")]
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
    /// The engine requires TLS.
    #[error(
        "the Docker engine at {address} requires TLS (hint: set DOCKER_TLS_VERIFY to true and DOCKER_CERT_PATH to the \
         directory with ca.pem, cert.pem and key.pem)"
    )]
    WantsTls {
        /// Where.
        address: String,
    },
    /// One of the service's TLS files is unusable.
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
        /// The fix.
        hint: &'static str,
    },
    /// The engine's disk is full.
    #[error(
        "the Docker engine failed to {step} because its disk is full (hint: free space below its `Docker Root Dir`, see \
         `docker info`, such as with `docker system prune`): {words}"
    )]
    DiskFull {
        /// The step, in the infinitive.
        step: &'static str,
        /// Its answer.
        words: String,
    },
    /// The engine ignores limits that are requested of it.
    #[error("the Docker engine does not enforce the limits of {missing} (hint: {hint})")]
    Unlimited {
        /// Which limits.
        missing: String,
        /// The fix.
        hint: &'static str,
    },
    /// The engine answered with an error.
    #[error("the Docker engine failed to {step}")]
    Api {
        /// The step, in the infinitive.
        step: &'static str,
        /// Its answer.
        #[source]
        source: bollard::errors::Error,
    },
    /// There is no such image.
    #[error("the engine has no image `{image}` (hint: build it with `python-sandbox image build`)")]
    ImageMissing {
        /// Its name.
        image: String,
    },
    /// An image of something else.
    #[error(
        "the image `{image}` is not a sandbox image: it lacks the label {label} (hint: make one with `python-sandbox \
         image build`, or name another in DOCKER_IMAGE)"
    )]
    ImageForeign {
        /// Its name.
        image: String,
        /// The missing label.
        label: String,
    },
    /// An image of another version of this program.
    #[error(
        "the image `{image}` contains the guest agent of another version (hint: rebuild it with `python-sandbox image \
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
        /// The known runtimes.
        known: String,
    },
}

impl EngineError {
    /// An error answer of the engine at a step.
    pub(crate) fn at(step: &'static str) -> impl FnOnce(bollard::errors::Error) -> Self {
        move |mut source| {
            if let bollard::errors::Error::DockerResponseServerError { message, .. } = &mut source {
                shorten(message);
            }
            let words = error_chain(&source);
            if is_disk_full(&words) { Self::DiskFull { step, words } } else { Self::Api { step, source } }
        }
    }

    /// Whether the engine itself answered, so that it does nothing more of what it was asked. A proxy answers
    /// with 502, 503 or 504 (RFC 9110, 15.6) while the engine may still do it.
    pub(crate) fn is_answer(&self) -> bool {
        use bollard::errors::Error::DockerResponseServerError;
        matches!(self, Self::Api { source: DockerResponseServerError { status_code, .. }, .. }
            if !(502..=504).contains(status_code))
    }

    /// The engine's words, if it or its runtime lacks what it was asked for.
    pub(crate) fn no_support(&self) -> Option<&str> {
        use bollard::errors::Error::DockerResponseServerError;
        match self {
            Self::Api { source: DockerResponseServerError { status_code, message }, .. } => {
                let lacks = ["not supported", "not implemented", "unsupported"];
                let is_lacking = *status_code == 501 || lacks.iter().any(|words| message.contains(words));
                is_lacking.then_some(message.as_str())
            }
            _ => None,
        }
    }
}

/// Leaves out the middle: both the attempt and the cause of its failure matter.
fn shorten(message: &mut String) {
    if message.len() > OUTPUT_BYTES_MAX {
        let begin = message.floor_char_boundary(OUTPUT_BYTES_MAX / 2);
        let end = message.ceil_char_boundary(message.len() - OUTPUT_BYTES_MAX / 2);
        message.replace_range(begin..end, " ... ");
    }
}

/// ENOSPC and EDQUOT in an engine's message. The kernel reports the first for cgroups too, whose number is
/// limited.
fn is_disk_full(words: &str) -> bool {
    ["no space left on device", "disk quota exceeded"].iter().any(|text| words.contains(text))
        && !words.contains("cgroup")
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_runtime_that_lacks_something_is_told_from_one_that_fails() {
        let at = |status_code, message: &str| {
            let message = message.to_owned();
            EngineError::at("pause a container")(bollard::errors::Error::DockerResponseServerError {
                status_code,
                message,
            })
        };
        for (status, words) in [
            (500, "Cannot pause container 9c73: Pause: not implemented: unknown"),
            (500, "pause is not supported for cgroupv1 rootless containers"),
            (501, "no"),
        ] {
            assert_eq!(at(status, words).no_support(), Some(words));
        }
        assert_eq!(at(409, "Container 9c73 is not running").no_support(), None);
        assert!(at(500, "x").is_answer());
        let silent = EngineError::Stopped { address: String::new(), source: io::ErrorKind::TimedOut.into() };
        assert!(!silent.is_answer() && silent.no_support().is_none());
    }

    #[test]
    fn an_engine_that_says_too_much_is_cut_in_the_middle() {
        let mut words = format!("open {}é: file name too long", "é".repeat(9000));
        shorten(&mut words);
        assert!(words.len() < 700 && words.starts_with("open é") && words.ends_with("too long"), "{words}");
    }
}
