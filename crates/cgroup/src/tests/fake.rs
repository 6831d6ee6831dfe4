//! A v2 tree on plain directories that behaves like the kernel's as far as these tests need, and operations
//! that fail at a chosen step.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use super::unique;
use crate::group::path_of;
use crate::layout::Layout;
use crate::ops::{HostOps, Ops};

/// The root of a fake tree; removed when dropped.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: PathBuf,
}

impl Tree {
    /// `is_true_root` as on a host, else as in a container's own cgroup namespace.
    pub(super) fn new(is_true_root: bool) -> Self {
        let root = std::env::temp_dir().join(unique("fake-cgroup2"));
        fs::create_dir(&root).unwrap();
        populate(&root, "cpu memory pids io").unwrap();
        if is_true_root {
            fs::remove_file(root.join("cgroup.type")).unwrap();
        }
        Self { root }
    }

    /// What detection finds for root whose own group is the top of the tree.
    pub(super) fn layout(&self) -> Layout {
        let mounts = format!("1 1 0:1 / {} rw - cgroup2 cgroup2 rw\n", self.root.display());
        struct AsRoot;
        impl crate::FsView for AsRoot {
            fn euid(&self) -> u32 {
                0
            }
            fn exists(&self, path: &Path) -> bool {
                path.exists()
            }
            fn writable(&self, path: &Path) -> bool {
                path.exists()
            }
            fn read(&self, path: &Path) -> io::Result<String> {
                fs::read_to_string(path)
            }
            fn is_delegated(&self, _: &Path) -> bool {
                false
            }
            fn in_container(&self) -> bool {
                false
            }
            fn is_unit(&self) -> bool {
                false
            }
            fn command(&self) -> &str {
                "serve"
            }
            fn container_options(&self) -> &str {
                "--the-options"
            }
        }
        Layout::detect("0::/\n", &mounts, &AsRoot, None).unwrap()
    }

    pub(super) fn put(&self, group: &str, file: &str, text: &str) {
        fs::write(self.root.join(group).join(file), text).unwrap();
    }

    pub(super) fn text(&self, group: impl AsRef<Path>, file: &str) -> String {
        fs::read_to_string(self.root.join(group).join(file)).unwrap()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).unwrap();
    }
}

/// Creates the files that the kernel would.
fn populate(dir: &Path, controllers: &str) -> io::Result<()> {
    let mut files = vec![
        ("cgroup.type", "domain\n"),
        ("cgroup.controllers", controllers),
        ("cgroup.subtree_control", ""),
        ("cgroup.procs", ""),
        ("cgroup.kill", ""),
        ("cgroup.freeze", "0\n"),
        ("cgroup.events", "populated 0\nfrozen 0\n"),
        ("cpu.stat", "usage_usec 1234\nuser_usec 1000\nsystem_usec 234\n"),
    ];
    for controller in controllers.split_whitespace() {
        match controller {
            "memory" => files.extend([
                ("memory.max", "max\n"),
                ("memory.swap.max", "max\n"),
                ("memory.oom.group", "0\n"),
                ("memory.peak", "4096\n"),
                ("memory.stat", "anon 1\nfile 4000\ninactive_file 1024\nactive_file 1\nshmem 7\n"),
                ("memory.events", "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n"),
            ]),
            "pids" => files.extend([("pids.max", "max\n"), ("pids.peak", "3\n"), ("pids.events", "max 2\n")]),
            "cpu" => files.push(("cpu.max", "max 100000\n")),
            "io" => files.push(("io.max", "")),
            _ => {}
        }
    }
    files.into_iter().try_for_each(|(name, text)| fs::write(dir.join(name), text))
}

/// What a reader of `memory.peak` who has reset it finds there.
pub(super) const PEAK_AFTER_RESET: &str = "memory.peak after a reset";

/// The operations on a [`Tree`].
#[derive(Debug, Default)]
pub(super) struct FakeOps {
    /// Files that this "kernel" does not have.
    pub(super) lacks: &'static [&'static str],
    /// Files that accept a value and hold another one.
    pub(super) ignores: &'static [&'static str],
    /// How many new instances a sweeper removes just before they are locked.
    pub(super) swept_count: AtomicUsize,
    /// Every write, as `<file>=<value>`.
    pub(super) writes: Mutex<Vec<String>>,
    /// Whether `memory.peak` can be reset, as since Linux 6.12: a reader that has reset it reads
    /// [`PEAK_AFTER_RESET`].
    pub(super) resets_peak: bool,
    /// How often removing an empty group fails as busy.
    pub(super) busy_count: AtomicUsize,
}

impl FakeOps {
    fn text(dir: &Path, file: &str) -> io::Result<String> {
        fs::read_to_string(dir.join(file))
    }

