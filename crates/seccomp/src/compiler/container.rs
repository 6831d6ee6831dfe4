//! The policy in the format of container engines: a second seccomp filter, around the agent and its program.
//!
//! The agent installs the exact filter on each program itself. The engine's filter is already installed when
//! the first instruction in the container runs, so it applies to the agent, too. It is generated from the
//! same rules, and is wider in two ways only: it allows what the agent itself needs, and leaves out tests of
//! arguments that the engine's format cannot express.
//!
//! What is not allowed gets the action "trace". Without a tracer, and there is none, the kernel does not run
//! such a call and returns ENOSYS (seccomp(2)). Unlike an errno it yields to the inner filter's notification,
//! so the agent is still notified of a blocked call and can name it.
//!
//! The format is that of Docker and Podman: <https://docs.docker.com/engine/security/seccomp/>.

use super::model::{Action, ArgTest, Compare, Policy, Rule};
use super::names::{Arch, syscall_number};
use std::fmt::Write;

/// Calls of the agent that no program may make: for its filter, its Landlock rules, its privileges, its
/// descriptors.
const OF_THE_AGENT: [&str; 15] = [
    "seccomp",
    "landlock_create_ruleset",
    "landlock_add_rule",
    "landlock_restrict_self",
    "openat2",
    "prctl",
    "capset",
    "ioctl",
    "socketpair",
    "sched_setaffinity",
    "pidfd_open",
    "pidfd_send_signal",
    "memfd_create",
    "signalfd4",
    "close_range",
];

impl Policy {
    /// Generates a seccomp profile for the engine, in JSON.
    #[must_use]
    pub fn container_profile(&self, arch: Arch) -> String {
        // With x32 an unknown number in its range is blocked like any other; without, it would kill.
        let names = match arch {
            Arch::X86_64 => r#""SCMP_ARCH_X86_64","SCMP_ARCH_X32""#,
            Arch::Aarch64 => r#""SCMP_ARCH_AARCH64""#,
        };
        let mut rules: Vec<String> = vec![rule(&OF_THE_AGENT.map(str::to_owned), &[])];
        let runs = |rule: &&Rule| matches!(rule.action, Action::Allow | Action::Ask(_)) && rule.is_for(arch);
        for allowed in self.rules.iter().filter(runs) {
            let names: Vec<String> =
                allowed.names.iter().filter(|name| syscall_number(arch, name).is_some()).cloned().collect();
            if !names.is_empty() {
                rules.extend(alternatives(&allowed.tests).iter().map(|tests| rule(&names, tests)));
            }
        }
        format!(
            r#"{{"defaultAction":"SCMP_ACT_TRACE","architectures":[{names}],"syscalls":[{}]}}"#,
            rules.join(",")
        )
    }
}

/// One comparison of an argument in the engine's format: `argument & mask == value`.
#[derive(Clone, Copy)]
struct Masked {
    index: u8,
    mask: u64,
    value: u64,
}

/// Tests with lists of values, as lists of simple comparisons of which one must hold.
fn alternatives(tests: &[ArgTest]) -> Vec<Vec<Masked>> {
    let mut all: Vec<Vec<Masked>> = vec![Vec::new()];
    for test in tests {
        // Wider, never narrower: the engine compares whole registers, whose upper half the program controls.
        let Compare::OneOf(values) = &test.compare else { continue };
        // libseccomp accepts one comparison per argument.
        if all.iter().flatten().any(|masked| masked.index == test.index) {
            continue;
        }
        all = all
            .iter()
            .flat_map(|before| {
                values.iter().map(|&value| {
                    let masked = Masked { index: test.index, mask: test.mask, value };
                    before.iter().copied().chain([masked]).collect()
                })
            })
            .collect();
    }
    all
}

fn rule(names: &[String], tests: &[Masked]) -> String {
    let names = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
    let mut text = format!(r#"{{"names":[{names}],"action":"SCMP_ACT_ALLOW""#);
    if !tests.is_empty() {
        let tests: Vec<String> = tests
            .iter()
            .map(|Masked { index, mask, value }| {
                format!(r#"{{"index":{index},"value":{mask},"valueTwo":{value},"op":"SCMP_CMP_MASKED_EQ"}}"#)
            })
            .collect();
        // Writing to a string cannot fail.
        let _ = write!(text, r#","args":[{}]"#, tests.join(","));
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_may_do_is_in_it_and_what_nobody_may_is_not() {
        let profile = Policy::builtin().container_profile(Arch::X86_64);
        for allowed in ["\"read\"", "\"execve\"", "\"futex\"", "\"seccomp\""] {
            assert!(profile.contains(allowed), "{allowed}");
        }
        for refused in ["\"mount\"", "\"bpf\"", "\"ptrace\"", "\"io_uring_setup\"", "\"clone3\""] {
            assert!(!profile.contains(refused), "{refused}");
        }
        let depth = profile.chars().filter(|c| *c == '{').count();
        assert_eq!(depth, profile.chars().filter(|c| *c == '}').count());
    }

    #[test]
    fn a_clone_with_namespaces_is_not_allowed_by_any_rule() {
        let policy = Policy::builtin();
        let mut allowed = policy.rules.iter().filter(|rule| rule.action == Action::Allow);
        let clone = allowed.find(|rule| rule.names.iter().any(|name| name == "clone"));
        let tests = alternatives(&clone.expect("the policy speaks of clone").tests);
        assert!(
            tests
                .iter()
                .all(|tests| tests.iter().any(|test| test.mask & 0x1000_0000 != 0 && test.value == 0))
        );
    }

    #[test]
    fn a_socket_is_a_local_stream() {
        let profile = Policy::builtin().container_profile(Arch::X86_64);
        assert_eq!(profile.matches("\"socket\"").count(), 1);
        let rule = profile.split("\"names\":").find(|rule| rule.starts_with("[\"socket\"]")).unwrap();
        for (index, mask, value) in [(0, 0xFFFF_FFFF_u64, 1), (1, 0xF, 1), (2, 0xFFFF_FFFF, 0)] {
            let test =
                format!(r#"{{"index":{index},"value":{mask},"valueTwo":{value},"op":"SCMP_CMP_MASKED_EQ"}}"#);
            assert!(rule.contains(&test), "{test} is not in {rule}");
        }
    }

    #[test]
    fn each_value_of_a_list_is_a_rule_of_its_own() {
        let policy =
            Policy::parse("default notify EPERM\nunknown errno ENOSYS\nallow ioctl if arg1:32 in 1 2\n");
        let profile = policy.expect("it parses").container_profile(Arch::X86_64);
        assert_eq!(profile.matches("MASKED_EQ").count(), 2);
    }
}
