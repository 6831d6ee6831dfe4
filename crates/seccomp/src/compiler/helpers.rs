//! The policies of the processes around programs. They apply in addition to the program's own policy: filters
//! stack, and the strongest action counts (seccomp(2)).

use super::bpf::Program;
use super::compile::{CompileError, CompileOptions};
use super::model::Policy;
use super::names::Arch;
use super::parse::LAUNCHER;

/// One of our own processes with a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helper {
    /// Serves requests, and starts all others.
    Service,
    /// Parent of the launcher, outside its pid namespace.
    Monitor,
    /// Creates sandboxes and templates.
    Launcher,
    /// Imports packages and forks into sandboxes.
    Template,
    /// First process of a sandbox.
    Agent,
}

impl Helper {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Service, Self::Monitor, Self::Launcher, Self::Template, Self::Agent];

    fn text(self) -> &'static str {
        match self {
            Self::Service => include_str!("../../data/service.policy"),
            Self::Monitor => include_str!("../../data/monitor.policy"),
            Self::Launcher => LAUNCHER,
            Self::Template => include_str!("../../data/template.policy"),
            Self::Agent => include_str!("../../data/agent.policy"),
        }
    }

    /// Parses its policy, `data/*.policy`.
    #[must_use]
    pub fn policy(self) -> Policy {
        Policy::parse(self.text()).expect("the embedded policies parse; a test checks that")
    }

    /// Compiles its filter for this machine.
    ///
    /// # Errors
    /// Never with the built-in policies.
    pub fn filter(self) -> Result<Program, CompileError> {
        self.policy().compile(Arch::native(), CompileOptions { notify: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, SeccompData, syscall_number};
    use proptest::prelude::*;

    /// The filters around programs: what these block, nothing in a sandbox can do.
    const AROUND: [Helper; 4] = [Helper::Service, Helper::Launcher, Helper::Template, Helper::Agent];

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
        const NEVER: [&str; 56] = [
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
            for (family, kind) in
                [2, 10, 16, 17, 38, 40].into_iter().flat_map(|family| (1..=5).map(move |kind| (family, kind)))
            {
                // Only the service has clients, and resolves names.
                let is_its = helper == Helper::Service && family <= 10 && kind <= 2;
                let expected = if is_its { Action::Allow } else { Action::Trace };
                assert_eq!(
                    decide(helper, "socket", &[family, kind, 0]),
                    expected,
                    "{helper:?} {family} {kind}"
                );
            }
        }
        for helper in [Helper::Launcher, Helper::Template, Helper::Agent] {
            assert_eq!(decide(helper, "pivot_root", &[]), Action::Trace, "{helper:?}");
        }
    }

    #[test]
    fn what_the_service_has_for_a_purpose_is_good_for_no_other() {
        let service = |name: &str, args: &[u64]| decide(Helper::Service, name, args);
        let (bind, remount, private, recursive) = (0x1000, 0x20, 0x4_0000, 0x4000);
        assert_eq!(service("mount", &[0, 0, 0, private | recursive]), Action::Allow);
        assert_eq!(service("mount", &[0, 0, 0, remount | bind | 0xE]), Action::Allow);
        for flags in
            [0, bind, bind | recursive, remount, remount | bind, remount | bind | 0xF, private, 0x2000]
        {
            assert_eq!(service("mount", &[0, 0, 0, flags]), Action::Trace, "{flags:#x}");
        }
        let (character, block, file) = (0o020_666, 0o060_666, 0o100_644);
        assert_eq!(service("mknodat", &[3, 0, character, 0x103]), Action::Allow, "null");
        assert_eq!(service("mknodat", &[3, 0, file, 0]), Action::Allow);
        // mem, kmem, port, tty0; a disk.
        for (kind, number) in
            [(character, 0x101), (character, 0x102), (character, 0x104), (character, 0x400), (block, 0x103)]
        {
            assert_eq!(service("mknodat", &[3, 0, kind, number]), Action::Trace, "{kind:o} {number:#x}");
            assert_eq!(service("mknod", &[0, kind, number]), Action::Trace, "{kind:o} {number:#x}");
        }
        let (udp_lite, mptcp, raw_icmp) = (136, 262, 1);
        for (kind, protocol) in [(2, udp_lite), (1, mptcp), (2, raw_icmp), (1, 132)] {
            assert_eq!(service("socket", &[2, kind, protocol]), Action::Trace, "{kind} {protocol}");
        }
        // SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_BINDTODEVICE; IPT_SO_SET_REPLACE, IP6T_SO_SET_REPLACE; TCP_ULP.
        for (level, option) in [(1, 26), (1, 50), (1, 25), (0, 64), (41, 64), (6, 31)] {
            assert_eq!(service("setsockopt", &[3, level, option]), Action::Trace, "{level} {option}");
        }
        // TIOCSTI, TIOCLINUX, BLKRRPART, KVM_CREATE_VM, LOOP_SET_FD, TUNSETIFF.
        for request in [0x5412, 0x541C, 0x125F, 0xAE01, 0x4C00, 0x4004_54CA] {
            assert_eq!(service("ioctl", &[3, request]), Action::Trace, "{request:#x}");
        }
        assert_eq!(service("prlimit64", &[1]), Action::Trace);
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
        for helper in [Helper::Launcher, Helper::Template, Helper::Agent] {
            assert_eq!(decide(helper, "unshare", &[new_user]), Action::Trace, "{helper:?}");
            assert_eq!(decide(helper, "clone", &[new_user]), Action::Trace, "{helper:?}");
        }
        for helper in AROUND {
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

        /// Every filter around a program allows what the program may do, and none of them takes precedence
        /// over a report by the program's own filter.
        #[test]
        fn none_is_in_the_way_of_a_programs_own(( arch, nr, args) in any_call()) {
            thread_local! {
                static POLICIES: (Policy, [Policy; 4]) = (Policy::builtin(), AROUND.map(Helper::policy));
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

        /// No filter of what the service starts is blocked by the service's own filter. Templates and agents
        /// are below the launcher's filter as well.
        #[test]
        fn the_services_is_not_in_the_way_of_what_it_starts((arch, nr, args) in any_call()) {
            thread_local! {
                static POLICIES: [Policy; 3] = [Helper::Service, Helper::Launcher, Helper::Monitor].map(Helper::policy);
            }
            let data = SeccompData::new(arch, nr, &args);
            POLICIES.with(|[service, launcher, monitor]| {
                for below in [launcher, monitor] {
                    if below.decide(arch, &data) == Action::Allow {
                        prop_assert_eq!(service.decide(arch, &data), Action::Allow, "{:?}", data);
                    }
                }
                Ok(())
            })?;
        }
    }
}
