//! Architectures, and the names of their system calls.
//!
//! The table is from the `syscalls` crate, generated from the kernel's own; this file only restricts it to
//! calls that exist.

use std::str::FromStr;

use syscalls::{aarch64, x86_64};

/// An architecture that the filter is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 64-bit x86. Its x32 calls are blocked as unknown, its i386 calls kill.
    X86_64,
    /// 64-bit ARM, little endian. Its 32-bit ARM calls kill.
    Aarch64,
}

impl Arch {
    /// Every architecture the policy is written for.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// The architecture this program was built for.
    pub const fn native() -> Self {
        #[cfg(target_arch = "x86_64")]
        return Self::X86_64;
        #[cfg(target_arch = "aarch64")]
        return Self::Aarch64;
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        compile_error!("the system-call policy is written for x86_64 and aarch64 only");
    }

    /// The kernel's number of this architecture in `seccomp_data.arch` (`AUDIT_ARCH_*` of `linux/audit.h`).
    pub const fn audit_arch(self) -> u32 {
        match self {
            Self::X86_64 => 0xC000_003E,
            Self::Aarch64 => 0xC000_00B7,
        }
    }

    /// The greatest number with a name on this architecture.
    pub(super) const fn number_max(self) -> u32 {
        let id = match self {
            Self::X86_64 => x86_64::Sysno::last().id(),
            Self::Aarch64 => aarch64::Sysno::last().id(),
        };
        id.unsigned_abs()
    }
}

/// 403..=423 are the 64-bit-time variants of older calls, for 32-bit machines only; the generic table that
/// the `syscalls` crate uses for aarch64 lists them, but the kernel returns `ENOSYS`.
const TIME64_ONLY_ON_32_BIT: std::ops::RangeInclusive<u32> = 403..=423;

/// The name of call `nr` on `arch`, or `None` if the number has no meaning there.
pub fn syscall_name(arch: Arch, nr: u32) -> Option<&'static str> {
    if TIME64_ONLY_ON_32_BIT.contains(&nr) {
        return None;
    }
    let index = usize::try_from(nr).ok()?;
    match arch {
        Arch::X86_64 => x86_64::Sysno::new(index).map(|call| call.name()),
        Arch::Aarch64 => aarch64::Sysno::new(index).map(|call| call.name()),
    }
}

/// The number of the call `name` on `arch`, or `None` if that architecture has no such call (`open` on
/// aarch64).
pub fn syscall_number(arch: Arch, name: &str) -> Option<u32> {
    let id = match arch {
        Arch::X86_64 => x86_64::Sysno::from_str(name).ok()?.id(),
        Arch::Aarch64 => aarch64::Sysno::from_str(name).ok()?.id(),
    };
    u32::try_from(id).ok().filter(|nr| !TIME64_ONLY_ON_32_BIT.contains(nr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree_on_both_machines() {
        for arch in Arch::ALL {
            let mut known = 0;
            for nr in 0..=arch.number_max() {
                if let Some(name) = syscall_name(arch, nr) {
                    assert_eq!(syscall_number(arch, name), Some(nr), "{arch:?} {name}");
                    known += 1;
                }
            }
            assert!(known > 300, "{arch:?} knows only {known} calls");
            assert_eq!(syscall_name(arch, arch.number_max() + 1), None);
            assert_eq!(syscall_name(arch, u32::MAX), None);
        }
    }

    #[test]
    fn the_table_agrees_with_libc_where_both_know_a_call() {
        let native = [
            ("read", libc::SYS_read),
            ("openat", libc::SYS_openat),
            ("clone3", libc::SYS_clone3),
            ("seccomp", libc::SYS_seccomp),
            ("io_uring_setup", libc::SYS_io_uring_setup),
            ("mseal", libc::SYS_mseal),
            ("rseq", libc::SYS_rseq),
            ("ptrace", libc::SYS_ptrace),
        ];
        for (name, number) in native {
            assert_eq!(syscall_number(Arch::native(), name).map(i64::from), Some(number), "{name}");
        }
    }

    #[test]
    fn a_call_may_exist_on_one_machine_only() {
        assert_eq!(syscall_number(Arch::X86_64, "open"), Some(2));
        assert_eq!(syscall_number(Arch::Aarch64, "open"), None);
        assert_eq!(syscall_name(Arch::Aarch64, 403), None, "clock_gettime64 is for 32-bit machines");
        assert_eq!(syscall_name(Arch::X86_64, 0x4000_0000), None, "x32 read");
    }
}