    fn put(&self, dir: &Path, file: &str, value: &str) -> io::Result<()> {
        self.writes.lock().unwrap().push(format!("{file}={value}"));
        let path = dir.join(file);
        if self.ignores.contains(&file) {
            return Ok(());
        }
        if !path.exists() || self.lacks.contains(&file) {
            return Err(Errno::NOENT.into());
        }
        let is_true_root = !dir.join("cgroup.type").exists();
        match file {
            "cgroup.subtree_control" => {
                let available = Self::text(dir, "cgroup.controllers")?;
                if !is_true_root && !Self::text(dir, "cgroup.procs")?.is_empty() {
                    return Err(Errno::BUSY.into());
                }
                let mut enabled: Vec<String> =
                    Self::text(dir, file)?.split_whitespace().map(str::to_owned).collect();
                for name in value.split_whitespace().filter_map(|name| name.strip_prefix('+')) {
                    if !available.split_whitespace().any(|other| other == name) {
                        return Err(Errno::NOENT.into());
                    }
                    enabled.push(name.to_owned());
                }
                // Existing children get the controller and its files.
                for child in child_dirs(dir)? {
                    fs::write(child.join("cgroup.controllers"), enabled.join(" "))?;
                    if enabled.iter().any(|name| name == "io") && !self.lacks.contains(&"io.max") {
                        fs::write(child.join("io.max"), "")?;
                    }
                }
                fs::write(path, enabled.join(" ") + "\n")
            }
            "cgroup.procs" => {
                if !is_true_root && !Self::text(dir, "cgroup.subtree_control")?.trim().is_empty() {
                    return Err(Errno::BUSY.into());
                }
                let parent = dir.parent().expect("a group is in a tree");
                let others = Self::text(parent, file).unwrap_or_default();
                let others: String =
                    others.lines().filter(|pid| *pid != value).map(|pid| format!("{pid}\n")).collect();
                fs::write(parent.join(file), others)?;
                fs::write(&path, Self::text(dir, file)? + value + "\n")
            }
            "cgroup.kill" => {
                fs::write(dir.join("cgroup.procs"), "")?;
                for child in child_dirs(dir)? {
                    self.put(&child, file, value)?;
                }
                Ok(())
            }
            "cgroup.freeze" => {
                fs::write(path, format!("{value}\n"))?;
                fs::write(dir.join("cgroup.events"), format!("populated 1\nfrozen {value}\n"))
            }
            "memory.max" => {
                let bytes: u64 = value.parse().map_err(|_| io::Error::from(Errno::INVAL))?;
                fs::write(path, format!("{}\n", bytes / 4096 * 4096))
            }
            _ => fs::write(path, format!("{value}\n")),
        }
    }
}

/// Counts down; false at zero.
fn take_one(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)).is_ok()
}

