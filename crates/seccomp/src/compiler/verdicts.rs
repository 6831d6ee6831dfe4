//! The verdicts of the shipped policy, call by call: the table to update with every change of
//! `data/seccomp.policy`.
//!
//! Rows read `call(arguments) -> verdict`. They are checked against the compiled program, on every
//! architecture that has the call.

use super::{Action, Arch, CompileOptions, Policy, Program, SeccompData, syscall_number};

const ALLOW: Action = Action::Allow;
const IGNORED: Action = Action::IGNORE;
const REPORTED: Action = Action::Notify(libc_errno(libc::EPERM));
const QUIET_EPERM: Action = Action::Errno(libc_errno(libc::EPERM));
const QUIET_EINVAL: Action = Action::Errno(libc_errno(libc::EINVAL));
const QUIET_ENOMEM: Action = Action::Errno(libc_errno(libc::ENOMEM));
const QUIET_ESRCH: Action = Action::Errno(libc_errno(libc::ESRCH));
const QUIET_ENOPROTOOPT: Action = Action::Errno(libc_errno(libc::ENOPROTOOPT));
const COUNTED: Action = Action::Ask(libc_errno(libc::ENOLCK));
const QUIET_ENOSYS: Action = Action::Errno(libc_errno(libc::ENOSYS));
const QUIET_ENOTSUP: Action = Action::Errno(libc_errno(libc::EOPNOTSUPP));

/// An argument register with arbitrary bits in the half that the kernel ignores.
const GARBAGE: u64 = 0xDEAD_BEEF_0000_0000;
/// A pointer.
const POINTER: u64 = 0x7FFF_1234_5678;
/// `AT_FDCWD` as an `int` in a register, and with its sign extended.
const CWD: u64 = 0xFFFF_FF9C;
const CWD_WIDE: u64 = 0xFFFF_FFFF_FFFF_FF9C;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "error numbers are small and positive"
)]
const fn libc_errno(number: i32) -> u16 {
    number as u16
}

fn programs() -> [(Arch, Program); 2] {
    let policy = Policy::builtin();
    Arch::ALL.map(|arch| (arch, policy.compile(arch, CompileOptions { notify: true }).unwrap()))
}

/// Checks rows on both architectures; a call that neither has is a mistake in the table.
fn check<'r>(rows: impl IntoIterator<Item = (&'r str, &'r [u64], Action)>) {
    let programs = programs();
    for (name, args, wanted) in rows {
        let mut found = false;
        for (arch, program) in &programs {
            let Some(nr) = syscall_number(*arch, name) else { continue };
            found = true;
            let verdict = program.evaluate(&SeccompData::new(*arch, nr, args));
            assert_eq!(verdict, wanted, "{name}({args:x?}) on {arch:?}");
        }
        assert!(found, "no architecture has {name}");
    }
}

/// Calls without tests on their arguments: the verdict must not depend on those.
fn check_always(names: &str, wanted: Action) -> usize {
    for args in [&[0; 6], &[1; 6], &[u64::MAX; 6], &[POINTER; 6]] {
        check(names.split_whitespace().map(|name| (name, args.as_slice(), wanted)));
    }
    names.split_whitespace().count()
}

#[test]
fn calls_that_are_always_allowed() {
    let count = check_always(
        "brk munmap mremap mprotect msync map_shadow_stack
         read write readv writev pread64 pwrite64 preadv pwritev lseek close
         dup dup2 dup3 pipe pipe2 sendfile copy_file_range splice fsync fdatasync flock ftruncate truncate fallocate
         stat lstat fstat newfstatat fstatat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat
         getdents getdents64 getcwd chdir fchdir umask mkdir mkdirat rmdir unlink unlinkat rename renameat
         link linkat symlink symlinkat chown lchown fchown fchownat utime utimes utimensat
         getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
         poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
         eventfd2 timerfd_create timerfd_settime timerfd_gettime
         fork vfork execve execveat exit exit_group wait4 waitid restart_syscall set_tid_address set_robust_list
         get_robust_list rseq sched_yield sched_get_priority_max
         getrlimit setrlimit rt_sigaction rt_sigprocmask rt_sigreturn
         rt_sigtimedwait sigaltstack pause pidfd_open alarm setitimer getitimer
         clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times
         getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgid getpgrp getsid
         setpgid setsid capget uname getrusage getcpu getrandom sysinfo
         bind connect listen accept accept4 recvfrom recvmsg shutdown getsockname getpeername",
        ALLOW,
    );
    assert!(count > 120, "{count}");
}

