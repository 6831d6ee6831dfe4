//! Ownership of containers, and the removal of what a killed service left.
//!
//! Every container is labelled with the service that made it. A running service holds a lock on a file of
//! that name in its data directory, and the kernel releases the lock however the service ends. So the next
//! service with that data directory can tell: a file that is not locked belongs to a dead service, and its
//! containers are leftovers. Containers of other running services, or of another data directory, are never
//! touched.
//!
//! An engine completes a request even if the client is gone. So a container can appear after its service
//! died, or after a request that failed on the way: the sweep looks for both again for a while.

use crate::config::Flavour;
use crate::engine::Engine;
use crate::error::EngineError;
use bollard::query_parameters::ListContainersOptionsBuilder;
use rustix::fs::{FlockOperation, OFlags, flock};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The label with the service's name.
const LABEL_OWNER: &str = "python-sandbox.owner";
/// The label with the executor's name.
const LABEL_EXECUTOR: &str = "python-sandbox.executor";

/// Modes of created files, whatever the umask.
const PARENT_MODE: u32 = 0o755;
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Time within which an engine is expected to have made what it was asked for.
const LATE_TIME_MAX: Duration = Duration::from_secs(30);

/// A running service.
#[derive(Debug)]
pub(crate) struct ContainerLease {
    pub(crate) name: String,
    directory: PathBuf,
    path: PathBuf,
    _lock: File,
    late: Mutex<Late>,
    /// Nothing of ours is left in the engine.
    ended: AtomicBool,
}

/// What is looked for again, and since when.
#[derive(Debug, Default)]
struct Late {
    /// Names of dead services.
    services: HashMap<String, Instant>,
    /// Names or ids of containers of our own; `None` until the engine has said for the first time that it has
    /// no such container.
    containers: HashMap<String, Option<Instant>>,
}

/// See [`ContainerLease::until_gone`].
#[derive(Debug)]
pub(crate) struct UntilGone<'a> {
    owner: &'a ContainerLease,
    container: Option<String>,
}

impl UntilGone<'_> {
    /// It is gone.
    pub(crate) fn settle(mut self) {
        self.container = None;
    }
}

impl Drop for UntilGone<'_> {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            self.owner.record_lost(container);
        }
    }
}

/// The labels of a container.
pub(crate) fn labels(owner: &str, flavour: Flavour) -> HashMap<String, String> {
    HashMap::from([
        (LABEL_OWNER.to_owned(), owner.to_owned()),
        (LABEL_EXECUTOR.to_owned(), flavour.name().to_owned()),
    ])
}

/// A number that no other service has.
pub(crate) fn random() -> io::Result<u64> {
    support::random_bytes().map(u64::from_le_bytes)
}

/// Makes the directory of the services' files, for this user alone: a process that can open a file there can
/// hold its lock, and so make a dead service look alive. The directories above stay readable, since Podman's
/// copy of the profile is there.
fn make_state_directory(directory: &Path) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        DirBuilder::new().recursive(true).mode(PARENT_MODE).create(parent)?;
    }
    match DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    ownership::check(directory).map(drop)?;
    // Earlier versions left the mode to the umask.
    if fs::metadata(directory)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE))?;
    }
    Ok(())
}

/// Opens the file of a service if it is valid: a regular file of ours, not through a link.
fn open_service(path: &Path) -> Option<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    (metadata.is_file() && ownership::check_open(path, &metadata).is_ok()).then_some(file)
}

impl ContainerLease {
    /// A new service; it counts as running from now on.
    pub(crate) fn start(directory: &Path) -> io::Result<Self> {
        make_state_directory(directory)?;
        let name = format!("{:016x}", random()?);
        let path = directory.join(&name);
        let lock = File::options().write(true).create_new(true).mode(FILE_MODE).open(&path)?;
        // Another service may hold it for the moment in which it checks whether we are dead.
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(Self {
            name,
            directory: directory.to_owned(),
            path,
            _lock: lock,
            late: Mutex::default(),
            ended: AtomicBool::new(false),
        })
    }