fn child_dirs(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: io::Result<Vec<_>> = fs::read_dir(dir)?.collect();
    Ok(entries?.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

impl Ops for FakeOps {
    fn open_dir(&self, at: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
        HostOps.open_dir(at, path)
    }
    fn make_dir(&self, at: BorrowedFd<'_>, name: &str, mode: u32) -> io::Result<()> {
        HostOps.make_dir(at, name, mode)?;
        let parent = path_of(at);
        populate(&parent.join(name), &Self::text(&parent, "cgroup.subtree_control")?)?;
        for file in self.lacks {
            let _was_not_there = fs::remove_file(parent.join(name).join(file));
        }
        Ok(())
    }
    fn remove_dir(&self, at: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        // `CWD` has no entry in /proc/self/fd; it is never used with a relative name here.
        assert!(at.as_raw_fd() >= 0);
        let dir = path_of(at).join(name);
        if !child_dirs(&dir)?.is_empty() || !Self::text(&dir, "cgroup.procs")?.is_empty() {
            return Err(Errno::BUSY.into());
        }
        if take_one(&self.busy_count) {
            return Err(Errno::BUSY.into());
        }
        fs::remove_dir_all(dir)
    }
    fn child_dirs(&self, dir: BorrowedFd<'_>) -> io::Result<Vec<String>> {
        HostOps.child_dirs(dir)
    }
    fn read(&self, dir: BorrowedFd<'_>, file: &str) -> io::Result<String> {
        HostOps.read(dir, file)
    }
    fn write(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<()> {
        self.put(&path_of(dir), file, value)
    }
    fn write_then_read(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<String> {
        self.put(&path_of(dir), file, value)?;
        HostOps.read(dir, file)
    }
    fn open_and_write(&self, dir: BorrowedFd<'_>, file: &str, _: &str) -> io::Result<OwnedFd> {
        assert_eq!(file, "memory.peak", "nothing else is kept open");
        if !self.resets_peak {
            return Err(Errno::INVAL.into());
        }
        let own = path_of(dir).join(PEAK_AFTER_RESET);
        fs::write(&own, "0\n")?;
        Ok(fs::File::open(own)?.into())
    }
    fn read_open(&self, file: BorrowedFd<'_>) -> io::Result<String> {
        HostOps.read_open(file)
    }
    fn open_for_write(&self, dir: BorrowedFd<'_>, file: &str) -> io::Result<OwnedFd> {
        HostOps.open_for_write(dir, file)
    }
    fn try_lock(&self, dir: BorrowedFd<'_>) -> io::Result<bool> {
        if take_one(&self.swept_count) {
            fs::remove_dir_all(path_of(dir))?;
        }
        HostOps.try_lock(dir)
    }
    fn pidfd(&self, _pid: i32) -> io::Result<Option<OwnedFd>> {
        // The processes of a fake tree are numbers; never touch a real one.
        Ok(None)
    }
    fn kill(&self, _pidfd: BorrowedFd<'_>) -> io::Result<()> {
        Err(Errno::PERM.into())
    }
}

/// Operations that fail once, at a chosen step, without doing it.
#[derive(Debug)]
pub(super) struct Faulty {
    inner: Arc<dyn Ops>,
    steps_left: AtomicUsize,
    armed: AtomicBool,
    /// A file, and what every reader finds in it.
    claims: Mutex<Option<(&'static str, &'static str)>>,
}

impl Faulty {
    pub(super) fn new(inner: Arc<dyn Ops>) -> Arc<Self> {
        let (steps_left, armed) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { inner, steps_left, armed, claims: Mutex::default() })
    }

    /// Lets every reader of `file` find `text`; `None` for the truth.
    pub(super) fn claim(&self, claim: Option<(&'static str, &'static str)>) {
        *self.claims.lock().unwrap() = claim;
    }

    /// Makes the step after `steps` more ones fail.
    pub(super) fn arm(&self, steps: usize) {
        self.steps_left.store(steps, Ordering::SeqCst);
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Disarms; true if the fault occurred.
    pub(super) fn fired(&self) -> bool {
        !self.armed.swap(false, Ordering::SeqCst)
    }

    /// Suspends the fault; pass the result to [`Self::resume`].
    pub(super) fn suspend(&self) -> bool {
        self.armed.swap(false, Ordering::SeqCst)
    }

    pub(super) fn resume(&self, was_armed: bool) {
        self.armed.store(was_armed, Ordering::SeqCst);
    }

    fn step(&self) -> io::Result<()> {
        if !self.armed.load(Ordering::SeqCst) {
            return Ok(());
        }
        if self.steps_left.load(Ordering::SeqCst) == 0 {
            self.armed.store(false, Ordering::SeqCst);
            return Err(Errno::IO.into());
        }
        self.steps_left.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Ops for Faulty {
    fn open_dir(&self, at: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
        self.step()?;
        self.inner.open_dir(at, path)
    }
    fn make_dir(&self, at: BorrowedFd<'_>, name: &str, mode: u32) -> io::Result<()> {
        self.step()?;
        self.inner.make_dir(at, name, mode)
    }
    fn remove_dir(&self, at: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        self.step()?;
        self.inner.remove_dir(at, name)
    }
    fn child_dirs(&self, dir: BorrowedFd<'_>) -> io::Result<Vec<String>> {
        self.step()?;
        self.inner.child_dirs(dir)
    }
    fn read(&self, dir: BorrowedFd<'_>, file: &str) -> io::Result<String> {
        self.step()?;
        match *self.claims.lock().unwrap() {
            Some((claimed, text)) if claimed == file => Ok(text.to_owned()),
            _ => self.inner.read(dir, file),
        }
    }
    fn write(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<()> {
        self.step()?;
        self.inner.write(dir, file, value)
    }
    fn write_then_read(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<String> {
        self.step()?;
        self.inner.write_then_read(dir, file, value)
    }
    fn open_and_write(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<OwnedFd> {
        self.step()?;
        self.inner.open_and_write(dir, file, value)
    }
    fn read_open(&self, file: BorrowedFd<'_>) -> io::Result<String> {
        self.step()?;
        self.inner.read_open(file)
    }
    fn open_for_write(&self, dir: BorrowedFd<'_>, file: &str) -> io::Result<OwnedFd> {
        self.step()?;
        self.inner.open_for_write(dir, file)
    }
    fn try_lock(&self, dir: BorrowedFd<'_>) -> io::Result<bool> {
        self.step()?;
        self.inner.try_lock(dir)
    }
    fn pidfd(&self, pid: i32) -> io::Result<Option<OwnedFd>> {
        self.step()?;
        self.inner.pidfd(pid)
    }
    fn kill(&self, pidfd: BorrowedFd<'_>) -> io::Result<()> {
        self.step()?;
        self.inner.kill(pidfd)
    }
}
