//! The lock that only one set-up holds. The system releases it when the process ends, however that happens.
//!
//! A process that can open a file can hold a lock on it (flock(2)), with read access too. So the file is for
//! its owner alone, and the wait for it is bounded and names the process that holds it.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::error::SetupError;
use crate::progress::Progress;

/// Maximum wait for another set-up: ten times the usual duration, for a slow network.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30 * 60);
/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
const OWNER_ONLY: u32 = 0o600;
const GROUP_AND_OTHERS: u32 = 0o077;

/// Takes the lock in a checked directory; waits for another set-up, at most this long.
///
/// # Errors
/// If the file belongs to another user or cannot be used, and if the wait times out.
pub(crate) fn take(path: &Path, wait_max: Duration, progress: &mut dyn Progress) -> Result<File, SetupError> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => return close_to_others(file, path),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(source)) => return Err(failed("lock", path)(source)),
    }
    // Earlier versions made it readable for all: then any process may hold it, and a new file replaces it.
    let is_open_to_others = file.metadata().is_ok_and(|metadata| metadata.mode() & GROUP_AND_OTHERS != 0);
    if is_open_to_others && !holder(path).is_some_and(|holder| holder.is_trusted()) {
        fs::remove_file(path).map_err(failed("replace", path))?;
        return take(path, wait_max, progress);
    }
    wait(&file, path, wait_max, progress)?;
    close_to_others(file, path)
}

fn wait(file: &File, path: &Path, wait_max: Duration, progress: &mut dyn Progress) -> Result<(), SetupError> {
    let named = |holder: &Holder| holder.to_string();
    let by = holder(path).as_ref().map(|holder| format!(" ({})", named(holder))).unwrap_or_default();
    progress.detail(&format!(
        "another set-up{by} is running; waiting for at most {} minutes",
        wait_max.as_secs().div_ceil(60)
    ));
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if began.elapsed() < wait_max => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let holder = holder(path).as_ref().map(named);
                return Err(SetupError::Locked {
                    path: path.to_owned(),
                    holder,
                    waited_s: began.elapsed().as_secs(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", path)(source)),
        }
    }
}

/// Opens the file, and creates it if it is missing; through no link, and not if it belongs to another user.
fn open(path: &Path) -> Result<File, SetupError> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(OWNER_ONLY)
        .custom_flags(flags)
        .open(path)
        .map_err(failed("open", path))?;
    let metadata = file.metadata().map_err(failed("examine", path))?;
    if !metadata.is_file() {
        return Err(failed("open", path)(io::Error::other("it is not a regular file")));
    }
    ownership::check_open(path, &metadata).map_err(|source| SetupError::Untrusted { source })?;
    Ok(file)
}

fn close_to_others(file: File, path: &Path) -> Result<File, SetupError> {
    let metadata = file.metadata().map_err(failed("examine", path))?;
    if metadata.mode() & GROUP_AND_OTHERS != 0 {
        file.set_permissions(Permissions::from_mode(OWNER_ONLY)).map_err(failed("close to others", path))?;
    }
    Ok(file)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SetupError {
    SetupError::file(action, path)
}

/// The process that took the lock.
struct Holder {
    pid: u32,
    uid: u32,
    name: String,
}

impl Holder {
    fn is_trusted(&self) -> bool {
        self.uid == 0 || self.uid == rustix::process::geteuid().as_raw()
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} `{}` of uid {}", self.pid, self.name, self.uid)
    }
}

/// Finds it in proc_locks(5), by the file's inode: the device there is that of the super block, which is not
/// always the one of stat(2). `None` if it is gone and its children have the lock, or in another pid
/// namespace.
fn holder(path: &Path) -> Option<Holder> {
    let inode = fs::symlink_metadata(path).ok()?.ino();
    let pid = pid_in(&fs::read_to_string("/proc/locks").ok()?, inode)?;
    let process = Path::new("/proc").join(pid.to_string());
    let name: String =
        fs::read_to_string(process.join("comm")).ok()?.chars().filter(|c| !c.is_control()).collect();
    Some(Holder { pid, uid: fs::metadata(process).ok()?.uid(), name })
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF`; waiting ones have `->` before the kind.
fn pid_in(locks: &str, inode: u64) -> Option<u32> {
    let suffix = format!(":{inode}");
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, file, ..] = fields[..] else { return None };
        file.ends_with(&suffix).then(|| pid.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::Silent;

    /// Sends each message to a channel.
    struct ChannelProgress(mpsc::Sender<String>);

    impl Progress for ChannelProgress {
        fn step(&mut self, _index: usize, _total: usize, _name: &str) {}
        fn detail(&mut self, text: &str) {
            self.0.send(text.to_owned()).unwrap();
        }
    }

    #[test]
    fn a_second_setup_waits_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("setup.lock");
        let first = take(&path, WAIT_MAX, &mut Silent).unwrap();
        let (teller, heard) = mpsc::channel();
        let (done, is_done) = mpsc::channel();
        let second = std::thread::spawn(move || {
            let file = take(&path, WAIT_MAX, &mut ChannelProgress(teller)).unwrap();
            done.send(()).unwrap();
            drop(file);
        });
        let said = heard.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(said.contains("waiting") && said.contains("30 minutes"), "{said}");
        assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
        assert!(is_done.try_recv().is_err(), "the lock is still ours");
        drop(first);
        is_done.recv_timeout(Duration::from_secs(10)).unwrap();
        second.join().unwrap();
    }

    #[test]
    fn the_wait_has_an_end_that_names_the_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("setup.lock");
        let _first = take(&path, WAIT_MAX, &mut Silent).unwrap();
        let error = take(&path, Duration::ZERO, &mut Silent).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    }

    #[test]
    fn nobody_else_can_open_it_whatever_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("setup.lock");
        let mode = || fs::metadata(&path).unwrap().mode() & 0o7777;
        drop(take(&path, WAIT_MAX, &mut Silent).unwrap());
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        drop(take(&path, WAIT_MAX, &mut Silent).unwrap());
        assert_eq!(mode(), 0o600);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(take(&path, WAIT_MAX, &mut Silent).is_err());
        assert!(!directory.path().join("elsewhere").exists());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let error = take(&path, WAIT_MAX, &mut Silent).unwrap_err();
        assert!(matches!(error, SetupError::Untrusted { .. }), "{error}");
    }

    /// As the previous version made it.
    #[test]
    fn another_users_lock_on_a_file_that_all_can_read_holds_up_nobody() {
        use std::os::unix::process::CommandExt;
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let path = directory.path().join("setup.lock");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let mut other = std::process::Command::new("flock");
        other.arg("--shared").arg(&path).args(["sh", "-c", "echo held; exec sleep 60"]);
        let mut other = other.uid(65_534).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut word = [0; 5];
        io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut word).unwrap();
        let (teller, heard) = mpsc::channel();
        let lock = take(&path, Duration::from_secs(20), &mut ChannelProgress(teller));
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(lock.is_ok() && heard.try_recv().is_err(), "{:?}", lock.err());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    }

    #[test]
    fn the_holder_is_found_by_the_number_of_the_file() {
        let text = "1: POSIX  ADVISORY  WRITE 1 fe:00:77 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 2 fe:00:77 0 EOF\n\
            3: FLOCK  ADVISORY  WRITE 3 fe:00:177 0 EOF\n4: FLOCK  ADVISORY  READ  4 00:2d:77 0 EOF\n";
        assert_eq!(pid_in(text, 77), Some(4));
        assert_eq!(pid_in(text, 7), None);
    }
}
