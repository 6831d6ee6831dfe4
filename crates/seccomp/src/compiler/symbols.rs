//! The kernel's constants that a policy may name.

use super::names::Arch;

/// Error numbers, `asm-generic/errno-base.h` and `errno.h`.
const ERRNOS: &[(&str, u16)] = &[
    ("EPERM", 1),
    ("ENOENT", 2),
    ("ESRCH", 3),
    ("EBADF", 9),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("EXDEV", 18),
    ("EINVAL", 22),
    ("ENOTTY", 25),
    ("ENOLCK", 37),
    ("ENOSYS", 38),
    ("ENOPROTOOPT", 92),
    ("EOPNOTSUPP", 95),
    ("EAFNOSUPPORT", 97),
];

/// Argument values, grouped by the call that takes them; each group names its header.
#[rustfmt::skip]
const VALUES: &[(&str, u64)] = &[
    // clone(2): linux/sched.h
    ("CLONE_FILES", 0x400), ("CLONE_PTRACE", 0x2000), ("CLONE_PARENT", 0x8000), ("CLONE_THREAD", 0x0001_0000),
    ("CLONE_NEWNS", 0x0002_0000),
    ("CLONE_NEWCGROUP", 0x0200_0000), ("CLONE_NEWUTS", 0x0400_0000), ("CLONE_NEWIPC", 0x0800_0000),
    ("CLONE_NEWUSER", 0x1000_0000), ("CLONE_NEWPID", 0x2000_0000), ("CLONE_NEWNET", 0x4000_0000),
    // open(2): asm-generic/fcntl.h. O_TMPFILE_BIT is `__O_TMPFILE`, O_TMPFILE without O_DIRECTORY.
    ("O_CREAT", 0o100), ("O_TMPFILE_BIT", 0o20_000_000),
    // chmod(2), mknod(2): linux/stat.h
    ("S_IFMT", 0o170_000), ("S_IFREG", 0o100_000), ("S_IFIFO", 0o010_000), ("S_IFCHR", 0o020_000),
    ("S_ISUID", 0o4000), ("S_ISGID", 0o2000),
    // renameat2(2): linux/fs.h
    ("RENAME_NOREPLACE", 1), ("RENAME_EXCHANGE", 2),
    // posix_fadvise(2): linux/fadvise.h
    ("POSIX_FADV_NORMAL", 0), ("POSIX_FADV_RANDOM", 1), ("POSIX_FADV_SEQUENTIAL", 2), ("POSIX_FADV_WILLNEED", 3),
    ("POSIX_FADV_NOREUSE", 5),
    // close_range(2): linux/close_range.h
    ("CLOSE_RANGE_UNSHARE", 2),
    // preadv2(2), pwritev2(2): linux/fs.h
    ("RWF_DSYNC", 2), ("RWF_SYNC", 4), ("RWF_APPEND", 0x10),
    // madvise(2): asm-generic/mman-common.h
    ("MADV_NORMAL", 0), ("MADV_RANDOM", 1), ("MADV_SEQUENTIAL", 2), ("MADV_WILLNEED", 3), ("MADV_DONTNEED", 4),
    ("MADV_FREE", 8), ("MADV_DONTFORK", 10), ("MADV_DOFORK", 11), ("MADV_HUGEPAGE", 14), ("MADV_NOHUGEPAGE", 15),
    ("MADV_DONTDUMP", 16), ("MADV_DODUMP", 17), ("MADV_WIPEONFORK", 18), ("MADV_KEEPONFORK", 19),
    // fcntl(2): asm-generic/fcntl.h, linux/fcntl.h
    ("F_DUPFD", 0), ("F_GETFD", 1), ("F_SETFD", 2), ("F_GETFL", 3), ("F_SETFL", 4), ("F_GETLK", 5), ("F_SETLK", 6),
    ("F_SETLKW", 7), ("F_GETOWN", 9), ("F_OFD_GETLK", 36), ("F_OFD_SETLK", 37), ("F_OFD_SETLKW", 38),
    ("F_GETLEASE", 1025), ("F_DUPFD_QUERY", 1027), ("F_DUPFD_CLOEXEC", 1030), ("F_SETPIPE_SZ", 1031),
    ("F_GETPIPE_SZ", 1032), ("F_ADD_SEALS", 1033), ("F_GET_SEALS", 1034),
    // ioctl(2): asm-generic/ioctls.h, asm-generic/termbits.h, linux/fs.h
    ("TCGETS", 0x5401), ("TCGETS2", 0x802C_542A), ("TIOCGPGRP", 0x540F), ("TIOCGWINSZ", 0x5413),
    ("FIONREAD", 0x541B), ("FIONBIO", 0x5421), ("FIONCLEX", 0x5450), ("FIOCLEX", 0x5451), ("FICLONE", 0x4004_9409),
    // ioctl(2) of helpers: linux/sockios.h, linux/seccomp.h
    ("SIOCGSKNS", 0x894C), ("SECCOMP_IOCTL_NOTIF_RECV", 0xC050_2100), ("SECCOMP_IOCTL_NOTIF_SEND", 0xC018_2101),
    ("SECCOMP_IOCTL_NOTIF_SET_FLAGS", 0x4008_2104),
    // mmap(2), memfd_create(2): asm-generic/mman-common.h, linux/memfd.h
    ("MAP_HUGETLB", 0x4_0000), ("MFD_HUGETLB", 4),
    // mount(2): linux/mount.h
    ("MS_NOSUID", 2), ("MS_NODEV", 4), ("MS_NOEXEC", 8), ("MS_REMOUNT", 0x20), ("MS_BIND", 0x1000), ("MS_REC", 0x4000),
    ("MS_PRIVATE", 0x4_0000),
    // socketpair(2), {get,set}sockopt(2): linux/socket.h, linux/net.h, asm-generic/socket.h
    ("AF_UNIX", 1), ("SOCK_STREAM", 1), ("SOCK_SEQPACKET", 5), ("SOCK_TYPE_MASK", 0xF), ("SOCK_NONBLOCK", 0o4000),
    ("SOCK_CLOEXEC", 0o2_000_000), ("SOL_SOCKET", 1), ("SO_REUSEADDR", 2), ("SO_SNDBUF", 7), ("SO_RCVBUF", 8),
    ("SO_TYPE", 3), ("SO_ERROR", 4), ("SO_KEEPALIVE", 9), ("SO_LINGER", 13), ("SO_PASSCRED", 16), ("SO_PEERCRED", 17),
    ("SO_RCVTIMEO", 20), ("SO_SNDTIMEO", 21), ("SO_ACCEPTCONN", 30), ("SO_PROTOCOL", 38), ("SO_DOMAIN", 39), ("MSG_OOB", 1),
    ("SO_RCVTIMEO_NEW", 66), ("SO_SNDTIMEO_NEW", 67),
    // Also for the service: linux/in.h, linux/in6.h, linux/tcp.h
    ("AF_INET", 2), ("AF_INET6", 10), ("SOCK_DGRAM", 2), ("IPPROTO_IP", 0), ("IPPROTO_TCP", 6), ("IPPROTO_UDP", 17),
    ("IPPROTO_IPV6", 41), ("IP_RECVERR", 11), ("IPV6_RECVERR", 25), ("IPV6_V6ONLY", 26), ("TCP_NODELAY", 1),
    ("TCP_KEEPIDLE", 4), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 6), ("TCP_USER_TIMEOUT", 18),
    // futex(2): linux/futex.h. FUTEX_COMMAND is what remains without FUTEX_PRIVATE_FLAG and
    // FUTEX_CLOCK_REALTIME; the header's own mask grows with the kernel, and unknown flags must not be
    // allowed.
    ("FUTEX_COMMAND", 0xFFFF_FE7F), ("FUTEX_WAIT", 0), ("FUTEX_WAKE", 1), ("FUTEX_REQUEUE", 3),
    ("FUTEX_CMP_REQUEUE", 4), ("FUTEX_WAKE_OP", 5), ("FUTEX_WAIT_BITSET", 9), ("FUTEX_WAKE_BITSET", 10),
    // membarrier(2): linux/membarrier.h
    ("MEMBARRIER_CMD_QUERY", 0), ("MEMBARRIER_CMD_PRIVATE_EXPEDITED", 8),
    ("MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED", 16), ("MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE", 32),
    ("MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE", 64), ("MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ", 128),
    ("MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ", 256),
    // setpriority(2), setrlimit(2): linux/resource.h, asm-generic/resource.h
    ("PRIO_PROCESS", 0), ("PRIO_PGRP", 1), ("RLIMIT_CORE", 4), ("IOPRIO_WHO_PROCESS", 1),
    // personality(2): its manual page, "to query the current persona without changing it"
    ("PERSONALITY_QUERY", 0xFFFF_FFFF),
    // prctl(2): linux/prctl.h
    ("PR_SET_PDEATHSIG", 1), ("PR_GET_PDEATHSIG", 2), ("PR_GET_DUMPABLE", 3), ("PR_SET_NAME", 15), ("PR_GET_NAME", 16),
    ("PR_SET_DUMPABLE", 4), ("PR_CAPBSET_DROP", 24), ("PR_SET_SECUREBITS", 28), ("PR_CAP_AMBIENT", 47),
    ("PR_GET_SECCOMP", 21), ("PR_CAPBSET_READ", 23), ("PR_SET_TIMERSLACK", 29), ("PR_GET_TIMERSLACK", 30),
    ("PR_SET_NO_NEW_PRIVS", 38), ("PR_GET_NO_NEW_PRIVS", 39), ("PR_SET_THP_DISABLE", 41), ("PR_GET_THP_DISABLE", 42),
    ("PR_SVE_GET_VL", 51), ("PR_GET_TAGGED_ADDR_CTRL", 56), ("PR_SET_VMA", 0x5356_4D41), ("PR_GET_AUXV", 0x4155_5856),
    // arch_prctl(2): arch/x86/include/uapi/asm/prctl.h
    ("ARCH_SET_FS", 0x1002), ("ARCH_GET_FS", 0x1003), ("ARCH_GET_XCOMP_SUPP", 0x1021), ("ARCH_GET_XCOMP_PERM", 0x1022),
    ("ARCH_REQ_XCOMP_PERM", 0x1023), ("ARCH_CET_STATUS_OLD", 0x3001), ("ARCH_SHSTK_ENABLE", 0x5001),
    ("ARCH_SHSTK_DISABLE", 0x5002), ("ARCH_SHSTK_LOCK", 0x5003), ("ARCH_SHSTK_STATUS", 0x5005),
];

