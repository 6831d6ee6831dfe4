//! What a policy is, and what it says about one call.

use super::names::{Arch, syscall_name};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The kernel runs the call.
    Allow,
    /// The call fails with this errno, and nobody is told.
    Errno(u16),
    /// The call is held and reported; the supervisor answers it with this errno.
    Notify(u16),
    /// The call is held and reported; the supervisor lets it run or answers it with this errno. Where nobody hears, it
    /// runs at once.
    Ask(u16),
    /// The call fails with `ENOSYS`, since nobody traces us, and nobody is told (seccomp(2), `SECCOMP_RET_TRACE`). Weaker
    /// than every other action but [`Action::Allow`]: where another filter of the process refuses or reports the call,
    /// that counts. For filters around a program's own.
    Trace,
    /// The whole process is killed with `SIGSYS`.
    KillProcess,
}

impl Action {
    /// The kernel does nothing, and the call returns 0 as if it had: an error number of 0 is none (seccomp(2)).
    pub const IGNORE: Self = Self::Errno(0);
    /// The call is reported, and runs when the supervisor has heard of it; where nobody hears, it runs at once.
    pub const TELL: Self = Self::Notify(0);
}

/// One call as the kernel shows it to a filter: `struct seccomp_data` of `linux/seccomp.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeccompData {
    /// The call's number.
    pub nr: u32,
    /// The machine whose entry was used, `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Address of the instruction that made the call. No rule looks at it.
    pub instruction_pointer: u64,
    /// The six argument registers, whole, also where the call takes an `int`.
    pub args: [u64; 6],
}

impl SeccompData {
    /// A call on `arch` by number, with arguments that are not given being zero.
    pub fn new(arch: Arch, nr: u32, args: &[u64]) -> Self {
        let mut all = [0; 6];
        for (slot, arg) in all.iter_mut().zip(args) {
            *slot = *arg;
        }
        Self { nr, arch: arch.audit_arch(), instruction_pointer: 0, args: all }
    }
}

/// An allow-list of system calls: ordered rules by call, and what is done with the rest.
#[derive(Clone, Debug)]
pub struct Policy {
    /// For a call that has a name but no rule that matches.
    pub(super) default: Action,
    /// For a number that has no name.
    pub(super) unknown: Action,
    /// In the order of the file.
    pub(super) rules: Vec<Rule>,
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The one machine it is for, where it names a constant that differs between them.
    pub(super) only: Option<Arch>,
    pub(super) action: Action,
    pub(super) names: Vec<String>,
    /// All must hold. Empty: the rule always applies.
    pub(super) tests: Vec<ArgTest>,
}

impl Rule {
    pub(super) fn is_for(&self, arch: Arch) -> bool {
        self.only.is_none_or(|only| only == arch)
    }

    /// The same for a filter around the program's own: what the program may do is allowed, and what it is refused with a
    /// report must not be refused so that the report is lost.
    pub(super) fn around_a_program(self) -> Self {
        let action = match self.action {
            Action::TELL | Action::Ask(_) => Action::Allow,
            Action::Notify(_) => Action::Trace,
            other => other,
        };
        Self { action, ..self }
    }
}

/// A test of one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArgTest {
    /// Which argument, 0 to 5.
    pub(super) index: u8,
    /// Bits that count. The high half is clear for a 32-bit argument: the kernel does not look at those bits of an
    /// `int` either, so a caller could put anything there.
    pub(super) mask: u64,
    pub(super) compare: Compare,
}

/// How the masked argument is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// Equal to one of these; never empty, no value has a bit outside the mask.
    OneOf(Vec<u64>),
    /// At most this, unsigned. The mask covers whole 32-bit words.
    AtMost(u64),
}

impl ArgTest {
    fn holds(&self, args: &[u64; 6]) -> bool {
        let value = args[usize::from(self.index)] & self.mask;
        match &self.compare {
            Compare::OneOf(values) => values.contains(&value),
            Compare::AtMost(max) => value <= *max,
        }
    }
}

impl Policy {
    /// What the policy says about a call, by plain reading of its rules.
    ///
    /// The meaning that the compiled [`Program`](super::Program) is held to. It also tells which errno a reported call
    /// is to be answered with: the kernel's notification does not carry it. It searches all rules on every use.
    pub fn decide(&self, arch: Arch, data: &SeccompData) -> Action {
        if data.arch != arch.audit_arch() {
            return Action::KillProcess;
        }
        if syscall_name(arch, data.nr).is_none() {
            return self.unknown;
        }
        self.rules_of(arch, data.nr)
            .find(|rule| rule.tests.iter().all(|test| test.holds(&data.args)))
            .map_or(self.default, |rule| rule.action)
    }

    /// The rules that speak of call `nr`, in the order they are tried.
    pub(super) fn rules_of(&self, arch: Arch, nr: u32) -> impl Iterator<Item = &Rule> {
        let call = syscall_name(arch, nr);
        self.rules.iter().filter(move |rule| {
            rule.is_for(arch) && rule.names.iter().any(|name| call == Some(name.as_str()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seccomp_data_has_the_kernels_layout() {
        assert_eq!(size_of::<SeccompData>(), 64);
        assert_eq!(std::mem::offset_of!(SeccompData, arch), 4);
        assert_eq!(std::mem::offset_of!(SeccompData, args), 16);
    }
}
