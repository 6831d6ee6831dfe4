//! One instruction of a filter, in a module of its own: code without a standard library installs filters too.

/// One instruction, with the layout of the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// The operation code: class, size, mode or operation.
    pub code: u16,
    /// Instructions to skip if the test holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// The operand: constant, offset, or distance.
    pub k: u32,
}

/// The longest filter the kernel accepts (`BPF_MAXINSNS` of `linux/bpf_common.h`).
pub const INSTRUCTIONS_MAX: usize = 4096;