#[test]
fn the_kernel_surface_of_the_threat_model_is_refused_and_reported() {
    let count = check_always(
        "mount umount2 pivot_root chroot unshare setns mount_setattr move_mount open_tree open_tree_attr fsopen
         fsconfig fsmount fspick statmount listmount ptrace process_vm_readv process_vm_writev process_madvise
         process_mrelease pidfd_getfd kcmp bpf perf_event_open seccomp userfaultfd io_uring_setup io_uring_enter
         io_uring_register keyctl add_key request_key init_module finit_module delete_module kexec_load
         kexec_file_load reboot swapon swapoff acct quotactl quotactl_fd syslog vhangup lookup_dcookie uselib sysfs
         ustat _sysctl name_to_handle_at open_by_handle_at fanotify_init fanotify_mark inotify_init1
         setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset sethostname
         setdomainname clock_settime clock_adjtime settimeofday adjtimex modify_ldt ioperm iopl
         shmget shmat msgget semget mq_open mq_notify vmsplice tee remap_file_pages memfd_secret mincore
         migrate_pages move_pages timer_create syncfs nfsservctl sync_file_range readahead signalfd4 rt_sigqueueinfo
         rt_tgsigqueueinfo sched_getattr sendmmsg recvmmsg",
        REPORTED,
    );
    assert!(count > 80, "{count}");
}

#[test]
fn calls_that_libraries_probe_are_refused_quietly() {
    check_always(
        "clone3 openat2 get_mempolicy set_mempolicy mbind pkey_alloc pkey_free pkey_mprotect io_setup io_submit
         io_getevents setxattrat getxattrat listxattrat file_getattr futex_waitv futex_wake futex_wait futex_requeue mseal
         landlock_create_ruleset landlock_add_rule landlock_restrict_self lsm_get_self_attr lsm_list_modules",
        QUIET_ENOSYS,
    );
    check_always("setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr", QUIET_ENOTSUP);
    check_always(
        "mlock mlock2 munlock mlockall munlockall sync sched_setaffinity sched_setscheduler sched_setparam sched_setattr",
        QUIET_EPERM,
    );
}

#[test]
fn a_kill_is_told_and_every_other_signal_is_not() {
    check([
        ("kill", [7, 9].as_slice(), Action::TELL),
        ("kill", &[7, 9 | GARBAGE], Action::TELL),
        ("kill", &[7, 15], ALLOW),
        ("kill", &[7, 0], ALLOW),
        ("tkill", &[7, 9], Action::TELL),
        ("pidfd_send_signal", &[3, 9], Action::TELL),
        ("pidfd_send_signal", &[9, 15], ALLOW),
        ("tgkill", &[7, 7, 9], Action::TELL),
        ("tgkill", &[7, 9, 15], ALLOW),
    ]);
}

#[test]
fn clone_makes_threads_and_processes_but_no_namespaces() {
    let thread = 0x003D_0F00; // what pthread_create passes
    let fork = 0x0120_0011; // CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD
    let posix_spawn = 0x4111; // CLONE_VM | CLONE_VFORK | SIGCHLD
    for flags in [thread, fork, posix_spawn, 0x1011, GARBAGE | fork] {
        check([("clone", [flags].as_slice(), ALLOW)]);
    }
    let refused = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_PARENT,
        libc::CLONE_PTRACE,
    ];
    for flag in refused.map(|flag| u64::from(flag.cast_unsigned())) {
        for flags in [flag, flag | fork, flag | thread, GARBAGE | flag, 0xFFFF_FFFF_0000_0000 | flag] {
            check([("clone", [flags].as_slice(), REPORTED)]);
        }
    }
    // A thread without CLONE_FILES.
    check([
        ("clone", [thread & !0x400].as_slice(), REPORTED),
        ("clone", &[GARBAGE | 0x1_0100], REPORTED),
        ("clone", &[0x0411], REPORTED),     // a process that shares descriptors
        ("close_range", &[3, 9, 4], ALLOW), // CLOSE_RANGE_CLOEXEC
        ("close_range", &[3, 9, 2], QUIET_EINVAL),
        ("close_range", &[3, 9, GARBAGE | 6], QUIET_EINVAL),
    ]);
    // CLONE_NEWTIME (0x80) is in the byte that clone uses for the child's exit signal: only clone3 and
    // unshare, both blocked, can request it.
    check([("clone", [0x80].as_slice(), ALLOW)]);
}

