//! The sandbox image: a root file system with the guest agent in it, and labels that describe it.
//!
//! It is imported whole from the runtime that `python-sandbox setup` prepared (or an operator's own root file
//! system), so no registry is needed and every executor runs the same packages. An image made another way,
//! such as with `sandbox-image/Dockerfile`, is equivalent if it has the agent and the labels; without the
//! label of the agent's digest, which no Dockerfile can compute, the agent in it is inspected.

use crate::config::EngineAddress;
use crate::container;
use crate::container_lease::ContainerLease;
use crate::engine::Engine;
use crate::error::EngineError;
use bollard::Docker;
use bollard::models::{ContainerCreateBody, CreateImageInfo, HostConfig, ImageConfig};
use bollard::query_parameters::{CreateImageOptionsBuilder, DownloadFromContainerOptionsBuilder};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// Path of the agent in the image.
pub(crate) const AGENT_PATH: &str = "/usr/libexec/python-sandbox/agent";
/// Labels. Those of the environment end with the variable's name.
const LABEL_AGENT: &str = "python-sandbox.agent";
const LABEL_INTERPRETER: &str = "python-sandbox.interpreter";
const LABEL_RUNTIME: &str = "python-sandbox.runtime";
const LABEL_ENV: &str = "python-sandbox.env.";

/// Bytes of one chunk on the way to the engine, and the number of chunks in flight.
const PIECE_BYTES: usize = 256 * 1024;
const PIECES_MAX: usize = 8;
/// Maximum overhead of an archive of one file: header, padding, and end marker.
const ARCHIVE_MORE_BYTES: usize = 64 * 1024;
/// Timeout for the engine to take an image: it writes hundreds of megabytes.
const BUILD_TIME_MAX: Duration = Duration::from_secs(1800);

/// Facts about the engine and the image that making containers needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) image_id: String,
    pub(crate) interpreter: String,
    pub(crate) env: Vec<(String, String)>,
    /// The engine maps users into a namespace, or is rootless.
    pub(crate) maps_users: bool,
    /// The engine's CPUs.
    pub(crate) cpus: u32,
    /// The engine's kernel.
    pub(crate) kernel: String,
    /// The engine can limit swap.
    pub(crate) limits_swap: bool,
    /// Podman behind Docker's API.
    pub(crate) podman: bool,
}

/// The source of an image.
#[derive(Debug, Clone)]
pub struct ImageSource {
    /// The tree that programs run in.
    pub rootfs: PathBuf,
    /// The interpreter, absolute path inside it.
    pub interpreter: String,
    /// The runtime's environment for programs.
    pub env: Vec<(String, String)>,
    /// The runtime's name.
    pub runtime_id: String,
}

/// Progress of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildStep {
    /// This number of files and bytes was sent to the engine.
    Sent {
        /// Files.
        files: u64,
        /// Bytes.
        bytes: u64,
    },
    /// The engine is processing the archive.
    Storing,
}

/// Why an image could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The tree could not be read.
    #[error("failed to read the root file system at {path}")]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The agent's digest: image and service must agree.
fn agent_digest() -> String {
    support::sha256_hex(agent_image::AGENT)
}

/// The digest of an image's agent according to its label, if it has that label.
pub(crate) fn labelled_agent(config: Option<&ImageConfig>) -> Option<String> {
    config?.labels.as_ref()?.get(LABEL_AGENT).cloned()
}

