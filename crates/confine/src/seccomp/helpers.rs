//! The policies of the processes around programs. They hold with whatever the program's own policy says: filters add
//! up, and the strongest action of all counts (seccomp(2)).

use super::bpf::Program;
use super::compile::{CompileError, CompileOptions};
use super::names::Arch;
use super::policy::Policy;

/// A process of ours that has a filter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helper {
    /// Parent of the launcher, outside of its pid namespace.
    Monitor,
    /// Makes cells and templates.
    Launcher,
    /// Imports packages and forks into cells.
    Template,
    /// First process of a cell.
    Agent,
}

impl Helper {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Monitor, Self::Launcher, Self::Template, Self::Agent];

    fn text(self) -> &'static str {
        match self {
            Self::Monitor => include_str!("../../data/monitor.policy"),
            Self::Launcher => include_str!("../../data/launcher.policy"),
            Self::Template => include_str!("../../data/template.policy"),
            Self::Agent => include_str!("../../data/agent.policy"),
        }
    }

    /// Its policy, `data/*.policy`.
    #[must_use]
    pub fn policy(self) -> Policy {
        Policy::parse(self.text()).expect("the embedded policies parse; a test holds them to that")
    }

    /// Its filter, for this machine.
    ///
    /// # Errors
    /// Never with the policies that are built in.
    pub fn filter(self) -> Result<Program, CompileError> {
        self.policy().compile(Arch::native(), CompileOptions { notify: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::{Action, SeccompData, syscall_number};
    use proptest::prelude::*;

    /// Around programs: what these refuse, nothing in a cell can have.
    const AROUND: [Helper; 3] = [Helper::Launcher, Helper::Template, Helper::Agent];

    fn decide(helper: Helper, name: &str, args: &[u64]) -> Action {
        let arch = Arch::X86_64;
        let number = syscall_number(arch, name).unwrap_or_else(|| panic!("{name} has a number"));
        helper.policy().decide(arch, &SeccompData::new(arch, number, args))
    }

    #[test]
    fn every_policy_parses_and_compiles() {
        for helper in Helper::ALL {
            Policy::parse(helper.text()).unwrap_or_else(|error| panic!("{helper:?}: {error}"));
            for arch in Arch::ALL {
                let program = helper.policy().compile(arch, CompileOptions { notify: false }).unwrap();
                assert!(program.instructions().len() < 1200, "{helper:?}: {}", program.instructions().len());
            }
        }
    }

    #[test]
    fn none_reaches_the_rest_of_the_kernel() {
        const NEVER: [&str; 57] = [
            "bpf",
            "perf_event_open",
            "init_module",
            "finit_module",
            "delete_module",
            "kexec_load",
            "kexec_file_load",
            "reboot",
            "swapon",
            "swapoff",
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "process_madvise",
            "pidfd_getfd",
            "kcmp",
            "open_by_handle_at",
            "name_to_handle_at",
            "keyctl",
            "add_key",
            "request_key",
            "userfaultfd",
            "io_uring_setup",
            "io_uring_enter",
            "io_uring_register",
            "settimeofday",
            "clock_settime",
            "clock_adjtime",
            "adjtimex",
            "syslog",
            "quotactl",
            "quotactl_fd",
            "acct",
            "iopl",
            "ioperm",
            "fanotify_init",
            "fanotify_mark",
            "setdomainname",
            "pivot_root",
            "lookup_dcookie",
            "vhangup",
            "mount",
            "memfd_secret",
            "vmsplice",
            "modify_ldt",
            "shmget",
            "msgget",
            "semget",
            "mq_open",
            "setuid",
            "setgid",
            "migrate_pages",
            "move_pages",
            "inotify_init1",
            "syncfs",
            "statmount",
            "listmount",
        ];
        for helper in AROUND {
            for name in NEVER {
                assert_eq!(decide(helper, name, &[]), Action::Trace, "{helper:?}: {name}");
            }
            assert_eq!(decide(helper, "personality", &[0x0004_0000]), Action::Trace, "{helper:?}");
            for family in [2, 10, 16, 17, 38] {
                for kind in [1, 2, 3] {
                    assert_eq!(
                        decide(helper, "socket", &[family, kind, 0]),
                        Action::Trace,
                        "{helper:?} {family}"
                    );
                }
            }
        }
    }

    #[test]
    fn only_the_launcher_makes_namespaces_and_mounts() {
        let (new_user, new_mounts) = (0x1000_0000, 0x0002_0000);
        for (name, args) in [
            ("fsopen", [0, 0].as_slice()),
            ("fsmount", &[3, 0]),
            ("move_mount", &[3, 0]),
            ("open_tree", &[3, 0]),
            ("mount_setattr", &[3, 0]),
            ("umount2", &[0, 0]),
            ("unshare", &[new_mounts]),
            ("clone", &[new_mounts]),
            ("sethostname", &[0, 1]),
        ] {
            assert_eq!(decide(Helper::Launcher, name, args), Action::Allow, "{name}");
            for helper in [Helper::Template, Helper::Agent] {
                assert_eq!(decide(helper, name, args), Action::Trace, "{helper:?}: {name}");
            }
        }
        for helper in AROUND {
            assert_eq!(decide(helper, "unshare", &[new_user]), Action::Trace, "{helper:?}");
            assert_eq!(decide(helper, "clone", &[new_user]), Action::Trace, "{helper:?}");
            assert_eq!(decide(helper, "setns", &[3, new_user]), Action::Trace, "{helper:?}");
            assert_eq!(decide(helper, "setns", &[3, 0]), Action::Trace, "{helper:?}: of any kind");
        }
        assert_eq!(decide(Helper::Agent, "setns", &[3, new_mounts]), Action::Trace);
        assert_eq!(decide(Helper::Agent, "chroot", &[]), Action::Trace);
    }

    fn any_call() -> impl Strategy<Value = (Arch, u32, [u64; 6])> {
        let arg =
            prop_oneof![0u64..20, (0u32..64).prop_map(|bit| 1 << bit), any::<u32>().prop_map(u64::from)];
        (prop_oneof![Just(Arch::X86_64), Just(Arch::Aarch64)], 0u32..480, prop::array::uniform6(arg))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// What a program may do, every filter around it lets through, and what its own filter reports, none of them
        /// answers first.
        #[test]
        fn none_is_in_the_way_of_a_programs_own(( arch, nr, args) in any_call()) {
            thread_local! {
                static POLICIES: (Policy, [Policy; 3]) = (Policy::builtin(), AROUND.map(Helper::policy));
            }
            let data = SeccompData::new(arch, nr, &args);
            POLICIES.with(|(program, around)| {
                let own = program.decide(arch, &data);
                for policy in around {
                    let outer = policy.decide(arch, &data);
                    match own {
                        Action::Allow | Action::TELL | Action::Ask(_) => prop_assert_eq!(outer, Action::Allow, "{:?}", data),
                        Action::Notify(_) => {
                            prop_assert!(matches!(outer, Action::Allow | Action::Trace), "{:?}: {:?}", data, outer);
                        }
                        _ => prop_assert!(outer != Action::KillProcess, "{:?}", data),
                    }
                }
                Ok(())
            })?;
        }
    }
}
