//! The launcher's file system, and the parts of each sandbox's root.
//!
//! ```text
//! /            a small file system in memory, and nothing of the host below it
//! ├─ base      upper part of a sandbox's root: /dev and /sys, and mount points for /proc and /tmp
//! ├─ runtime   lower part: the runtime, read-only; a copy in memory, or the tree on disk
//! ├─ devices   where the kernel refuses to create device nodes: the host's
//! ├─ proc      where a user namespace needs one to mount another: the host's, until the sandbox has its own
//! └─ sandbox      where a sandbox, or a template, mounts its root (`mounts`)
//! ```
//! A sandbox sees this only through its own file system over `base` and `runtime`. So every inode that a
//! program can reach belongs to its sandbox: what it locks, opens or looks up there is invisible to other
//! sandboxes and disappears with it.

use super::copy::{COPY_RUNTIME, copy_tree};
use super::mounts::{
    attach, clone_flags, filesystem, harmless, no_suid_exec, open_directory, set_attributes,
};
use super::refused::Refused;
use super::user_map::unshare;
use rustix::fs::{CWD, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsPickFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};
use rustix::thread::UnshareFlags;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// What the sandboxes of one launcher have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSpec {
    /// The runtime's root file system.
    pub rootfs: PathBuf,
    /// Copy it into memory, into a file system of at most this many bytes; `None` to leave it on disk.
    pub memory_bytes: Option<u64>,
    /// Number of CPUs shown by `/sys/devices/system/cpu`; glibc counts them there (get_nprocs(3)).
    pub cpu_count: u32,
    /// Keep the host's `/proc` until the sandbox has its own: in a user namespace the kernel mounts a new one
    /// only if a complete one is visible (kernel commit 7327e6cb7a5e, `mnt_already_visible`).
    pub keep_proc: bool,
}

/// What [`enter_stage`] was able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Bytes of the runtime's copy in memory; `None` if it is on disk.
    pub memory_bytes: Option<u64>,
    /// The device nodes are ours, with separate inodes for each sandbox. Otherwise they are the host's.
    pub own_devices: bool,
}

/// Steps of [`enter_stage`] taken only to copy the runtime into memory: if one fails, a stage may still be
/// possible with the runtime on disk.
pub const MEMORY_STEPS: [&str; 3] = [MAKE_ROOM, COPY_RUNTIME, SEAL_COPY];
const MAKE_ROOM: &str = "make room for the runtime in memory";
const SEAL_COPY: &str = "seal the runtime in memory";

/// Devices that a program may open, with their numbers (Documentation/admin-guide/devices.txt): none of them
/// stores or reveals anything.
const DEVICES: [(&str, u32); 5] = [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)];
const MEMORY_DEVICES_MAJOR: u32 = 1;

/// Links in `/dev`. POSIX shared memory and semaphores are in `/dev/shm` (shm_overview(7)); `/tmp` is the
/// only writable directory, so they count towards its limits.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("shm", "/tmp"),
];