/// The digest of the agent in an image, found by inspection; empty if it has none. A container is made for
/// that, since an engine shows files of containers only, and never started.
pub(crate) async fn find_agent(
    engine: &Engine,
    owner: &ContainerLease,
    name: String,
    image_id: &str,
    labels: HashMap<String, String>,
) -> Result<String, EngineError> {
    let client = engine.client().await?;
    let body = ContainerCreateBody {
        image: Some(image_id.to_owned()),
        entrypoint: Some(vec![AGENT_PATH.to_owned()]),
        labels: Some(labels),
        network_disabled: Some(true),
        host_config: Some(HostConfig { network_mode: Some("none".to_owned()), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let id = container::create(&client, owner, name, body).await?;
    let container = owner.until_gone(id.clone());
    // The engine does not remove a container whose files it is still sending, so the stream must be closed
    // before.
    let found = read_agent(&client, &id).await;
    engine.remove(&id).await?;
    container.settle();
    found
}

async fn read_agent(client: &Docker, container: &str) -> Result<String, EngineError> {
    let options = DownloadFromContainerOptionsBuilder::new().path(AGENT_PATH).build();
    let mut pieces = std::pin::pin!(client.download_from_container(container, Some(options)));
    let mut archive = Vec::new();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => archive.extend_from_slice(&piece),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => {
                return Ok(String::new());
            }
            Err(source) => return Err(EngineError::at("show the image's agent")(source)),
        }
        // A longer file is another agent; which one does not matter.
        if archive.len() > agent_image::AGENT.len() + ARCHIVE_MORE_BYTES {
            return Ok(String::new());
        }
    }
    Ok(digest_of_first(&archive))
}

/// The digest of the first file of an archive; empty if there is none.
fn digest_of_first(archive: &[u8]) -> String {
    let first = || {
        let mut bytes = Vec::new();
        // A longer one is another agent; the header gives a sparse file's length.
        let longest = agent_image::AGENT.len() as u64 + 1;
        tar::Archive::new(archive)
            .entries()
            .ok()?
            .next()?
            .ok()?
            .take(longest)
            .read_to_end(&mut bytes)
            .ok()?;
        Some(support::sha256_hex(&bytes))
    };
    first().unwrap_or_default()
}

/// The facts of an image, from its labels and the digest of its agent; `None` skips the check of the digest.
pub(crate) fn facts(
    image: &str,
    id: String,
    config: Option<&ImageConfig>,
    agent: Option<&str>,
) -> Result<Facts, EngineError> {
    let labels = config.and_then(|config| config.labels.clone()).unwrap_or_default();
    if agent.is_some_and(|agent| agent != agent_digest()) {
        return Err(EngineError::ImageOutdated { image: image.to_owned() });
    }
    let interpreter = labels.get(LABEL_INTERPRETER).cloned().ok_or_else(|| EngineError::ImageForeign {
        image: image.to_owned(),
        label: LABEL_INTERPRETER.to_owned(),
    })?;
    let mut env: Vec<_> = labels
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(LABEL_ENV)?.to_owned(), value.clone())))
        .collect();
    env.sort();
    Ok(Facts { image_id: id, interpreter, env, ..Facts::default() })
}

/// The labels as lines of a Dockerfile, the form in which the engine takes them with an import.
fn changes(source: &ImageSource) -> Vec<String> {
    let mut labels = vec![
        (LABEL_AGENT.to_owned(), agent_digest()),
        (LABEL_INTERPRETER.to_owned(), source.interpreter.clone()),
        (LABEL_RUNTIME.to_owned(), source.runtime_id.clone()),
    ];
    labels.extend(source.env.iter().map(|(name, value)| (format!("{LABEL_ENV}{name}"), value.clone())));
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
    let mut lines: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("LABEL \"{}\"=\"{}\"", quoted(name), quoted(value)))
        .collect();
    lines.push(format!("ENTRYPOINT [\"{AGENT_PATH}\"]"));
    // By hand it runs as an ordinary user, too; the executor gives each container its own user.
    lines.push("USER 65534:65534".to_owned());
    lines
}

