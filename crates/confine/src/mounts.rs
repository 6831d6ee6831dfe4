//! The file system that a program sees.
//!
//! Two layers. The launcher builds the *root* once and moves into it: the read-only runtime, `/dev`, `/sys`. From
//! then on no path leads to the host's files any more, and each cell only copies a handful of mounts. A *cell*
//! adds what must be its own: `/proc` of its pid namespace and an empty, bounded `/tmp`.

#![allow(unsafe_code, reason = "mount_setattr(2) has no safe wrapper")]

use crate::{Refused, user_map::unshare};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};
use rustix::thread::UnshareFlags;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// The root that all cells of one launcher share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellRoot {
    /// The runtime's root file system. Needs the directories `/dev`, `/proc`, `/sys` and `/tmp`.
    pub rootfs: PathBuf,
    /// CPUs that `/sys/devices/system/cpu` shows; glibc counts them there (get_nprocs(3)).
    pub cpu_count: u32,
    /// Keep the host's `/proc` until the cell has its own: in a user namespace the kernel mounts a new one only
    /// where a whole one is visible (kernel commit 7327e6cb7a5e, `mnt_already_visible`).
    pub keep_proc: bool,
}

/// What a cell mounts for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellMounts {
    /// Size of `/tmp` in bytes.
    pub tmp_bytes: u64,
    /// Inodes of `/tmp`.
    pub tmp_inodes: u64,
    /// Owner of `/tmp`.
    pub uid: u32,
    /// Group of `/tmp`.
    pub gid: u32,
    /// What becomes of `/proc`.
    pub proc: Proc,
    /// Code may be loaded from `/tmp`: for a template, never for a cell.
    pub executable: bool,
}

/// What becomes of `/proc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proc {
    /// There is none yet.
    New,
    /// The host's is there ([`CellRoot::keep_proc`]); a new one takes its place.
    Replaced,
    /// The host's is there and stays: a user namespace may not mount that of a pid namespace it does not own.
    Kept,
}

/// Devices that a program may open: none of them stores or reveals anything.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Links in `/dev`. POSIX shared memory and semaphores live in `/dev/shm` (shm_overview(7)); `/tmp` is the one
/// writable place, so they count against its bounds.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("shm", "/tmp"),
];

const SMALL_TMPFS_BYTES: &str = "65536";

