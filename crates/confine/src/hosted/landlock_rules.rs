//! Landlock: a second layer of protection for the file system, signals and abstract sockets that needs no
//! privileges.
//!
//! Sockets with a path can be created below `/tmp`. Connecting to one is not covered by the access rights
//! used here: a program cannot reach a socket of the host because no mount of its sandbox holds one.

use super::refused::Refused;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope,
};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The newest version requested; an older kernel enforces what it supports.
const WANTED: ABI = ABI::V6;

/// A rule set, ready to be enforced on a process.
#[derive(Debug)]
pub struct LandlockRules {
    /// `None` if the kernel has no Landlock.
    ruleset: Option<OwnedFd>,
}

impl LandlockRules {
    /// Reading and executing below `/`, everything except devices below `/tmp`, neither devices nor sockets
    /// below `/dev/shm`, writing to devices; no TCP; no signals and no abstract sockets beyond the domain.
    /// Call it inside the sandbox: rules name directories.
    ///
    /// # Errors
    /// None expected: a kernel without Landlock gives empty rules instead.
    pub fn for_program() -> Result<Self, Refused> {
        let read = AccessFs::from_read(WANTED);
        let tmp = AccessFs::from_all(WANTED) & !(AccessFs::MakeChar | AccessFs::MakeBlock);
        let device = AccessFs::WriteFile | AccessFs::ReadFile | AccessFs::IoctlDev;
        // Shared memory and semaphores: a link to /tmp in a native sandbox, a separate file system in a
        // container.
        let memory = tmp & !BitFlags::from(AccessFs::MakeSock);
        let shared = std::path::Path::new("/dev/shm").exists().then_some(("/dev/shm", memory));
        let paths = [("/", read), ("/tmp", tmp), ("/dev", device)].into_iter().chain(shared);
        let open = |(path, access)| {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let directory = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| refused(&error))?;
            Ok((directory, access))
        };
        Self::build(paths.map(open).collect::<Result<Vec<_>, Refused>>()?)
    }

    /// No mount and no unmount, which Landlock denies to every process it restricts (landlock(7)); no ptrace
    /// and no signals beyond the domain; every file below the stage's root as before. Forks inherit it, so it
    /// must not conflict with [`LandlockRules::for_program`]: rules are searched for upwards through mounts,
    /// and the roots of all sandboxes are mounted on the stage.
    ///
    /// # Errors
    /// See [`LandlockRules::for_program`].
    pub fn for_template(stage: OwnedFd) -> Result<Self, Refused> {
        Self::build([(stage, AccessFs::from_all(WANTED))])
    }

    fn build(directories: impl IntoIterator<Item = (OwnedFd, BitFlags<AccessFs>)>) -> Result<Self, Refused> {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(WANTED))
            .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(WANTED)))
            .and_then(|ruleset| ruleset.scope(Scope::from_all(WANTED)))
            .and_then(Ruleset::create)
            .map_err(|error| refused(&error))?;
        for (directory, access) in directories {
            ruleset =
                ruleset.add_rule(PathBeneath::new(directory, access)).map_err(|error| refused(&error))?;
        }
        Ok(Self { ruleset: ruleset.into() })
    }

    /// The rules, if the kernel accepted them.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.ruleset.as_ref().map(AsFd::as_fd)
    }
}

fn refused(error: &dyn std::fmt::Display) -> Refused {
    Refused::at("make the Landlock rules")(io::Error::other(error.to_string()))
}

/// The kernel's Landlock version, 0 if it has none (landlock_create_ruleset(2)).
#[must_use]
#[allow(unsafe_code, reason = "landlock_create_ruleset(2) has no wrapper that only asks")]
pub fn landlock_abi() -> u32 {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with a null attribute, size 0 and the VERSION flag the call reads no memory and makes nothing.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(version).unwrap_or(0)
}