#[test]
fn only_local_stream_sockets() {
    let (unix, inet, netlink, inet6, packet, vsock) = (1, 2, 16, 10, 17, 40);
    let (stream, datagram, raw, seqpacket) = (1, 2, 3, 5);
    let flags = 0o2_004_000; // SOCK_CLOEXEC | SOCK_NONBLOCK
    check([
        ("socketpair", [unix, stream].as_slice(), ALLOW),
        ("socketpair", &[unix, stream | flags], ALLOW),
        ("socketpair", &[unix, seqpacket | flags], ALLOW),
        ("socketpair", &[GARBAGE | unix, GARBAGE | stream], ALLOW),
        ("socketpair", &[unix, datagram], REPORTED),
        ("socketpair", &[unix, raw], REPORTED),
        ("socketpair", &[unix, GARBAGE | datagram], REPORTED),
    ]);
    for family in [0, inet, inet6, netlink, packet, vsock, 30, 33, 38, 44, 45, u64::MAX] {
        check([
            ("socketpair", [family, stream].as_slice(), REPORTED),
            ("socket", &[family, stream], REPORTED),
            ("socket", &[family, stream | flags], REPORTED),
            ("socket", &[GARBAGE | family, raw], REPORTED),
        ]);
    }
    check([
        ("socket", [unix, stream].as_slice(), ALLOW),
        ("socket", &[unix, stream | flags, 0], ALLOW), // glibc looking for nscd
        ("socket", &[GARBAGE | unix, GARBAGE | stream, GARBAGE], ALLOW),
        ("socket", &[unix, stream, 1], REPORTED),
        ("socket", &[unix, datagram], REPORTED),
        ("socket", &[unix, datagram | flags], REPORTED),
        ("socket", &[unix, raw], REPORTED),
        ("socket", &[unix, seqpacket | flags], REPORTED),
        ("sendto", &[3, POINTER, 1, 0, 0, 0], ALLOW),
        ("sendto", &[3, POINTER, 1, 1, 0, 0], REPORTED), // MSG_OOB
        ("sendmsg", &[3, POINTER, 0], ALLOW),
        ("sendmsg", &[3, POINTER, GARBAGE | 0x4000], ALLOW), // MSG_NOSIGNAL
        ("sendmsg", &[3, POINTER, GARBAGE | 0x4001], REPORTED),
        ("sendto", &[3, POINTER, 1, 0, POINTER, 16], REPORTED),
        ("sendto", &[3, POINTER, 1, 0, 1 << 32, 16], REPORTED), // an address whose low half is zero
        ("getsockopt", &[3, 1, 3], ALLOW),
        ("getsockopt", &[3, 1, GARBAGE | 17], ALLOW), // SO_PEERCRED
        ("getsockopt", &[3, 1, 57], QUIET_ENOPROTOOPT), // SO_COOKIE
        ("getsockopt", &[3, 1, 71], QUIET_ENOPROTOOPT), // SO_NETNS_COOKIE
        ("getsockopt", &[3, 0, 3], REPORTED),
        ("setsockopt", &[3, 1, 7], ALLOW),
        ("setsockopt", &[3, 1, 26], REPORTED), // SO_ATTACH_FILTER
        ("setsockopt", &[3, 1, 50], REPORTED), // SO_ATTACH_BPF
        ("setsockopt", &[3, 1, GARBAGE | 50], REPORTED),
        ("setsockopt", &[3, 6, 7], REPORTED),
    ]);
}

#[test]
fn ioctl_commands_are_compared_as_the_kernel_reads_them() {
    for allowed in [0x5401, 0x802C_542A, 0x5413, 0x540F, 0x541B, 0x5421, 0x5450, 0x5451] {
        check([
            ("ioctl", [0, allowed, POINTER].as_slice(), ALLOW),
            ("ioctl", &[0, GARBAGE | allowed], ALLOW),
        ]);
        check([("ioctl", [0, allowed ^ 0x8000].as_slice(), REPORTED)]);
    }
    // TIOCSTI, TIOCLINUX, TIOCSCTTY, TIOCCONS, TIOCSETD, TCSETS, KDSKBENT, SIOCGIFCONF, NS_GET_PARENT,
    // FS_IOC_SETFLAGS
    let refused =
        [0x5412, 0x541C, 0x540E, 0x541D, 0x5423, 0x5402, 0x4B47, 0x8912, 0xB702, 0x4008_6602, 0, 0xFFFF_FFFF];
    for command in refused {
        for high in [0, GARBAGE, 1 << 32, 0xFFFF_FFFF_0000_0000] {
            check([("ioctl", [0, high | command].as_slice(), REPORTED)]);
        }
    }
    check([("ioctl", [0, 0x4004_9409].as_slice(), QUIET_ENOTSUP)]);
}

