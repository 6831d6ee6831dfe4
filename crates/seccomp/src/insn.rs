//! One instruction of a filter, by itself: code without a standard library installs filters too.

/// One instruction, laid out as the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// What to do: class, size, mode or operation.
    pub code: u16,
    /// Instructions to skip when the test holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// The operand: constant, offset, or distance.
    pub k: u32,
}

/// The longest filter the kernel takes (`BPF_MAXINSNS` of `linux/bpf_common.h`).
pub const INSTRUCTIONS_MAX: usize = 4096;
