//! The file system that a program sees.
//!
//! The launcher's stage (`stage`) has the parts. Each sandbox combines them for itself: an overlay file
//! system over `base` and `runtime`, so that every visible inode is the sandbox's own; `/proc` of its pid
//! namespace; an empty, bounded `/tmp`. An overlay without an upper directory is not writable, syncs nothing
//! to the file systems below it, and when unmounted takes with it the names whose lookup failed.
//!
//! A sandbox's root is `/sandbox` of the stage, by chroot(2): a program has neither the capability nor the
//! system call to leave it, and above it is only the empty stage. It is not pivot_root(2) because Landlock
//! searches for rules upwards through mounts: a template's rule on the stage's root holds in every sandbox
//! that it forks into (`landlock_rules`).

#![allow(unsafe_code, reason = "mount_setattr(2) has no safe wrapper")]

use super::refused::Refused;
use crate::child::SANDBOX_ROOT;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The mounts of one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxMounts {
    /// Size of `/tmp` in bytes.
    pub tmp_bytes: u64,
    /// Inodes of `/tmp`.
    pub tmp_inodes: u64,
    /// Owner of `/tmp`.
    pub uid: u32,
    /// Group of `/tmp`.
    pub gid: u32,
    /// How `/proc` is mounted.
    pub proc: Proc,
    /// Code may be loaded from `/tmp`: for a template, never for a sandbox.
    pub executable: bool,
}

/// How `/proc` is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proc {
    /// There is none yet: mount a new one.
    New,
    /// The host's is on the stage ([`StageSpec::keep_proc`](crate::StageSpec::keep_proc)): replace it with a
    /// new one.
    Replaced,
}

/// Assembles the root of one sandbox, or of a template, and moves into it. Call it on the stage, in a
/// separate mount namespace, with `own_devices` from the stage.
///
/// # Errors
/// The step that the kernel refused.
pub fn mount_sandbox(mounts: &SandboxMounts, own_devices: bool) -> Result<(), Refused> {
    // Device nodes work on the overlay itself until its `/dev` has its own mount.
    let read_only = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID;
    let root = filesystem(c"overlay", &[(c"lowerdir", c"/base:/runtime")], read_only)
        .map_err(Refused::at("make the sandbox's own view of the runtime"))?;
    rustix::mount::move_mount(root.as_fd(), "", CWD, SANDBOX_ROOT, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(Refused::at("mount the sandbox's root"))?;
    let dev = if own_devices {
        rustix::mount::open_tree(root.as_fd(), "dev", clone_flags())
    } else {
        rustix::mount::open_tree(CWD, "/devices", clone_flags() | OpenTreeFlags::AT_RECURSIVE)
    };
    let dev = dev.map_err(Refused::at("clone /dev"))?;
    set_attributes(root.as_fd(), harmless()).map_err(Refused::at("restrict the sandbox's root"))?;
    if own_devices {
        set_attributes(dev.as_fd(), no_suid_exec()).map_err(Refused::at("restrict /dev"))?;
    }
    attach(&dev, root.as_fd(), "dev").map_err(Refused::at("mount /dev"))?;
    attach_proc(&root, mounts.proc)?;
    let tmp = empty_tmp(mounts)?;
    attach(&tmp, root.as_fd(), "tmp").map_err(Refused::at("mount /tmp"))?;
    rustix::process::chroot(SANDBOX_ROOT).map_err(Refused::at("enter the sandbox's root"))?;
    rustix::process::chdir("/").map_err(Refused::at("enter the sandbox's root"))
}

fn attach_proc(root: &OwnedFd, which: Proc) -> Result<(), Refused> {
    let proc = unattached_proc().map_err(Refused::at("make /proc"))?;
    if which == Proc::Replaced {
        rustix::mount::unmount("/proc", UnmountFlags::DETACH)
            .map_err(Refused::at("detach the host's /proc"))?;
    }
    attach(&proc, root.as_fd(), "proc").map_err(Refused::at("mount /proc"))
}

fn empty_tmp(mounts: &SandboxMounts) -> Result<OwnedFd, Refused> {
    let step = "make /tmp";
    let value = |number: u64| {
        std::ffi::CString::new(number.to_string()).map_err(io::Error::from).map_err(Refused::at(step))
    };
    let (size, inodes) = (value(mounts.tmp_bytes)?, value(mounts.tmp_inodes)?);
    let (uid, gid) = (value(mounts.uid.into())?, value(mounts.gid.into())?);
    let options: [(&CStr, &CStr); 5] =
        [(c"size", &size), (c"nr_inodes", &inodes), (c"mode", c"1777"), (c"uid", &uid), (c"gid", &gid)];
    let attributes = if mounts.executable { harmless() } else { harmless() | no_exec() };
    filesystem(c"tmpfs", &options, attributes).map_err(Refused::at(step))
}

/// Hides `/proc/1` from all processes in this mount namespace. For a kernel that shows a first process's
/// descriptors and environment to processes of other users (gVisor). Needs CAP_SYS_ADMIN.
///
/// # Errors
/// mount(2).
pub fn cover_first_process() -> Result<(), Refused> {
    use rustix::mount::MountFlags;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("none", "/proc/1", "tmpfs", flags, c"size=4096,mode=000")
        .map_err(Refused::at("cover the first process"))
}

/// A `/proc` that is not attached to a mount point yet. `subset=pid` leaves only the process directories: no
/// kcore, keys, sys, meminfo or other information about the host.
pub(crate) fn unattached_proc() -> rustix::io::Result<OwnedFd> {
    filesystem(c"proc", &[(c"subset", c"pid"), (c"hidepid", c"invisible")], harmless() | no_exec())
}

pub(crate) fn harmless() -> MountAttrFlags {
    MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV
}

pub(crate) fn no_exec() -> MountAttrFlags {
    MountAttrFlags::MOUNT_ATTR_NOEXEC
}

pub(crate) fn no_suid_exec() -> MountAttrFlags {
    MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC
}

pub(crate) fn clone_flags() -> OpenTreeFlags {
    OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC
}

pub(crate) fn open_directory(
    at: BorrowedFd<'_>,
    path: impl rustix::path::Arg,
) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(at, path, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())
}

/// Creates a new file system that is not attached to a mount point yet.
pub(crate) fn filesystem(
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

pub(crate) fn attach(mount: &OwnedFd, at: BorrowedFd<'_>, name: &str) -> rustix::io::Result<()> {
    rustix::mount::move_mount(mount.as_fd(), "", at, name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Adds attributes to one mount. Unlike a remount it removes none, which would be refused in a user namespace
/// for locked ones.
pub(crate) fn set_attributes(mount: BorrowedFd<'_>, attributes: MountAttrFlags) -> io::Result<()> {
    let change = libc::mount_attr {
        attr_set: u64::from(attributes.bits()),
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: mount_setattr(2) reads an empty C string, and `size_of::<mount_attr>()` bytes at `change`,
    // which lives through the call; `mount` is an open descriptor.
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