/// Builds the image `name` on an engine, from a tree on this host.
///
/// # Errors
/// [`BuildError`].
pub async fn build_image(
    address: &EngineAddress,
    name: &str,
    source: &ImageSource,
    progress: impl Fn(BuildStep) + Send + Sync + 'static,
) -> Result<String, BuildError> {
    let engine = Engine::new(address, BUILD_TIME_MAX);
    let client = engine.client().await?;
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
    };
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repository)
        .tag(tag)
        .message("made by python-sandbox image build")
        .changes(changes(source))
        .build();
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let rootfs = source.rootfs.clone();
    let reader = tokio::task::spawn_blocking(move || {
        let result = write_tree(&rootfs, PieceWriter::new(sender.clone()), &progress);
        if let Err(error) = &result {
            // The engine must not take half a tree for a complete one.
            let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
        }
        result.map_err(|source| BuildError::Read { path: rootfs, source })
    });
    let body = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    // The client sends all changes as the lines of one, which Docker splits and Podman does not.
    let client = client.with_request_modifier(|mut request| {
        if let Ok(apart) = request.uri().to_string().replace("%0A", "&changes=").parse() {
            *request.uri_mut() = apart;
        }
        request
    });
    let mut answers =
        std::pin::pin!(client.create_image(Some(options), Some(bollard::body_try_stream(body)), None));
    let mut id = String::new();
    let mut failure = None;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(CreateImageInfo { status: Some(status), .. }) => id = status,
            Ok(_) => {}
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    match (reader.await, failure) {
        // A tree that cannot be read is the cause of the engine's failure, not the other way round.
        (Ok(Err(BuildError::Read { path, source })), _) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(BuildError::Read { path, source })
        }
        (_, Some(source)) => Err(EngineError::at("import the image")(source).into()),
        (Ok(Err(error)), None) => Err(error),
        _ => Ok(id),
    }
}

/// Writes the tree and the agent as one archive. Everything belongs to root, and only root may write.
///
/// # Errors
/// If the tree cannot be read, or the archive not written.
pub fn write_tree(rootfs: &Path, to: impl Write, progress: &dyn Fn(BuildStep)) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    archive.follow_symlinks(false);
    let (mut files, mut bytes) = (0u64, 0u64);
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        let mut entries = fs::read_dir(rootfs.join(&directory))?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (directory.join(entry.file_name()), entry.file_type()?);
            let metadata = fs::symlink_metadata(entry.path())?;
            let mut header = tar::Header::new_gnu();
            header.set_metadata_in_mode(&metadata, tar::HeaderMode::Deterministic);
            if kind.is_dir() {
                header.set_size(0);
                if path == Path::new("tmp") {
                    // What Podman mounts there gets the mode of the directory below.
                    header.set_mode(0o1777);
                }
                archive.append_data(&mut header, &path, io::empty())?;
                pending.push(path);
            } else if kind.is_symlink() {
                header.set_size(0);
                archive.append_link(&mut header, &path, fs::read_link(entry.path())?)?;
            } else if kind.is_file() {
                archive.append_data(&mut header, &path, fs::File::open(entry.path())?)?;
                files += 1;
                bytes += metadata.len();
                if files.is_multiple_of(500) {
                    progress(BuildStep::Sent { files, bytes });
                }
            }
        }
    }
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o555);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(agent_image::AGENT.len() as u64);
    archive.append_data(&mut header, AGENT_PATH.trim_start_matches('/'), agent_image::AGENT)?;
    archive.into_inner()?.flush()?;
    progress(BuildStep::Sent { files, bytes });
    progress(BuildStep::Storing);
    Ok(())
}

/// Passes what is written on to the request's body.
struct PieceWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl PieceWriter {
    fn new(sender: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { sender, piece: Vec::with_capacity(PIECE_BYTES) }
    }
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]
mod tests {
    use super::*;

    fn config(labels: &[(&str, &str)]) -> ImageConfig {
        let labels: HashMap<_, _> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ImageConfig { labels: Some(labels), ..ImageConfig::default() }
    }

