//! The protections that `doctor` attacks: one row for each guarantee in SECURITY.md and each way to break it.
//!
//! The programs are in `programs/`; each runs in a new sandbox, created by the configured executor exactly as
//! for a client, without the validator.

use super::proof::{
    Proof, cpu_within_quota, ended_in_time, only_the_regular_file, output_was_capped, processes_were_limited,
    the_true_end,
};
use executor::OutcomeKind;

/// One protection and the attack on it.
pub(super) struct Protection {
    /// Its name.
    pub(super) name: &'static str,
    /// The guarantee that it enforces.
    pub(super) guarantee: &'static str,
    /// The attack program, without the prelude.
    pub(super) program: &'static str,
    /// How to check that it held.
    pub(super) proof: Proof,
    /// Protection-clock seconds for the program.
    pub(super) timeout_s: u64,
    /// The name under which an executor's health may report this protection as missing.
    pub(super) reported_as: Option<&'static str>,
}

macro_rules! attack {
    ($name:literal, $file:literal, $guarantee:literal, $proof:expr, $timeout_s:literal) => {
        Protection {
            name: $name,
            guarantee: $guarantee,
            program: include_str!(concat!("programs/", $file, ".py")),
            proof: $proof,
            timeout_s: $timeout_s,
            reported_as: None,
        }
    };
    ($name:literal, $file:literal, $guarantee:literal) => {
        attack!($name, $file, $guarantee, Proof::Verdict, 20)
    };
}

/// All of them.
pub(super) fn protections() -> Vec<Protection> {
    vec![
        attack!("network, IPv4", "tcp_udp_v4", "no TCP or UDP to this host or any other"),
        attack!("network, IPv6", "tcp_udp_v6", "no TCP or UDP to this host or any other"),
        attack!(
            "network, other families",
            "sockets_other",
            "no raw, packet, netlink, vsock or other sockets"
        ),
        attack!("network, Unix sockets", "sockets_unix", "no socket of the host, by path or abstract name"),
        attack!("network, DNS", "dns", "no name can be resolved"),
        attack!("network, metadata", "metadata", "no cloud metadata"),
        attack!("processes", "processes", "no other process can be seen or signalled"),
        attack!("host files", "host_files", "no file of the host outside the runtime can be read"),
        attack!("writing", "write_outside", "no file can be written outside /tmp"),
        attack!("runtime read-only", "runtime_read_only", "no module can be changed for the next run"),
        attack!("environment", "environment", "no variable of the service is visible"),
        attack!("descriptors", "descriptors", "no open file of the service is inherited"),
        attack!("privileges", "privileges", "no capability, no_new_privs, a seccomp filter, not root"),
        attack!("setuid", "setuid", "no privilege can be gained through a file or a call"),
        attack!("namespaces", "namespaces", "no namespace can be created or entered"),
        attack!("mounts", "mount", "nothing can be mounted or unmounted"),
        attack!("ptrace", "ptrace", "no memory of another process can be accessed"),
        attack!("bpf", "bpf", "no bpf, perf events or userfaultfd"),
        attack!("keys", "keyctl", "no kernel keyring"),
        attack!("io_uring", "io_uring", "no io_uring"),
        attack!("kernel control", "kernel_control", "no module, kexec, reboot, swap, clock or personality"),
        attack!(
            "memory limit",
            "memory",
            "a program that uses more is killed",
            Proof::Outcome(OutcomeKind::OutOfMemory),
            25
        ),
        attack!(
            "process limit",
            "pids",
            "no more processes and threads than the limit",
            Proof::Result(processes_were_limited),
            20
        ),
        attack!(
            "time limit",
            "time",
            "a program that ignores signals is killed in time",
            Proof::Result(ended_in_time),
            2
        ),
        attack!("disk limit", "disk", "no more bytes in /tmp than the limit"),
        Protection {
            reported_as: Some("file_count_limit"),
            ..attack!("file count limit", "inodes", "no more files in /tmp than the limit")
        },
        attack!(
            "output cap",
            "output",
            "output beyond the limit is dropped and counted",
            Proof::Result(output_was_capped),
            20
        ),
        attack!(
            "file collection",
            "collection",
            "no link or pipe is followed when output files are collected",
            Proof::Result(only_the_regular_file),
            10
        ),
        attack!(
            "leftovers between runs",
            "leftover",
            "a run finds nothing of the previous one",
            Proof::SecondVerdict,
            10
        ),
        attack!("random numbers", "random", "two runs share no random numbers", Proof::Differ, 10),
        attack!(
            "CPU limit",
            "cpu",
            "many busy processes together get no more than the quota",
            Proof::Result(cpu_within_quota),
            15
        ),
        attack!("CPU count", "cpu_count", "programs see the number of CPUs that they may use"),
        attack!(
            "truth of the end",
            "forged_end",
            "the outcome comes from the exit status, not from what the program printed",
            Proof::Result(the_true_end),
            10
        ),
    ]
}
