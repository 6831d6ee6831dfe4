//! The model of a policy, and its decision about one call.

use super::names::{Arch, syscall_name};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The kernel runs the call.
    Allow,
    /// The call fails with this errno, unreported.
    Errno(u16),
    /// The call is held and reported; the supervisor replies with this errno.
    Notify(u16),
    /// The call is held and reported; the supervisor allows it or replies with this errno. Without a
    /// supervisor it runs at once.
    Ask(u16),
    /// The call fails with `ENOSYS`, since there is no tracer, unreported (seccomp(2), `SECCOMP_RET_TRACE`).
    /// Weaker than every other action except [`Action::Allow`]: if another filter of the process blocks or
    /// reports the call, that takes precedence. For filters around a program's own.
    Trace,
    /// The whole process is killed with `SIGSYS`.
    KillProcess,
}

impl Action {
    /// The kernel does nothing, and the call returns 0 as if it had: an error number of 0 means success
    /// (seccomp(2)).
    pub const IGNORE: Self = Self::Errno(0);
    /// The call is reported, and runs once the supervisor was notified; without a supervisor it runs at once.
    pub const TELL: Self = Self::Notify(0);
}

/// One call as the kernel passes it to a filter: `struct seccomp_data` of `linux/seccomp.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeccompData {
    /// The call's number.
    pub nr: u32,
    /// The architecture whose entry was used, `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Address of the instruction that made the call. No rule tests it.
    pub instruction_pointer: u64,
    /// The six argument registers, unmasked, even if the call takes an `int`.
    pub args: [u64; 6],
}

impl SeccompData {
    /// A call on `arch` by number; missing arguments are zero.
    pub fn new(arch: Arch, nr: u32, args: &[u64]) -> Self {
        let mut all = [0; 6];
        for (slot, arg) in all.iter_mut().zip(args) {
            *slot = *arg;
        }
        Self { nr, arch: arch.audit_arch(), instruction_pointer: 0, args: all }
    }
}

/// An allow-list of system calls: ordered rules by call, and the action for the rest.
#[derive(Clone, Debug)]
pub struct Policy {
    /// For a call with a name but no matching rule.
    pub(super) default: Action,
    /// For a number without a name.
    pub(super) unknown: Action,
    /// In the order of the file.
    pub(super) rules: Vec<Rule>,
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The architecture it applies to, if it names a constant that differs between them.
    pub(super) only: Option<Arch>,
    pub(super) action: Action,
    pub(super) names: Vec<String>,
    /// All must hold. If empty, the rule always applies.
    pub(super) tests: Vec<ArgTest>,
}

impl Rule {
    pub(super) fn is_for(&self, arch: Arch) -> bool {
        self.only.is_none_or(|only| only == arch)
    }

    /// The same rule for a filter around the program's own: what the program may do is allowed, and what is
    /// blocked with a report must not be blocked in a way that loses the report.
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
    /// The significant bits. The high half is clear for a 32-bit argument: the kernel ignores those bits of
    /// an `int` too, so a caller could put anything there.
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
    /// The policy's decision about a call, by direct interpretation of its rules.
    ///
    /// This defines the meaning of the compiled [`Program`](super::Program). It also gives the errno for the
    /// reply to a reported call: the kernel's notification does not contain it. It searches all rules on
    /// every use.
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

    /// The rules for call `nr`, in the order they are tried.
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