#[test]
fn no_call_sets_an_id_bit_or_makes_a_device() {
    let (setuid, setgid) = (0o4000, 0o2000);
    for cwd in [CWD, CWD_WIDE] {
        for bit in [setuid, setgid, setuid | setgid] {
            check([
                ("openat", [cwd, POINTER, 0o101, bit | 0o755].as_slice(), REPORTED),
                ("openat", &[cwd, POINTER, 0o101, GARBAGE | bit], REPORTED),
                ("openat", &[cwd, POINTER, 0o20_000_002, bit], REPORTED), // O_TMPFILE
                ("openat", &[cwd, POINTER, 0o2_000_000, bit], ALLOW),     // creates nothing: not a mode
                ("open", &[POINTER, 0o101, bit], REPORTED),
                ("open", &[POINTER, 0, bit], ALLOW),
                ("creat", &[POINTER, bit], REPORTED),
                ("chmod", &[POINTER, bit | 0o755], REPORTED),
                ("fchmod", &[3, bit], REPORTED),
                ("fchmodat", &[cwd, POINTER, bit], REPORTED),
                ("fchmodat2", &[cwd, POINTER, GARBAGE | bit], REPORTED),
                ("mknodat", &[cwd, POINTER, 0o10_000 | bit], REPORTED),
                ("mknod", &[POINTER, 0o100_000 | bit], REPORTED),
            ]);
        }
        check([
            ("openat", [cwd, POINTER, 0o2_000_101, 0o666].as_slice(), ALLOW),
            ("openat", &[cwd, POINTER, 0o20_000_002, 0o600], ALLOW),
            ("creat", &[POINTER, 0o644], ALLOW),
            ("chmod", &[POINTER, 0o1777], ALLOW),
            ("fchmodat", &[cwd, POINTER, 0o755], ALLOW),
            ("mknodat", &[cwd, POINTER, 0o10_600], ALLOW), // os.mkfifo
            ("mknodat", &[cwd, POINTER, 0o100_600], ALLOW),
            ("mknodat", &[cwd, POINTER, 0o600], ALLOW),
            ("mknodat", &[cwd, POINTER, 0o20_600, 0x103], REPORTED), // character device
            ("mknodat", &[cwd, POINTER, 0o60_600, 0x800], REPORTED), // block device
            ("mknodat", &[cwd, POINTER, 0o140_600], REPORTED),       // socket
            ("mknod", &[POINTER, GARBAGE | 0o20_666, 0x103], REPORTED),
            ("renameat2", &[cwd, POINTER, cwd, POINTER, 3], ALLOW),
            ("renameat2", &[cwd, POINTER, cwd, POINTER, 4], REPORTED), // RENAME_WHITEOUT
            ("renameat2", &[cwd, POINTER, cwd, POINTER, GARBAGE | 4], REPORTED),
        ]);
    }
}

#[test]
fn nothing_is_read_past_the_page_cache() {
    for (arch, program) in programs() {
        let direct = if arch == Arch::X86_64 { 0o40_000 } else { 0o200_000 };
        let directory = if arch == Arch::X86_64 { 0o200_000 } else { 0o40_000 };
        let mut rows = vec![
            ("openat", vec![CWD, POINTER, direct, 0], QUIET_EINVAL),
            ("openat", vec![CWD_WIDE, POINTER, GARBAGE | direct | 0o102, 0o600], QUIET_EINVAL),
            ("openat", vec![CWD, POINTER, directory, 0], ALLOW),
            ("fcntl", vec![3, 4, GARBAGE | direct], QUIET_EINVAL),
            ("fcntl", vec![3, 4, directory], ALLOW),
        ];
        if arch == Arch::X86_64 {
            rows.push(("open", vec![POINTER, direct, 0], QUIET_EINVAL));
        }
        for (name, args, wanted) in rows {
            let number = syscall_number(arch, name).unwrap();
            let verdict = program.evaluate(&SeccompData::new(arch, number, &args));
            assert_eq!(verdict, wanted, "{name}({args:x?}) on {arch:?}");
        }
    }
}