    #[test]
    fn labels_tell_our_image_from_an_old_one_and_a_strangers() {
        let digest = agent_digest();
        let ours =
            config(&[(LABEL_AGENT, &digest), (LABEL_INTERPRETER, "/python"), ("python-sandbox.env.A", "b")]);
        let facts = |config: &ImageConfig| {
            let agent = labelled_agent(Some(config));
            facts("image", "id".to_owned(), Some(config), agent.as_deref())
        };
        let found = facts(&ours).unwrap();
        assert_eq!((found.interpreter.as_str(), found.env.len()), ("/python", 1));
        let old = facts(&config(&[(LABEL_AGENT, "0"), (LABEL_INTERPRETER, "/python")])).unwrap_err();
        assert!(old.to_string().contains("another version") && old.to_string().contains("image build"));
        let foreign = facts(&config(&[])).unwrap_err().to_string();
        assert!(foreign.contains("not a sandbox image") && foreign.contains("image build"), "{foreign}");
    }

    #[test]
    fn a_value_cannot_leave_its_label() {
        let source = ImageSource {
            rootfs: "/".into(),
            interpreter: "/a\"b$C\\d".to_owned(),
            env: Vec::new(),
            runtime_id: String::new(),
        };
        assert!(changes(&source).contains(&r#"LABEL "python-sandbox.interpreter"="/a\"b\$C\\d""#.to_owned()));
    }

    #[test]
    fn the_archive_holds_the_tree_and_the_agent_and_belongs_to_root() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("d")).unwrap();
        fs::create_dir(tree.path().join("tmp")).unwrap();
        fs::write(tree.path().join("d/file"), "x").unwrap();
        std::os::unix::fs::symlink("d/file", tree.path().join("link")).unwrap();
        let (sender, mut receiver) = mpsc::channel(1000);
        write_tree(tree.path(), PieceWriter::new(sender), &|_| ()).unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = receiver.blocking_recv() {
            bytes.extend_from_slice(&piece.unwrap());
        }
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                assert_eq!((entry.header().uid().unwrap(), entry.header().gid().unwrap()), (0, 0));
                let writable = entry.header().mode().unwrap() & 0o022 != 0;
                assert_eq!(writable, entry.path().unwrap() == Path::new("tmp"), "by others");
                entry.path().unwrap().display().to_string()
            })
            .collect();
        names.sort();
        assert_eq!(names, ["d", "d/file", "link", "tmp", AGENT_PATH.trim_start_matches('/')]);
    }

    #[test]
    fn the_dockerfile_says_what_programs_get() {
        let tree = tempfile::tempdir().unwrap();
        for directory in ["proc", "dev", "sys", "tmp", "usr/bin", "usr/lib/python3.13"] {
            fs::create_dir_all(tree.path().join(directory)).unwrap();
        }
        for file in ["usr/bin/python3", "usr/lib/python3.13/os.py"] {
            fs::write(tree.path().join(file), "").unwrap();
        }
        let runtime = runtime::Runtime::from_rootfs(tree.path()).unwrap();
        let dockerfile = include_str!("../../../sandbox-image/Dockerfile");
        let mut wanted: Vec<_> = runtime
            .env
            .iter()
            .map(|(name, value)| format!("{LABEL_ENV}{name}=\"{value}\""))
            .chain([format!("{LABEL_INTERPRETER}=\"{}\"", runtime.interpreter)])
            .collect();
        wanted.sort();
        let words = dockerfile.split_whitespace();
        let mut said: Vec<_> = words.filter(|word| word.starts_with("python-sandbox.")).collect();
        said.sort_unstable();
        assert_eq!(said, wanted);
        assert!(dockerfile.contains(&format!("ENTRYPOINT [\"{AGENT_PATH}\"]")));
    }

    #[test]
    fn the_first_file_of_an_archive_is_the_agent() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(agent_image::AGENT.len() as u64);
        archive.append_data(&mut header, "agent", agent_image::AGENT).unwrap();
        let archive = archive.into_inner().unwrap();
        assert!(archive.len() <= agent_image::AGENT.len() + ARCHIVE_MORE_BYTES);
        assert_eq!(digest_of_first(&archive), agent_digest());
        assert_ne!(digest_of_first(&archive[..archive.len() / 2]), agent_digest());
        assert_eq!(digest_of_first(b"no archive"), "");
    }
}