/// Gives this process its own mount namespace, builds the stage in it and makes it `/`. Afterwards nothing of
/// the host's file system is mounted except the runtime, if that stays on disk.
///
/// # Errors
/// The step that the kernel refused. The process must end then: its mounts are incomplete.
pub fn enter_stage(root: &StageSpec) -> Result<Stage, Refused> {
    unshare(UnshareFlags::NEWNS).map_err(Refused::at("make a mount namespace"))?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(Refused::at("stop mounts from propagating"))?;
    let (runtime, memory_bytes) = match root.memory_bytes {
        Some(bytes_max) => runtime_in_memory(root, bytes_max).map(|(tree, bytes)| (tree, Some(bytes)))?,
        None => (runtime_on_disk(root)?, None),
    };
    let step = "make the stage";
    let options = [(c"size", c"1048576"), (c"nr_inodes", c"256"), (c"mode", c"755")];
    let stage = filesystem(c"tmpfs", &options, harmless()).map_err(Refused::at(step))?;
    for name in
        ["base", "base/dev", "base/proc", "base/sys", "base/tmp", "runtime", "devices", "proc", "sandbox"]
    {
        rustix::fs::mkdirat(&stage, name, Mode::from_raw_mode(0o755)).map_err(Refused::at(step))?;
    }
    fill_sys(stage.as_fd(), root.cpu_count)?;
    // The runtime's directory provably exists, and nothing below it is needed any more.
    rustix::mount::move_mount(stage.as_fd(), "", CWD, &root.rootfs, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(Refused::at(step))?;
    attach(&runtime, stage.as_fd(), "runtime").map_err(Refused::at("mount the runtime"))?;
    let own_devices = fill_dev(stage.as_fd())?;
    if root.keep_proc {
        let proc = rustix::mount::open_tree(CWD, "/proc", clone_flags() | OpenTreeFlags::AT_RECURSIVE)
            .map_err(Refused::at("clone the host's /proc"))?;
        attach(&proc, stage.as_fd(), "proc").map_err(Refused::at("keep the host's /proc"))?;
    }
    set_attributes(stage.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY)
        .map_err(Refused::at("make the stage read-only"))?;
    rustix::process::fchdir(&stage).map_err(Refused::at("enter the stage"))?;
    // pivot_root(2), "pivot_root(".", ".")": the old root ends up stacked on the new one and is detached.
    rustix::process::pivot_root(".", ".").map_err(Refused::at("pivot into the stage"))?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(Refused::at("detach the host's root"))?;
    rustix::process::chdir("/").map_err(Refused::at("enter the stage"))?;
    Ok(Stage { memory_bytes, own_devices })
}

fn runtime_on_disk(root: &StageSpec) -> Result<OwnedFd, Refused> {
    let tree = rustix::mount::open_tree(CWD, &root.rootfs, clone_flags())
        .map_err(Refused::at("clone the runtime's file system"))?;
    set_attributes(tree.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY | harmless())
        .map_err(Refused::at("make the runtime read-only"))?;
    Ok(tree)
}

/// Copies the runtime into a file system of its own and seals that: the file system is read-only, not only
/// its mount.
fn runtime_in_memory(root: &StageSpec, bytes_max: u64) -> Result<(OwnedFd, u64), Refused> {
    let step = MAKE_ROOM;
    let size = CString::new(bytes_max.to_string()).map_err(io::Error::from).map_err(Refused::at(step))?;
    // Without a limit of inodes (tmpfs(5)): the tree is complete. In huge pages for files that fill them: a
    // fork that maps a library then touches the kernel's records of one page instead of hundreds, a fifth of
    // the time of a short program with cold processor caches. A kernel without huge pages
    // (CONFIG_TRANSPARENT_HUGEPAGE) refuses the option.
    let options = [(c"huge", c"within_size"), (c"size", &*size), (c"nr_inodes", c"0"), (c"mode", c"755")];
    let tree = filesystem(c"tmpfs", &options, harmless())
        .or_else(|_| filesystem(c"tmpfs", &options[1..], harmless()))
        .map_err(Refused::at(step))?;
    let source = open_directory(CWD, &root.rootfs).map_err(Refused::at("open the runtime"))?;
    let bytes = copy_tree(source.as_fd(), tree.as_fd())?;
    let seal = || {
        let context = rustix::mount::fspick(
            tree.as_fd(),
            "",
            FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC,
        )?;
        rustix::mount::fsconfig_set_flag(context.as_fd(), "ro")?;
        rustix::mount::fsconfig_reconfigure(context.as_fd())
    };
    seal().map_err(Refused::at(SEAL_COPY))?;
    set_attributes(tree.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY)
        .map_err(Refused::at("make the runtime read-only"))?;
    Ok((tree, bytes))
}

/// Creates `/dev`. True if the nodes are ours; where the kernel refuses to create them, as in a user
/// namespace, each of the host's is mounted over a file of its name.
fn fill_dev(stage: BorrowedFd<'_>) -> Result<bool, Refused> {
    let step = "make /dev";
    let own = open_directory(stage, "base/dev").map_err(Refused::at(step))?;
    if make_devices(&own).map_err(Refused::at(step))? {
        link_devices(&own).map_err(Refused::at(step))?;
        // The content of the runtime's own /dev must not be merged in
        // (Documentation/filesystems/overlayfs.rst).
        rustix::fs::fsetxattr(&own, "trusted.overlay.opaque", b"y", XattrFlags::empty())
            .map_err(Refused::at("hide the runtime's own /dev"))?;
        return Ok(true);
    }
    let options = [(c"size", c"65536"), (c"nr_inodes", c"64"), (c"mode", c"755")];
    let dev = filesystem(c"tmpfs", &options, no_suid_exec()).map_err(Refused::at(step))?;
    link_devices(&dev).map_err(Refused::at(step))?;
    attach(&dev, stage, "devices").map_err(Refused::at("mount /dev"))?;
    for (name, _) in DEVICES {
        let node = rustix::mount::open_tree(CWD, format!("/dev/{name}"), clone_flags())
            .map_err(Refused::at("clone a device of the host"))?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::WRONLY;
        rustix::fs::openat(&dev, name, flags, Mode::empty()).map_err(Refused::at(step))?;
        set_attributes(node.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY | no_suid_exec())
            .map_err(Refused::at("restrict a device"))?;
        attach(&node, dev.as_fd(), name).map_err(Refused::at("mount a device"))?;
    }
    set_attributes(dev.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY | no_suid_exec())
        .map_err(Refused::at("make /dev read-only"))?;
    Ok(false)
}

/// False if the kernel refuses to create device nodes.
fn make_devices(dev: &OwnedFd) -> rustix::io::Result<bool> {
    for (name, minor) in DEVICES {
        let number = rustix::fs::makedev(MEMORY_DEVICES_MAJOR, minor);
        match rustix::fs::mknodat(dev, name, FileType::CharacterDevice, Mode::from_raw_mode(0o666), number) {
            Err(Errno::PERM) => return Ok(false),
            made => made?,
        }
        rustix::fs::chmodat(dev, name, Mode::from_raw_mode(0o666), rustix::fs::AtFlags::empty())?;
    }
    Ok(true)
}

fn link_devices(dev: &OwnedFd) -> rustix::io::Result<()> {
    DEVICE_LINKS.into_iter().try_for_each(|(name, target)| rustix::fs::symlinkat(target, dev, name))
}

fn fill_sys(stage: BorrowedFd<'_>, cpu_count: u32) -> Result<(), Refused> {
    let step = "make /sys";
    let mut path = "base/sys".to_owned();
    for part in ["devices", "system", "cpu"] {
        path = format!("{path}/{part}");
        rustix::fs::mkdirat(stage, path.as_str(), Mode::from_raw_mode(0o755)).map_err(Refused::at(step))?;
    }
    let cpus = if cpu_count <= 1 { "0\n".to_owned() } else { format!("0-{}\n", cpu_count - 1) };
    for name in ["online", "possible", "present"] {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::WRONLY;
        let file = rustix::fs::openat(stage, format!("{path}/{name}"), flags, Mode::from_raw_mode(0o444))
            .map_err(Refused::at(step))?;
        rustix::io::write(&file, cpus.as_bytes()).map_err(Refused::at(step))?;
    }
    Ok(())
}