/// Constants whose value depends on the architecture: asm/fcntl.h.
const VALUES_BY_MACHINE: &[(&str, Arch, u64)] =
    &[("O_DIRECT", Arch::X86_64, 0o40_000), ("O_DIRECT", Arch::Aarch64, 0o200_000)];

/// The error number with this name.
pub(super) fn errno(name: &str) -> Option<u16> {
    ERRNOS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The names known to [`errno`], for a message.
pub(super) fn errno_names() -> String {
    ERRNOS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// A value as written in a policy: numbers (`12`, `0o14`, `0xC`) and constants, joined by `|`, with the
/// values of `arch`.
pub(super) fn value(text: &str, arch: Arch) -> Option<u64> {
    text.split('|').try_fold(0, |all, term| Some(all | single(term, arch)?))
}

fn single(term: &str, arch: Arch) -> Option<u64> {
    if let Some(digits) = term.strip_prefix("0x") {
        u64::from_str_radix(digits, 16).ok()
    } else if let Some(digits) = term.strip_prefix("0o") {
        u64::from_str_radix(digits, 8).ok()
    } else if term.starts_with(|first: char| first.is_ascii_digit()) {
        term.parse().ok()
    } else {
        let everywhere = VALUES.iter().find(|(known, _)| *known == term).map(|(_, number)| *number);
        let here = || VALUES_BY_MACHINE.iter().find(|(known, on, _)| *known == term && *on == arch);
        everywhere.or_else(|| here().map(|(_, _, number)| *number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks constants against libc's, if libc has them under the same name.
    macro_rules! same_as_libc {
        ($($name:ident)*) => {
            $(assert_eq!(value(stringify!($name), Arch::native()), Some(widen(i128::from(libc::$name))), stringify!($name));)*
        };
    }

    /// The bits of a C constant, an `int` being interpreted as in the kernel.
    fn widen(constant: i128) -> u64 {
        u64::try_from(constant & i128::from(if constant < 0 { u32::MAX.into() } else { u64::MAX })).unwrap()
    }

    #[test]
    fn constants_are_libcs() {
        same_as_libc!(CLONE_PTRACE CLONE_PARENT CLONE_NEWNS CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC CLONE_NEWUSER);
        same_as_libc!(CLONE_NEWPID CLONE_NEWNET O_CREAT S_IFMT S_IFREG S_IFIFO S_ISUID S_ISGID RENAME_NOREPLACE);
        same_as_libc!(RENAME_EXCHANGE POSIX_FADV_NORMAL POSIX_FADV_RANDOM POSIX_FADV_SEQUENTIAL POSIX_FADV_WILLNEED);
        same_as_libc!(POSIX_FADV_NOREUSE F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_GETOWN);
        same_as_libc!(F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_GETLEASE F_DUPFD_CLOEXEC F_SETPIPE_SZ F_GETPIPE_SZ);
        same_as_libc!(F_ADD_SEALS F_GET_SEALS TCGETS TCGETS2 TIOCGPGRP TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX);
        same_as_libc!(FICLONE MAP_HUGETLB MFD_HUGETLB AF_UNIX SOCK_STREAM SOCK_SEQPACKET SOCK_NONBLOCK SOCK_CLOEXEC);
        same_as_libc!(SOL_SOCKET SO_REUSEADDR SO_SNDBUF SO_RCVBUF SO_KEEPALIVE SO_LINGER SO_PASSCRED SO_RCVTIMEO);
        same_as_libc!(SO_SNDTIMEO FUTEX_WAIT FUTEX_WAKE FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP);
        same_as_libc!(FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET MEMBARRIER_CMD_QUERY MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        same_as_libc!(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE);
        same_as_libc!(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ);
        same_as_libc!(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ PRIO_PROCESS PR_SET_PDEATHSIG PR_GET_PDEATHSIG);
        same_as_libc!(PR_GET_DUMPABLE PR_SET_NAME PR_GET_NAME PR_GET_SECCOMP PR_CAPBSET_READ PR_SET_TIMERSLACK);
        same_as_libc!(PR_GET_TIMERSLACK PR_SET_NO_NEW_PRIVS PR_GET_NO_NEW_PRIVS PR_SET_THP_DISABLE);
        same_as_libc!(PR_GET_THP_DISABLE PR_SET_VMA MSG_OOB RLIMIT_CORE O_DIRECT);
        same_as_libc!(RWF_DSYNC RWF_SYNC RWF_APPEND SO_TYPE SO_ERROR SO_PEERCRED SO_ACCEPTCONN SO_PROTOCOL SO_DOMAIN);
        same_as_libc!(MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_DONTFORK);
        same_as_libc!(MADV_DOFORK MADV_HUGEPAGE MADV_NOHUGEPAGE MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK);
        same_as_libc!(MADV_KEEPONFORK PRIO_PGRP CLONE_FILES CLONE_THREAD S_IFCHR MS_NOSUID MS_NODEV MS_NOEXEC MS_REMOUNT);
        same_as_libc!(MS_BIND MS_REC MS_PRIVATE AF_INET AF_INET6 SOCK_DGRAM IPPROTO_IP IPPROTO_TCP IPPROTO_UDP);
        same_as_libc!(IPPROTO_IPV6 IP_RECVERR IPV6_RECVERR IPV6_V6ONLY TCP_NODELAY TCP_KEEPIDLE TCP_KEEPINTVL);
        same_as_libc!(TCP_KEEPCNT TCP_USER_TIMEOUT);
        assert_eq!(value("CLOSE_RANGE_UNSHARE", Arch::native()), Some(u64::from(libc::CLOSE_RANGE_UNSHARE)));
    }

    #[test]
    fn error_numbers_are_libcs() {
        let libc_numbers = [
            (libc::EPERM, "EPERM"),
            (libc::ENOENT, "ENOENT"),
            (libc::ESRCH, "ESRCH"),
            (libc::EBADF, "EBADF"),
            (libc::ENOMEM, "ENOMEM"),
            (libc::EACCES, "EACCES"),
            (libc::EXDEV, "EXDEV"),
            (libc::EINVAL, "EINVAL"),
            (libc::ENOTTY, "ENOTTY"),
            (libc::ENOLCK, "ENOLCK"),
            (libc::ENOSYS, "ENOSYS"),
            (libc::ENOPROTOOPT, "ENOPROTOOPT"),
            (libc::EOPNOTSUPP, "EOPNOTSUPP"),
            (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
        ];
        assert_eq!(libc_numbers.len(), ERRNOS.len());
        for (number, name) in libc_numbers {
            assert_eq!(errno(name).map(i32::from), Some(number), "{name}");
        }
    }

    #[test]
    fn no_constant_is_listed_twice() {
        for (at, (name, _)) in VALUES.iter().enumerate() {
            assert!(VALUES.iter().skip(at + 1).all(|(other, _)| other != name), "{name}");
        }
    }

    #[test]
    fn values_are_numbers_and_constants_joined() {
        assert_eq!(value("S_ISUID|S_ISGID", Arch::X86_64), Some(0o6000));
        assert_eq!(value("0x10|0o7|8", Arch::X86_64), Some(0x1F));
        for wrong in ["", "|", "1|", "O_NOPE", "0x", "-1", "08x", "18446744073709551616"] {
            assert_eq!(value(wrong, Arch::X86_64), None, "{wrong}");
        }
    }
}
