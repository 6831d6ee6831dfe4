//! The steps that isolate a program, by number, name and order. `child` applies them.

/// One step of isolating a program, in the order of [`PROGRAM_STEPS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Step {
    /// The sandbox's cgroups. First: from here on the sandbox is charged for what the process uses.
    Cgroups = 1,
    /// The sandbox's namespaces.
    Namespaces,
    /// A session of its own: signals to a group, `kill(0)`, stay within it.
    Session,
    /// Standard streams and control descriptors get their numbers.
    Descriptors,
    /// Every other descriptor is closed.
    CloseOthers,
    /// The memory of its streams is the agent's.
    Streams,
    /// The kernel's out-of-memory killer chooses it before the agent.
    OomScore,
    /// Resource limits.
    Limits,
    /// The CPUs it runs on.
    Affinity,
    /// Its working directory.
    Directory,
    /// Default signal handling.
    Signals,
    /// No capability can be regained.
    Bound,
    /// The program's user and group, no others.
    User,
    /// No capability remains.
    Capabilities,
    /// No privilege gained by exec.
    NoNewPrivileges,
    /// Its own user may inspect it in `/proc`.
    Dumpable,
    /// Landlock.
    Landlock,
    /// The seccomp filter.
    Seccomp,
    /// The limit of open files.
    Files,
    /// The interpreter starts.
    Execute,
}

/// All steps in order; a process takes those that it needs. Capabilities are kept until no later step needs
/// them, and the filter comes last because it blocks most of what the steps before it do. Only the limit of
/// open files comes later still: the kernel checks the number of descriptors that a user has in flight in
/// sockets (unix(7), ETOOMANYREFS) against the limit of the process that sends another. Where all sandboxes
/// have the same user, the program in one could otherwise keep the others from sending the filter's listener.
pub const PROGRAM_STEPS: [Step; 20] = [
    Step::Cgroups,
    Step::Namespaces,
    Step::Session,
    Step::Descriptors,
    Step::CloseOthers,
    Step::Streams,
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
            Self::Cgroups => "join the sandbox's cgroups",
            Self::Namespaces => "enter the sandbox's namespaces",
            Self::Session => "start a session",
            Self::Descriptors => "place the descriptors",
            Self::CloseOthers => "close the other descriptors",
            Self::Streams => "share the memory of the streams",
            Self::OomScore => "raise the out-of-memory score",
            Self::Limits => "set the resource limits",
            Self::Affinity => "set the processor affinity",
            Self::Directory => "enter the working directory",
            Self::Signals => "reset the signals",
            Self::Bound => "empty the capability bounding set",
            Self::User => "become the program's user",
            Self::Capabilities => "drop the capabilities",
            Self::NoNewPrivileges => "refuse new privileges",
            Self::Landlock => "enter the Landlock domain",
            Self::Seccomp => "install the system call filter",
            Self::Files => "limit the open files",
            Self::Dumpable => "become dumpable",
            Self::Execute => "execute the interpreter",
        }
    }

    /// The step with this number, if any.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        PROGRAM_STEPS.into_iter().find(|step| *step as u8 == number)
    }

    /// Whether an interpreter takes this step, `forked` from a template or else started: a forked one has a
    /// sandbox to enter and nothing to execute, its streams exist, and its signals are already the defaults.
    #[must_use]
    pub fn is_of(self, forked: bool) -> bool {
        match self {
            Self::Cgroups | Self::Namespaces | Self::Streams | Self::Dumpable => forked,
            Self::Signals | Self::Execute => !forked,
            _ => true,
        }
    }
}