#[test]
fn options_are_taken_one_by_one() {
    check([
        ("prctl", [15, POINTER].as_slice(), IGNORED), // PR_SET_NAME
        ("prctl", &[GARBAGE | 15, POINTER], IGNORED),
        ("prctl", &[0x5356_4D41, 0], QUIET_EINVAL), // PR_SET_VMA
        ("prctl", &[29, 1], REPORTED),              // PR_SET_TIMERSLACK
        ("prctl", &[38, 1], ALLOW),                 // PR_SET_NO_NEW_PRIVS
        ("prctl", &[4, 1], REPORTED),               // PR_SET_DUMPABLE
        ("prctl", &[22, 2], REPORTED),              // PR_SET_SECCOMP
        ("prctl", &[GARBAGE | 22, 2], REPORTED),
        ("prctl", &[24, 0], REPORTED), // PR_CAPBSET_DROP
        ("prctl", &[35, 0], REPORTED), // PR_SET_MM
        ("prctl", &[36, 1], REPORTED), // PR_SET_CHILD_SUBREAPER
        ("prctl", &[47, 2], REPORTED), // PR_CAP_AMBIENT
        ("arch_prctl", &[0x1002, POINTER], ALLOW),
        ("arch_prctl", &[0x1023, 18], ALLOW), // ARCH_REQ_XCOMP_PERM
        ("arch_prctl", &[0x3001], QUIET_EINVAL),
        ("arch_prctl", &[0x1012, 0], REPORTED), // ARCH_SET_CPUID
        ("arch_prctl", &[0x2001, 0], REPORTED), // ARCH_MAP_VDSO_X32
        ("personality", &[0xFFFF_FFFF], ALLOW),
        ("personality", &[u64::MAX], ALLOW),
        ("personality", &[0x0004_0000], REPORTED), // ADDR_NO_RANDOMIZE
        ("personality", &[0], REPORTED),
        ("personality", &[8], REPORTED), // PER_LINUX32
        ("setpriority", &[0, 0, 10], ALLOW),
        ("setpriority", &[2, 0, 10], REPORTED), // PRIO_USER
        ("setpriority", &[0, 1, 10], REPORTED), // the agent
        ("getpriority", &[0, 7], ALLOW),
        ("getpriority", &[0, GARBAGE | 1], QUIET_ESRCH),
        ("getpriority", &[2, 0], REPORTED), // PRIO_USER
        ("ioprio_get", &[1, 0], ALLOW),
        ("ioprio_get", &[1, 1], QUIET_ESRCH),
        ("ioprio_get", &[3, 0], REPORTED), // IOPRIO_WHO_USER
        ("sched_getaffinity", &[0], ALLOW),
        ("sched_getaffinity", &[1], QUIET_ESRCH),
        ("sched_getscheduler", &[7], ALLOW),
        ("sched_getscheduler", &[GARBAGE | 1], QUIET_ESRCH),
        ("prlimit64", &[0, 9, 0], ALLOW),
        ("prlimit64", &[0xdead_0000_0000, 9, 0], ALLOW), // the kernel sees pid 0
        ("prlimit64", &[1, 9, 0], REPORTED),
        ("prlimit64", &[0, 4, 0, POINTER], ALLOW), // RLIMIT_CORE, to read it
        ("prlimit64", &[0, GARBAGE | 4, POINTER], IGNORED),
        ("prlimit64", &[0, 4, POINTER, POINTER], QUIET_EPERM), // and tell the old one
        ("prlimit64", &[1, 4, POINTER], REPORTED),
        ("setrlimit", &[GARBAGE | 4, POINTER], IGNORED),
        ("fcntl", &[3, 1030, 0], ALLOW),
        ("fcntl", &[3, GARBAGE | 1030, 0], ALLOW),
        ("fcntl", &[3, 5, POINTER], ALLOW),   // F_GETLK
        ("fcntl", &[3, 6, POINTER], COUNTED), // F_SETLK
        ("fcntl", &[3, GARBAGE | 7, POINTER], COUNTED),
        ("fcntl", &[3, 36, POINTER], QUIET_EINVAL), // F_OFD_GETLK
        ("fcntl", &[3, 37, POINTER], QUIET_EINVAL), // F_OFD_SETLK
        ("fcntl", &[3, 4, 0o2000], ALLOW),          // O_APPEND
        ("fcntl", &[3, 8, 1], REPORTED),            // F_SETOWN
        ("fcntl", &[3, 10, 9], REPORTED),           // F_SETSIG
        ("fcntl", &[3, 1024, 0], REPORTED),         // F_SETLEASE
        ("fcntl", &[3, 1026, 0], REPORTED),         // F_NOTIFY
        ("preadv2", &[3, POINTER, 1, 0, 0, 0], ALLOW),
        ("preadv2", &[3, POINTER, 1, 0, 0, GARBAGE], ALLOW),
        ("preadv2", &[3, POINTER, 1, 0, 0, 8], QUIET_ENOTSUP), // RWF_NOWAIT
        ("preadv2", &[3, POINTER, 1, 0, 0, 1], ALLOW),         // RWF_HIPRI
        ("preadv2", &[3, POINTER, 1, 0, 0, 9], QUIET_ENOTSUP),
        ("pwritev2", &[3, POINTER, 1, 0, 0, 0x16], ALLOW), // RWF_DSYNC, RWF_SYNC, RWF_APPEND
        ("pwritev2", &[3, POINTER, 1, 0, 0, 0x18], QUIET_ENOTSUP),
        ("madvise", &[POINTER, 4096, 4], ALLOW), // MADV_DONTNEED
        ("madvise", &[POINTER, 4096, 12], QUIET_EINVAL), // MADV_MERGEABLE
        ("madvise", &[POINTER, 4096, GARBAGE | 21], QUIET_EINVAL), // MADV_PAGEOUT
        ("mmap", &[0, 4096, 7, 0x22], ALLOW),
        ("mmap", &[0, 4096, 3, 0x4_0022], QUIET_ENOMEM), // MAP_HUGETLB
        ("memfd_create", &[POINTER, 1], ALLOW),
        ("memfd_create", &[POINTER, 4], REPORTED),
        ("fadvise64", &[3, 0, 0, 2], ALLOW),
        ("fadvise64", &[3, 0, 0, 4], QUIET_EPERM), // POSIX_FADV_DONTNEED
        ("futex", &[POINTER, 128], ALLOW),         // FUTEX_WAIT_PRIVATE
        ("futex", &[POINTER, 0x189], ALLOW),       // FUTEX_WAIT_BITSET, private, real-time clock
        ("futex", &[POINTER, 129], ALLOW),
        ("futex", &[POINTER, GARBAGE | 129], ALLOW),
        ("futex", &[POINTER, 6], QUIET_ENOSYS),  // FUTEX_LOCK_PI
        ("futex", &[POINTER, 11], QUIET_ENOSYS), // FUTEX_WAIT_REQUEUE_PI
        ("futex", &[POINTER, GARBAGE | 0x80 | 12], QUIET_ENOSYS),
        ("membarrier", &[0], ALLOW),
        ("membarrier", &[8], ALLOW),
        ("membarrier", &[1], QUIET_EINVAL), // MEMBARRIER_CMD_GLOBAL
    ]);
}

#[test]
fn every_call_with_a_name_was_decided_on() {
    // Every call with a name is listed in the file: those added by a newer table are detected here.
    let policy = Policy::builtin();
    let mut unlisted = Vec::new();
    for arch in Arch::ALL {
        for nr in 0..=arch.number_max() {
            let Some(name) = super::syscall_name(arch, nr) else { continue };
            if policy.rules_of(arch, nr).next().is_none() {
                assert_eq!(policy.decide(arch, &SeccompData::new(arch, nr, &[])), REPORTED, "{name}");
                unlisted.push(name);
            }
        }
    }
    unlisted.sort_unstable();
    unlisted.dedup();
    assert_eq!(unlisted, NEVER_NAMED, "decide on these calls in data/seccomp.policy, or list them here");
}

/// Calls that the policy leaves to `default` unlisted: numbers that no current kernel implements, and the two
/// that the kernel inserts itself for tracing (`uprobe`, `uretprobe`).
#[rustfmt::skip]
const NEVER_NAMED: &[&str] = &[
    "afs_syscall", "create_module", "epoll_ctl_old", "epoll_wait_old", "get_kernel_syms", "getpmsg", "putpmsg",
    "query_module", "security", "tuxcall", "uprobe", "uretprobe", "vserver",
];