    /// Its containers are gone, as far as it knows.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Dead services of this data directory, each with its file, locked by us so that no other service cleans
    /// up after it.
    fn dead(&self) -> Vec<(String, PathBuf, File)> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let paths = entries.flatten().map(|entry| entry.path()).filter(|path| *path != self.path);
        paths
            .filter_map(|path| {
                let file = open_service(&path)?;
                let is_dead = support::try_take(&file).unwrap_or(false);
                is_dead.then_some(())?;
                Some((path.file_name()?.to_str()?.to_owned(), path, file))
            })
            .collect()
    }

    /// The name of our `serial`th container.
    pub(crate) fn container_name(&self, serial: u64) -> String {
        format!("python-sandbox-{}-{serial}", self.name)
    }

    /// A container of ours, by id or name, which the engine may or may not have.
    pub(crate) fn record_lost(&self, container: String) {
        self.late().containers.insert(container, None);
    }

    /// Records a container as lost unless it is told that it is gone, even if the caller is gone.
    pub(crate) fn until_gone(&self, container: String) -> UntilGone<'_> {
        UntilGone { owner: self, container: Some(container) }
    }

    /// Removes the containers that dead services left, and the lost ones of our own. Returns how many.
    ///
    /// # Errors
    /// The first error. The others are removed all the same.
    pub(crate) async fn sweep(&self, engine: &Engine) -> Result<usize, EngineError> {
        let (mut removed, mut failure) = (0, None);
        for (name, path, _locked) in self.dead() {
            match self.sweep_service(engine, &name).await {
                // Not earlier: a service after us must find what we could not remove.
                Ok(0) if self.is_over(&name) => {
                    let _ = fs::remove_file(path);
                    self.late().services.remove(&name);
                }
                Ok(count) => removed += count,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let lost: Vec<_> = self.late().containers.keys().cloned().collect();
        for name in lost {
            match engine.remove(&name).await {
                Ok(was_there) => {
                    removed += usize::from(was_there);
                    let mut late = self.late();
                    let since = late.containers.entry(name.clone()).or_default();
                    if was_there || since.get_or_insert_with(Instant::now).elapsed() > LATE_TIME_MAX {
                        late.containers.remove(&name);
                    }
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(removed), Err)
    }

    async fn sweep_service(&self, engine: &Engine, name: &str) -> Result<usize, EngineError> {
        let filters = HashMap::from([("label", vec![format!("{LABEL_OWNER}={name}")])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let client = engine.client().await?;
        let found =
            client.list_containers(Some(options)).await.map_err(EngineError::at("list containers"))?;
        let (mut removed, mut failure) = (0, None);
        for id in found.into_iter().filter_map(|container| container.id) {
            match engine.remove(&id).await {
                Ok(was_there) => removed += usize::from(was_there),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(removed), Err)
    }

    /// Whether a dead service was swept for long enough.
    fn is_over(&self, service: &str) -> bool {
        let mut late = self.late();
        late.services.entry(service.to_owned()).or_insert_with(Instant::now).elapsed() > LATE_TIME_MAX
    }

    fn late(&self) -> MutexGuard<'_, Late> {
        support::lock(&self.late)
    }
}

impl Drop for ContainerLease {
    fn drop(&mut self) {
        // If one got lost, or was not waited for, the next service has to look for it.
        if self.ended.load(Ordering::Relaxed) && self.late().containers.is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]
mod tests {
    use super::*;

    #[test]
    fn its_files_are_for_this_user_alone() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("docker/gvisor");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let first = ContainerLease::start(&directory).unwrap();
        assert_eq!((mode(&directory), mode(&first.path)), (DIRECTORY_MODE, FILE_MODE));
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        ContainerLease::start(&directory).unwrap();
        assert_eq!(mode(&directory), DIRECTORY_MODE, "one of an earlier version is closed");
        std::os::unix::fs::symlink("/etc/hostname", directory.join("link")).unwrap();
        let names: Vec<_> = first.dead().into_iter().map(|(name, ..)| name).collect();
        assert!(!names.contains(&"link".to_owned()), "{names:?}");
        fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
        let error = ContainerLease::start(&directory).unwrap_err();
        assert!(error.to_string().contains("everybody may write"), "{error}");
    }

    #[test]
    fn only_those_whose_lock_is_free_are_dead() {
        let directory = tempfile::tempdir().unwrap();
        let living = ContainerLease::start(directory.path()).unwrap();
        // As a killed service leaves it: the file without the lock.
        fs::write(directory.path().join("killed"), "").unwrap();
        let other = ContainerLease::start(directory.path()).unwrap();
        let dead: Vec<_> = other.dead().into_iter().map(|(name, ..)| name).collect();
        assert_eq!(dead, ["killed"]);
        let name = living.name.clone();
        living.end();
        drop(living);
        assert!(!directory.path().join(name).exists(), "an orderly end leaves nothing");
        let lost = ContainerLease::start(directory.path()).unwrap();
        drop(lost.until_gone("container".to_owned()));
        lost.end();
        for unfinished in [lost, other] {
            let path = unfinished.path.clone();
            drop(unfinished);
            assert!(path.exists(), "the next service has to look for what is left");
        }
    }
}
