//! The walls that `doctor` attacks: one row for each promise in SECURITY.md and each way to break it.
//!
//! The programs are in `programs/`; each runs in a sandbox of its own, made by the configured executor exactly as
//! for a client, without the validator.

use super::proof::{
    Proof, cpu_within_quota, ended_in_time, only_the_good_file, output_was_capped, processes_were_limited,
    the_true_end,
};
use executor::OutcomeKind;

/// One wall and the attack on it.
pub(super) struct Wall {
    /// Its name.
    pub(super) name: &'static str,
    /// The promise that it keeps.
    pub(super) promise: &'static str,
    /// The attacking program, without the prelude.
    pub(super) program: &'static str,
    /// What proves that it stood.
    pub(super) proof: Proof,
    /// Wall-clock seconds for the program.
    pub(super) timeout_s: u64,
    /// The name under which an executor may say in its health that it lacks this wall.
    pub(super) protection: Option<&'static str>,
}

macro_rules! wall {
    ($name:literal, $file:literal, $promise:literal, $proof:expr, $timeout_s:literal) => {
        Wall {
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
pub(super) fn walls() -> Vec<Wall> {
    vec![
        wall!("network, IPv4", "tcp_udp_v4", "no TCP or UDP to this host or beyond"),
        wall!("network, IPv6", "tcp_udp_v6", "no TCP or UDP to this host or beyond"),
        wall!("network, other families", "sockets_other", "no raw, packet, netlink, vsock and other sockets"),
        wall!("network, Unix sockets", "sockets_unix", "no socket of the host, by path or abstract name"),
        wall!("network, DNS", "dns", "no name is looked up"),
        wall!("network, metadata", "metadata", "no cloud metadata"),
        wall!("processes", "processes", "no process of another is seen or signalled"),
        wall!("host files", "host_files", "no file of the host beyond the runtime is read"),
        wall!("writing", "write_outside", "no file is written outside /tmp"),
        wall!("runtime read-only", "runtime_read_only", "no module is changed for the next run"),
        wall!("environment", "environment", "no variable of the service is seen"),
        wall!("descriptors", "descriptors", "no open file of the service is there"),
        wall!("privileges", "privileges", "no capability, no_new_privs, a seccomp filter, not root"),
        wall!("setuid", "setuid", "no privilege is gained from a file or a call"),
        wall!("namespaces", "namespaces", "no namespace is made or entered"),
        wall!("mounts", "mount", "nothing is mounted or unmounted"),
        wall!("ptrace", "ptrace", "no memory of another process is touched"),
        wall!("bpf", "bpf", "no bpf, perf events or userfaultfd"),
        wall!("keys", "keyctl", "no kernel key ring"),
        wall!("io_uring", "io_uring", "no io_uring"),
        wall!("kernel control", "kernel_control", "no module, kexec, reboot, swap, clock or personality"),
        wall!(
            "memory limit",
            "memory",
            "a program that takes more is ended",
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
            "a program that ignores signals is ended in time",
            Proof::Result(ended_in_time),
            2
        ),
        wall!("disk limit", "disk", "no more bytes in /tmp than the limit"),
        Wall {
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
            "no link or pipe is followed for an output file",
            Proof::Result(only_the_good_file),
            10
        ),
        wall!(
            "leftovers between runs",
            "leftover",
            "a run finds nothing of the one before",
            Proof::SecondVerdict,
            10
        ),
        wall!("random numbers", "random", "two runs share no random numbers", Proof::Differ, 10),
        wall!(
            "CPU limit",
            "cpu",
            "many busy processes get no more than the quota",
            Proof::Result(cpu_within_quota),
            15
        ),
        wall!("CPU count", "cpu_count", "programs are told the truth about CPUs"),
        wall!(
            "truth of the end",
            "forged_end",
            "the answer comes from the exit status, not from what was printed",
            Proof::Result(the_true_end),
            10
        ),
    ]
}
