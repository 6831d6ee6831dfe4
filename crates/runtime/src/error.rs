//! Why a runtime could not be loaded or prepared.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::PackageList;
use crate::command::CommandError;

/// Why there is no usable runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No runtime was ever prepared in the data directory.
    #[error("no prepared runtime in `{path}` (hint: run `python-sandbox setup`)")]
    NotPrepared {
        /// The searched directory.
        path: PathBuf,
    },
    /// The prepared one was created by another version of this program, or from another package list.
    #[error(
        "the runtime in `{path}` was created by another version of python-sandbox (found: {found}) \
         (hint: run `python-sandbox setup`)"
    )]
    Outdated {
        /// The searched directory.
        path: PathBuf,
        /// The ids that were found, separated by commas.
        found: String,
    },
    /// The requested list of packages is not prepared, but the other one is.
    #[error(
        "the runtime with the packages `{wanted}` (RUNTIME_PACKAGES) is not prepared in `{path}`, only `{found}` is \
         (hint: run `python-sandbox setup --packages {wanted}`, or set RUNTIME_PACKAGES={found})"
    )]
    OtherList {
        /// The searched directory.
        path: PathBuf,
        /// The requested list.
        wanted: PackageList,
        /// The prepared list.
        found: PackageList,
    },
    /// The operator's own root file system lacks something.
    #[error("the root file system `{rootfs}` (RUNTIME_ROOTFS) is not usable for sandboxes: missing {}", missing.join(", "))]
    Incomplete {
        /// The root file system.
        rootfs: PathBuf,
        /// What is missing, each as a path inside with its purpose.
        missing: Vec<String>,
    },
    /// A file or directory could not be read.
    #[error("failed to read `{path}`")]
    Read {
        /// The path.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// Another user can change what programs run in, or what templates import with the service's privileges.
    #[error(
        "the runtime cannot be trusted (hint: run `python-sandbox setup --force` for a prepared one; RUNTIME_ROOTFS \
         must name a tree that only root or this user can write to)"
    )]
    Untrusted {
        /// The user and the path.
        #[source]
        source: ownership::Refusal,
    },
    /// A manifest does not parse.
    #[error("the manifest `{path}` is damaged (hint: run `python-sandbox setup --force`)")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where it is damaged.
        #[source]
        source: serde_json::Error,
    },
}

/// Why a runtime could not be prepared. Each variant is a step that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// No usable interpreter on this machine.
    #[error(
        "no usable CPython was found (hint: install 3.11 to 3.14 with `venv`, on Debian and Ubuntu `apt-get install \
         python3 python3-venv`, or name one with --python):{}",
        list_rejected(rejected)
    )]
    NoPython {
        /// Every candidate, in the order in which they were tried.
        rejected: Vec<Rejected>,
    },
    /// The interpreter's executable is not usable.
    #[error("the interpreter `{path}` cannot be used: {reason}")]
    Interpreter {
        /// The executable.
        path: PathBuf,
        /// The reason.
        reason: &'static str,
    },
    /// A file operation failed.
    #[error("failed to {action} `{path}`")]
    File {
        /// The operation, as a verb.
        action: &'static str,
        /// Its path.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// Another user can change what is prepared.
    #[error(
        "the data directory is not safe (hint: set DATA_DIR to one that only root or this user can write to)"
    )]
    Untrusted {
        /// The user and the path.
        #[source]
        source: ownership::Refusal,
    },
    /// Another set-up did not finish.
    #[error(
        "another `setup` still holds the lock `{path}`{} after {waited_s} s (hint: stop it)",
        holder.as_ref().map(|holder| format!(" ({holder})")).unwrap_or_default()
    )]
    Locked {
        /// The lock.
        path: PathBuf,
        /// Its process, if found.
        holder: Option<String>,
        /// How long this one waited, in seconds.
        waited_s: u64,
    },
    /// A helper program failed.
    #[error("failed to {action}")]
    Command {
        /// The operation, as a verb and its object.
        action: &'static str,
        /// The program's error.
        #[source]
        source: CommandError,
    },
    /// A package needs a shared library that the machine does not have.
    #[error("`{needed_by}` needs the shared library `{library}`, which this machine does not have")]
    LibraryMissing {
        /// The library's name.
        library: String,
        /// The file that needs it.
        needed_by: PathBuf,
    },
    /// A link in the finished tree leads out of it.
    #[error("the link `{link}` points outside the tree, to `{target}`")]
    LinkEscapes {
        /// The link.
        link: PathBuf,
        /// Its target.
        target: PathBuf,
    },
    /// The finished tree does not work.
    #[error("the finished tree failed its check")]
    Smoke {
        /// The interpreter's error.
        #[source]
        source: CommandError,
    },
    /// The finished tree cannot be read back.
    #[error("the finished runtime cannot be loaded")]
    Load {
        /// The reason.
        #[source]
        source: LoadError,
    },
}

impl SetupError {
    /// For `map_err`: a file operation on `path` failed.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// For `map_err`: a helper program failed.
    pub(crate) fn command(action: &'static str) -> impl FnOnce(CommandError) -> Self {
        move |source| Self::Command { action, source }
    }
}

/// An unusable candidate.
#[derive(Debug)]
pub struct Rejected {
    /// The name or path that was tried.
    pub candidate: PathBuf,
    /// The reason.
    pub rejection: Rejection,
}

/// Why an interpreter cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// No such program in `PATH`.
    #[error("not found")]
    NotFound,
    /// It does not run, or its output is not that of Python.
    #[error("does not run: {0}")]
    DoesNotRun(String),
    /// PyPy and others, for which there are no wheels.
    #[error("is {0}, not CPython")]
    NotCPython(String),
    /// Older or newer than the lock supports.
    #[error("is Python {0}.{1}, but 3.11 to 3.14 is needed")]
    Version(u8, u8),
    /// The build without the global interpreter lock, which needs other wheels.
    #[error("is a free-threaded build, for which no packages are pinned")]
    FreeThreaded,
    /// Debian and Ubuntu package this separately from the interpreter.
    #[error("has no `{module}` module (hint: `apt-get install python3.{minor}-venv`, or python3-venv)")]
    NoVenv {
        /// `venv` or `ensurepip`.
        module: &'static str,
        /// The interpreter's minor version.
        minor: u8,
    },
}

impl fmt::Display for Rejected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}", self.candidate.display(), self.rejection)
    }
}

/// One line for each rejected candidate.
fn list_rejected(rejected: &[Rejected]) -> String {
    rejected.iter().map(|candidate| format!("\n  {candidate}")).collect()
}