/// Gives this process its own mount namespace, builds the root in it and makes it `/`. Afterwards nothing of the
/// host's file system is mounted any more.
///
/// # Errors
/// The step that the kernel refused. The process must end then: its mounts are half built.
pub fn pivot_into_root(root: &CellRoot) -> Result<(), Refused> {
    unshare(UnshareFlags::NEWNS).map_err(Refused::at("make a mount namespace"))?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(Refused::at("stop mounts from propagating"))?;
    let tree = rustix::mount::open_tree(CWD, &root.rootfs, clone_flags())
        .map_err(Refused::at("clone the runtime's file system"))?;
    set_attributes(&tree, MountAttrFlags::MOUNT_ATTR_RDONLY | harmless())
        .map_err(Refused::at("make the runtime read-only"))?;
    rustix::mount::move_mount(tree.as_fd(), "", CWD, &root.rootfs, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(Refused::at("mount the runtime"))?;
    let root_fd = open_directory(CWD, &root.rootfs).map_err(Refused::at("open the new root"))?;
    mount_dev(&root_fd)?;
    mount_sys(&root_fd, root.cpu_count)?;
    if root.keep_proc {
        let proc = rustix::mount::open_tree(CWD, "/proc", clone_flags() | OpenTreeFlags::AT_RECURSIVE)
            .map_err(Refused::at("clone the host's /proc"))?;
        attach(&proc, &root_fd, "proc").map_err(Refused::at("keep the host's /proc"))?;
    }
    rustix::process::fchdir(&root_fd).map_err(Refused::at("enter the new root"))?;
    // pivot_root(2), "pivot_root(".", ".")": the old root ends up stacked on the new one and is detached.
    rustix::process::pivot_root(".", ".").map_err(Refused::at("pivot into the new root"))?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(Refused::at("detach the host's root"))?;
    rustix::process::chdir("/").map_err(Refused::at("enter the new root"))?;
    Ok(())
}

/// Mounts what one cell, or a template, has for itself, inside its own mount namespace.
///
/// # Errors
/// The step that the kernel refused.
pub fn mount_cell(mounts: &CellMounts) -> Result<(), Refused> {
    let root = open_directory(CWD, "/").map_err(Refused::at("open the root"))?;
    if mounts.proc != Proc::Kept {
        mount_proc(&root, mounts.proc == Proc::Replaced)?;
    }
    let value = |number: u64| std::ffi::CString::new(number.to_string()).map_err(io::Error::from);
    let step = "make /tmp";
    let (size, inodes) = (
        value(mounts.tmp_bytes).map_err(Refused::at(step))?,
        value(mounts.tmp_inodes).map_err(Refused::at(step))?,
    );
    let (uid, gid) = (
        value(mounts.uid.into()).map_err(Refused::at(step))?,
        value(mounts.gid.into()).map_err(Refused::at(step))?,
    );
    let options: [(&CStr, &CStr); 5] =
        [(c"size", &size), (c"nr_inodes", &inodes), (c"mode", c"1777"), (c"uid", &uid), (c"gid", &gid)];
    let attributes = if mounts.executable { harmless() } else { harmless() | no_exec() };
    let tmp = filesystem(c"tmpfs", &options, attributes).map_err(Refused::at(step))?;
    attach(&tmp, &root, "tmp").map_err(Refused::at("mount /tmp"))?;
    Ok(())
}

/// Hides `/proc/1` from everybody in this mount namespace. For a kernel that shows a first process's descriptors and
/// environment to processes of other users (gVisor). Needs CAP_SYS_ADMIN.
///
/// # Errors
/// mount(2).
pub fn cover_first_process() -> Result<(), Refused> {
    use rustix::mount::MountFlags;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("none", "/proc/1", "tmpfs", flags, c"size=4096,mode=000")
        .map_err(Refused::at("cover the first process"))
}

/// A `/proc` that is mounted nowhere yet.
/// `subset=pid` leaves only the process directories: no kcore, keys, sys, meminfo or other windows to the host.
pub(crate) fn unattached_proc() -> rustix::io::Result<OwnedFd> {
    filesystem(c"proc", &[(c"subset", c"pid"), (c"hidepid", c"invisible")], harmless() | no_exec())
}

fn mount_proc(root: &OwnedFd, replace: bool) -> Result<(), Refused> {
    let proc = unattached_proc().map_err(Refused::at("make /proc"))?;
    if replace {
        rustix::mount::unmount("/proc", UnmountFlags::DETACH)
            .map_err(Refused::at("detach the host's /proc"))?;
    }
    attach(&proc, root, "proc").map_err(Refused::at("mount /proc"))
}

fn mount_dev(root: &OwnedFd) -> Result<(), Refused> {
    let step = "make /dev";
    let dev = filesystem(
        c"tmpfs",
        &[(c"size", c"65536"), (c"nr_inodes", c"64"), (c"mode", c"755")],
        no_suid_exec(),
    )
    .map_err(Refused::at(step))?;
    for (name, target) in DEVICE_LINKS {
        rustix::fs::symlinkat(target, &dev, name).map_err(Refused::at(step))?;
    }
    attach(&dev, root, "dev").map_err(Refused::at("mount /dev"))?;
    for name in DEVICES {
        let node = rustix::mount::open_tree(CWD, format!("/dev/{name}"), clone_flags())
            .map_err(Refused::at("clone a device of the host"))?;
        rustix::fs::openat(
            &dev,
            name,
            OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::WRONLY,
            Mode::empty(),
        )
        .map_err(Refused::at(step))?;
        set_attributes(&node, MountAttrFlags::MOUNT_ATTR_RDONLY | no_suid_exec())
            .map_err(Refused::at("restrict a device"))?;
        attach(&node, &dev, name).map_err(Refused::at("mount a device"))?;
    }
    set_attributes(&dev, MountAttrFlags::MOUNT_ATTR_RDONLY | no_suid_exec())
        .map_err(Refused::at("make /dev read-only"))
}

fn mount_sys(root: &OwnedFd, cpu_count: u32) -> Result<(), Refused> {
    let step = "make /sys";
    let options = [(c"size", c"65536"), (c"nr_inodes", c"16"), (c"mode", c"755")];
    debug_assert_eq!(options[0].1.to_bytes(), SMALL_TMPFS_BYTES.as_bytes());
    let sys = filesystem(c"tmpfs", &options, harmless() | no_exec()).map_err(Refused::at(step))?;
    let mut path = String::new();
    for part in ["devices", "system", "cpu"] {
        path = if path.is_empty() { part.to_owned() } else { format!("{path}/{part}") };
        rustix::fs::mkdirat(&sys, path.as_str(), Mode::from_raw_mode(0o755)).map_err(Refused::at(step))?;
    }
    let cpus = if cpu_count <= 1 { "0\n".to_owned() } else { format!("0-{}\n", cpu_count - 1) };
    for name in ["online", "possible", "present"] {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::WRONLY;
        let file = rustix::fs::openat(&sys, format!("{path}/{name}"), flags, Mode::from_raw_mode(0o444))
            .map_err(Refused::at(step))?;
        rustix::io::write(&file, cpus.as_bytes()).map_err(Refused::at(step))?;
    }
    set_attributes(&sys, MountAttrFlags::MOUNT_ATTR_RDONLY | harmless() | no_exec())
        .map_err(Refused::at("make /sys read-only"))?;
    attach(&sys, root, "sys").map_err(Refused::at("mount /sys"))
}

fn harmless() -> MountAttrFlags {
    MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV
}

fn no_exec() -> MountAttrFlags {
    MountAttrFlags::MOUNT_ATTR_NOEXEC
}

fn no_suid_exec() -> MountAttrFlags {
    MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC
}

fn clone_flags() -> OpenTreeFlags {
    OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC
}

fn open_directory(at: BorrowedFd<'_>, path: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(at, path, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())
}

/// Makes a new file system that is mounted nowhere yet.
fn filesystem(
    kind: &CStr,
    options: &[(&CStr, &CStr)],
    attributes: MountAttrFlags,
) -> rustix::io::Result<OwnedFd> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    rustix::mount::fsconfig_create(context.as_fd())?;
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn attach(mount: &OwnedFd, at: &OwnedFd, name: &str) -> rustix::io::Result<()> {
    rustix::mount::move_mount(mount.as_fd(), "", at.as_fd(), name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Adds attributes to one mount. Unlike a remount it takes none away, which a user namespace would refuse for
/// the locked ones.
fn set_attributes(mount: &OwnedFd, attributes: MountAttrFlags) -> io::Result<()> {
    let change = libc::mount_attr {
        attr_set: u64::from(attributes.bits()),
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: mount_setattr(2) reads an empty C string, and `size_of::<mount_attr>()` bytes at `change`, which
    // lives through the call; `mount` is an open descriptor.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
