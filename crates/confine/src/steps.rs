//! The steps that confine a program, by number, name and order. `child` applies them.

/// One step of confining a program, in the order of [`PROGRAM_STEPS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Step {
    /// The cell's control groups. First: from here on the cell pays for what the process uses.
    Cgroups = 1,
    /// The cell's namespaces.
    Namespaces,
    /// A session of its own: signals to a group, `kill(0)`, stay inside.
    Session,
    /// Standard streams and control descriptors get their numbers.
    Descriptors,
    /// Every other descriptor is closed.
    CloseOthers,
    /// The kernel's out-of-memory killer prefers it to the agent.
    OomScore,
    /// Resource limits.
    Limits,
    /// Its CPUs.
    Affinity,
    /// Its working directory.
    Directory,
    /// Signals as a fresh process has them.
    Signals,
    /// No capability can come back.
    Bound,
    /// The program's user and group, no others.
    User,
    /// No capability is left.
    Capabilities,
    /// No privilege by exec.
    NoNewPrivileges,
    /// Its own user may look at it in `/proc`.
    Dumpable,
    /// Landlock.
    Landlock,
    /// The filter of system calls.
    Seccomp,
    /// The limit of open files.
    Files,
    /// The interpreter starts.
    Execute,
}

/// All steps in their order; a process takes those that it needs. Rights are needed until they are dropped, the filter
/// comes last because it refuses most of what the steps before it do. Only the limit of open files is later still: the kernel measures the
/// descriptors that a whole user has on the way through sockets (unix(7), ETOOMANYREFS) by the limit of whoever
/// sends one more. Where all cells are of one user, the program of one could else keep those of the others from
/// handing over the filter's listener.
pub const PROGRAM_STEPS: [Step; 19] = [
    Step::Cgroups,
    Step::Namespaces,
    Step::Session,
    Step::Descriptors,
    Step::CloseOthers,
    Step::OomScore,
    Step::Limits,
    Step::Affinity,
    Step::Directory,
    Step::Signals,
    Step::Bound,
    Step::User,
    Step::Capabilities,
    Step::NoNewPrivileges,
    Step::Dumpable,
    Step::Landlock,
    Step::Seccomp,
    Step::Files,
    Step::Execute,
];

impl Step {
    /// What the step does, in the infinitive, for error messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cgroups => "join the sandbox's control groups",
            Self::Namespaces => "enter the sandbox's namespaces",
            Self::Session => "start a session",
            Self::Descriptors => "place the descriptors",
            Self::CloseOthers => "close the other descriptors",
            Self::OomScore => "raise the out-of-memory score",
            Self::Limits => "set the resource limits",
            Self::Affinity => "set the processor affinity",
            Self::Directory => "enter the working directory",
            Self::Signals => "reset the signals",
            Self::Bound => "empty the capability bounding set",
            Self::User => "become the program's user",
            Self::Capabilities => "drop the capabilities",
            Self::NoNewPrivileges => "refuse new privileges",
            Self::Landlock => "enter the landlock domain",
            Self::Seccomp => "install the system call filter",
            Self::Files => "limit the open files",
            Self::Dumpable => "become dumpable",
            Self::Execute => "execute the interpreter",
        }
    }

    /// The step with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        PROGRAM_STEPS.into_iter().find(|step| *step as u8 == number)
    }

    /// Whether an interpreter that is `forked` from a template, or one that is started, can come by this step: a
    /// forked one has a cell to enter and nothing to execute, and its signals are as a fresh one has them.
    #[must_use]
    pub fn is_of(self, forked: bool) -> bool {
        match self {
            Self::Cgroups | Self::Namespaces | Self::Dumpable => forked,
            Self::Signals | Self::Execute => !forked,
            _ => true,
        }
    }
}
