//! Errors of cgroups: one enum for finding the location, one for working in it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::controller::Controller;

/// Why our groups cannot be created on this host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The configured parent group is not a plain path.
    #[error(
        "cgroup parent `/{parent}` is not a cgroup path from the root of each hierarchy, such as `/python-sandbox`: it has a part \
         that is empty, `.` or `..`, or a control character"
    )]
    BadParent {
        /// The setting, without the slash at its beginning.
        parent: String,
    },
    /// `/proc/self/cgroup` or `/proc/self/mountinfo` cannot be read.
    #[error("read `{path}` (hint: mount procfs)")]
    Proc {
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// At least one controller cannot be used; all of those are listed, each with its fix.
    #[error("use cgroup controllers: {}", listed(.problems))]
    Unusable {
        /// One entry per controller, in the order of [`Controller::ALL`].
        problems: Vec<ControllerProblem>,
    },
}

/// One controller that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerProblem {
    /// The controller.
    pub controller: Controller,
    /// Why it cannot be used.
    pub reason: Reason,
    /// The command or setting that fixes it.
    pub fix: String,
}

/// Why a controller cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No mount of its hierarchy is visible.
    NotMounted,
    /// Its hierarchy is also that of a limit: a process cannot be in one group for both.
    MountedWith {
        /// The other controller.
        controller: Controller,
    },
    /// Its hierarchy is mounted read-only.
    ReadOnly {
        /// The mount point.
        mount: PathBuf,
    },
    /// The directory that an administrator must create for this user does not exist.
    NotDelegated {
        /// The directory that was looked for.
        dir: PathBuf,
    },
    /// The directory exists, but this user may not create groups in it.
    NotWritable {
        /// The directory or the file in it.
        path: PathBuf,
    },
    /// The group exists, but this controller is not enabled for it.
    NotAvailable {
        /// The group.
        dir: PathBuf,
    },
    /// Our own group is outside what the mount shows (another cgroup namespace).
    OutsideMount {
        /// The group as `/proc/self/cgroup` names it.
        group: String,
    },
    /// The group is threaded and cannot have memory limits below it.
    Threaded {
        /// The group.
        dir: PathBuf,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMounted => write!(f, "not mounted"),
            Self::MountedWith { controller } => write!(f, "mounted together with `{controller}`"),
            Self::ReadOnly { mount } => write!(f, "mounted read-only at `{}`", mount.display()),
            Self::NotDelegated { dir } => write!(f, "no delegated group `{}`", dir.display()),
            Self::NotWritable { path } => write!(f, "no right to write to `{}`", path.display()),
            Self::NotAvailable { dir } => write!(f, "not enabled for `{}`", dir.display()),
            Self::OutsideMount { group } => write!(f, "own group `{group}` is outside the mount"),
            Self::Threaded { dir } => write!(f, "below threaded group `{}`", dir.display()),
        }
    }
}

impl DetectError {
    /// The fixes, without duplicates: usually one command fixes every controller.
    #[must_use]
    pub fn fixes(&self) -> Vec<&str> {
        match self {
            Self::BadParent { .. } => vec!["see NATIVE_CGROUP_PARENT in docs/settings.md"],
            Self::Proc { .. } => vec!["mount -t proc proc /proc"],
            Self::Unusable { problems } => fixes_of(problems),
        }
    }

    /// The problems, without their fixes.
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::Unusable { problems } => reasons_of(problems),
            other => other.to_string(),
        }
    }
}

fn listed(problems: &[ControllerProblem]) -> String {
    format!("{} (hint: {})", reasons_of(problems), fixes_of(problems).join("; or "))
}

/// Every problem, prefixed with the controllers that have it.
fn reasons_of(problems: &[ControllerProblem]) -> String {
    let mut groups: Vec<(&Reason, Vec<String>)> = Vec::new();
    for problem in problems {
        let name = format!("`{}`", problem.controller);
        match groups.iter_mut().find(|(reason, _)| **reason == problem.reason) {
            Some((_, names)) => names.push(name),
            None => groups.push((&problem.reason, vec![name])),
        }
    }
    let texts: Vec<_> =
        groups.iter().map(|(reason, names)| format!("{}: {reason}", names.join(", "))).collect();
    texts.join("; ")
}

