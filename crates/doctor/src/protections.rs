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
    pub(super) promise: &'static str,
    /// The attack program, without the prelude.
    pub(super) program: &'static str,
    /// How to check that it held.
    pub(super) proof: Proof,
    /// Protection-clock seconds for the program.
    pub(super) timeout_s: u64,
    /// The name under which an executor's health may report this protection as missing.
    pub(super) protection: Option<&'static str>,
}

macro_rules! wall {
    ($name:literal, $file:literal, $promise:literal, $proof:expr, $timeout_s:literal) => {
        Protection {
            name: $name,
            promise: $promise,
            program: include_str!(concat!("programs/", $file, ".py")),
            proof: $proof,
            timeout_s: $timeout_s,
            protection: None,
        }
    };
    ($name:literal, $file:literal, $promise:literal) => {
        wall!($name, $file, $promise, Proof::Verdict, 20)
    };
}

/// All of them.
pub(super) fn protections() -> Vec<Protection> {
    vec![
        wall!("network, IPv4", "tcp_udp_v4", "no TCP or UDP to this host or any other"),
        wall!("network, IPv6", "tcp_udp_v6", "no TCP or UDP to this host or any other"),
        wall!("network, other families", "sockets_other", "no raw, packet, netlink, vsock or other sockets"),
        wall!("network, Unix sockets", "sockets_unix", "no socket of the host, by path or abstract name"),
        wall!("network, DNS", "dns", "no name can be resolved"),
        wall!("network, metadata", "metadata", "no cloud metadata"),
        wall!("processes", "processes", "no other process can be seen or signalled"),
        wall!("host files", "host_files", "no file of the host outside the runtime can be read"),
        wall!("writing", "write_outside", "no file can be written outside /tmp"),
        wall!("runtime read-only", "runtime_read_only", "no module can be changed for the next run"),
        wall!("environment", "environment", "no variable of the service is visible"),
        wall!("descriptors", "descriptors", "no open file of the service is inherited"),
        wall!("privileges", "privileges", "no capability, no_new_privs, a seccomp filter, not root"),
        wall!("setuid", "setuid", "no privilege can be gained through a file or a call"),
        wall!("namespaces", "namespaces", "no namespace can be created or entered"),
        wall!("mounts", "mount", "nothing can be mounted or unmounted"),
        wall!("ptrace", "ptrace", "no memory of another process can be accessed"),
        wall!("bpf", "bpf", "no bpf, perf events or userfaultfd"),
        wall!("keys", "keyctl", "no kernel keyring"),
        wall!("io_uring", "io_uring", "no io_uring"),
        wall!("kernel control", "kernel_control", "no module, kexec, reboot, swap, clock or personality"),
        wall!(
            "memory limit",
            "memory",
            "a program that uses more is killed",
            Proof::Outcome(OutcomeKind::OutOfMemory),
            25
        ),
        wall!(
            "process limit",
            "pids",
            "no more processes and threads than the limit",
            Proof::Result(processes_were_limited),
            20
        ),
        wall!(
            "time limit",
            "time",
            "a program that ignores signals is killed in time",
            Proof::Result(ended_in_time),
            2
        ),
        wall!("disk limit", "disk", "no more bytes in /tmp than the limit"),
        Protection {
            protection: Some("file_count_limit"),
            ..wall!("file count limit", "inodes", "no more files in /tmp than the limit")
        },
        wall!(
            "output cap",
            "output",
            "output beyond the cap is dropped and counted",
            Proof::Result(output_was_capped),
            20
        ),
        wall!(
            "file collection",
            "collection",
            "no link or pipe is followed when output files are collected",
            Proof::Result(only_the_regular_file),
            10
        ),
        wall!(
            "leftovers between runs",
            "leftover",
            "a run finds nothing of the previous one",
            Proof::SecondVerdict,
            10
        ),
        wall!("random numbers", "random", "two runs share no random numbers", Proof::Differ, 10),
        wall!(
            "CPU limit",
            "cpu",
            "many busy processes together get no more than the quota",
            Proof::Result(cpu_within_quota),
            15
        ),
        wall!("CPU count", "cpu_count", "programs see the number of CPUs that they may use"),
        wall!(
            "truth of the end",
            "forged_end",
            "the answer comes from the exit status, not from what was printed",
            Proof::Result(the_true_end),
            10
        ),
    ]
}