fn fixes_of(problems: &[ControllerProblem]) -> Vec<&str> {
    let mut fixes: Vec<&str> = Vec::new();
    for problem in problems {
        if !fixes.contains(&problem.fix.as_str()) {
            fixes.push(&problem.fix);
        }
    }
    fixes
}

/// Why an operation on a cgroup failed. Every variant is an internal or a host error, never the program's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// The kernel refused one operation.
    #[error("{step} `{path}`{}", hint(.source))]
    Step {
        /// The operation, as a verb: `write`, `read`, `make group`, ...
        step: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// The kernel accepted a value, but holds another one.
    #[error("write `{path}`: wrote `{wrote}`, the kernel holds `{kept}`")]
    NotKept {
        /// The file.
        path: PathBuf,
        /// What was written.
        wrote: String,
        /// What was read back.
        kept: String,
    },
    /// A kernel file does not have the documented format.
    #[error("parse `{path}`: found `{text}`")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Its beginning.
        text: String,
    },
    /// A limit is outside the kernel's range; nothing was changed.
    #[error("apply limit `{field}` = {value}: it must be {allowed}")]
    BadLimit {
        /// The field of `GroupLimits`.
        field: &'static str,
        /// The value given.
        value: u64,
        /// The range, with unit.
        allowed: &'static str,
    },
    /// A sandbox's name is empty, too long, or has characters other than letters, digits, `-` and `_`.
    #[error("create sandbox `{name}`: a name has 1 to 64 letters, digits, `-` or `_`")]
    BadName {
        /// The name given.
        name: String,
    },
    /// A sandbox of that name exists in this instance.
    #[error("create sandbox `{name}`: the name is taken")]
    NameTaken {
        /// The name given.
        name: String,
    },
    /// Processes in the group survived SIGKILL for the whole waiting time.
    #[error("kill processes in `{path}` (hint: look for processes in state D, or of another pid namespace)")]
    NotKilled {
        /// The group.
        path: PathBuf,
    },
    /// Groups that could not be removed in the waiting time; [`crate::Manager::sweep`] tries again.
    #[error("remove groups {}", quoted(.paths))]
    NotRemoved {
        /// The groups that remain.
        paths: Vec<PathBuf>,
    },
    /// The host changed concurrently so often that no instance could be created.
    #[error("create an instance below `{parent}`: {tries} tries collided with other services")]
    Contended {
        /// The parent group.
        parent: PathBuf,
        /// How many names were tried.
        tries: u32,
    },
}

/// Why a sandbox was not frozen or thawed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// All groups are v1, and there is no freezer to use.
    #[error("use cgroup controller {}: {} (hint: {})", .0.controller, .0.reason, .0.fix)]
    Unusable(ControllerProblem),
    /// The kernel cannot freeze v2 groups.
    #[error("write `{path}`: it does not exist (hint: Linux 5.2 or newer)")]
    KernelTooOld {
        /// The file.
        path: PathBuf,
    },
    /// Some processes did not stop or continue in the waiting time.
    #[error(
        "freeze or thaw the processes in `{path}` in time (hint: look for processes in state D, or of another pid namespace)"
    )]
    TooSlow {
        /// The group.
        path: PathBuf,
    },
    /// The kernel refused a step.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
}

impl FreezeError {
    /// Whether no sandbox can be frozen on this host.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unusable(_) | Self::KernelTooOld { .. })
    }
}

fn hint(source: &io::Error) -> &'static str {
    use rustix::io::Errno;
    match Errno::from_io_error(source) {
        Some(Errno::BUSY) => " (hint: processes or child groups are still in it, or the memory is in use)",
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => " (hint: the group is not delegated to this user)",
        Some(Errno::NOSPC) => " (hint: the host's limit on the number of groups is reached)",
        Some(Errno::OPNOTSUPP) => " (hint: the group is threaded, or an ancestor holds processes)",
        _ => "",
    }
}

fn quoted(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}
