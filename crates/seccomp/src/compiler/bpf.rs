//! Classic BPF as far as a seccomp filter needs it: the instruction, the compiled program, and an interpreter
//! with which tests check a filter without installing it.

use super::model::{Action, SeccompData};
use crate::insn::Insn;

// Instruction codes, `linux/bpf_common.h`. Only these are used: they are also all that the kernel's
// `seccomp_is_const_allow` understands, which lets an unconditionally allowed call skip the filter altogether
// (bitmap cache, since Linux 5.11).
pub(super) const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(super) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
pub(super) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(super) const JUMP_EQ: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(super) const JUMP_GT: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
pub(super) const JUMP_GE: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
pub(super) const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// Filter results, `linux/seccomp.h`: an action in the high half, data in the low.
const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_USER_NOTIF: u32 = 0x7FC0_0000;
const RET_TRACE: u32 = 0x7FF0_0000;
const RET_ALLOW: u32 = 0x7FFF_0000;
const RET_ACTION: u32 = 0xFFFF_0000;
/// Set in addition to the errno of a notification: the supervisor may allow the call. No error number has
/// this bit.
const ASKED: u16 = 0x8000;

/// Offset of `seccomp_data.nr` in bytes.
pub(super) const OFFSET_NR: u32 = 0;
/// Offset of `seccomp_data.arch` in bytes.
pub(super) const OFFSET_ARCH: u32 = 4;

/// Offset of the low word of argument `index` in bytes. Both architectures are little endian: the high word
/// is at 4 more.
pub(super) fn offset_arg(index: u8) -> u32 {
    16 + 8 * u32::from(index)
}

impl Insn {
    pub(super) const fn new(code: u16, k: u32) -> Self {
        Self { code, jt: 0, jf: 0, k }
    }

    pub(super) const fn ret(action: Action) -> Self {
        Self::new(RETURN, encode(action))
    }
}

/// A compiled filter, ready for `seccomp(2)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Vec<Insn>);

impl Program {
    pub(super) fn new(instructions: Vec<Insn>) -> Self {
        Self(instructions)
    }

    /// The instructions, at most [`INSTRUCTIONS_MAX`](crate::INSTRUCTIONS_MAX).
    pub fn instructions(&self) -> &[Insn] {
        &self.0
    }

    /// Runs the filter on one call, as the kernel would. Pure; for tests and for explaining a filter.
    ///
    /// A program that runs off its end or uses an instruction the compiler never emits kills, as the safe
    /// interpretation; the kernel would have refused to install it.
    pub fn evaluate(&self, data: &SeccompData) -> Action {
        self.run(data).0
    }

    /// The verdict, and how many instructions it took.
    pub(super) fn run(&self, data: &SeccompData) -> (Action, usize) {
        let mut accumulator = 0u32;
        let mut at = 0usize;
        let mut steps = 0usize;
        // Every jump goes forward, so this ends.
        while let Some(insn) = self.0.get(at) {
            steps += 1;
            at += 1;
            let mut branch = |holds: bool| at += usize::from(if holds { insn.jt } else { insn.jf });
            match insn.code {
                LOAD_WORD => accumulator = load(data, insn.k),
                AND => accumulator &= insn.k,
                JUMP => at = at.saturating_add(usize::try_from(insn.k).unwrap_or(usize::MAX)),
                JUMP_EQ => branch(accumulator == insn.k),
                JUMP_GT => branch(accumulator > insn.k),
                JUMP_GE => branch(accumulator >= insn.k),
                RETURN => return (decode(insn.k), steps),
                _ => break,
            }
        }
        (Action::KillProcess, steps)
    }
}

/// The filter result for an action. The errno of a notification is stored in the data half, which the kernel
/// ignores for that action; it is there for [`Program::evaluate`] and for readers of a dump.
const fn encode(action: Action) -> u32 {
    match action {
        Action::Allow => RET_ALLOW,
        Action::Errno(errno) => RET_ERRNO | errno as u32,
        Action::Notify(errno) => RET_USER_NOTIF | errno as u32,
        Action::Ask(errno) => RET_USER_NOTIF | ASKED as u32 | errno as u32,
        Action::Trace => RET_TRACE,
        Action::KillProcess => RET_KILL_PROCESS,
    }
}

const fn decode(result: u32) -> Action {
    let [errno_low, errno_high, ..] = result.to_le_bytes();
    let errno = u16::from_le_bytes([errno_low, errno_high]);
    match result & RET_ACTION {
        RET_ALLOW => Action::Allow,
        RET_ERRNO => Action::Errno(errno),
        RET_USER_NOTIF if errno & ASKED != 0 => Action::Ask(errno & !ASKED),
        RET_USER_NOTIF => Action::Notify(errno),
        RET_TRACE => Action::Trace,
        _ => Action::KillProcess,
    }
}

/// The 32-bit word at `offset` of `seccomp_data`; zero if the kernel would have rejected the load.
fn load(data: &SeccompData, offset: u32) -> u32 {
    let value = match offset {
        OFFSET_NR => return data.nr,
        OFFSET_ARCH => return data.arch,
        8 | 12 => data.instruction_pointer,
        _ => {
            let index = usize::try_from(offset.saturating_sub(offset_arg(0)) / 8).unwrap_or(usize::MAX);
            data.args.get(index).copied().unwrap_or(0)
        }
    };
    let (low, high) = words(value);
    if offset.is_multiple_of(8) { low } else { high }
}

/// The low and the high half of an argument: a filter sees 32 bits at a time.
pub(super) fn words(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arch;

    #[test]
    fn an_instruction_has_the_kernels_layout() {
        assert_eq!(size_of::<Insn>(), size_of::<libc::sock_filter>());
        assert_eq!(std::mem::offset_of!(Insn, jt), std::mem::offset_of!(libc::sock_filter, jt));
        assert_eq!(std::mem::offset_of!(Insn, k), std::mem::offset_of!(libc::sock_filter, k));
    }

    #[test]
    fn codes_and_results_are_the_kernels() {
        assert_eq!(u32::from(LOAD_WORD), libc::BPF_LD | libc::BPF_W | libc::BPF_ABS);
        assert_eq!(u32::from(AND), libc::BPF_ALU | libc::BPF_AND | libc::BPF_K);
        assert_eq!(u32::from(JUMP), libc::BPF_JMP | libc::BPF_JA);
        assert_eq!(u32::from(JUMP_EQ), libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
        assert_eq!(u32::from(JUMP_GT), libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K);
        assert_eq!(u32::from(JUMP_GE), libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K);
        assert_eq!(u32::from(RETURN), libc::BPF_RET | libc::BPF_K);
        assert_eq!(RET_KILL_PROCESS, libc::SECCOMP_RET_KILL_PROCESS);
        assert_eq!(RET_ERRNO, libc::SECCOMP_RET_ERRNO);
        assert_eq!(RET_USER_NOTIF, libc::SECCOMP_RET_USER_NOTIF);
        assert_eq!(RET_ALLOW, libc::SECCOMP_RET_ALLOW);
    }

    #[test]
    fn actions_survive_the_round_trip() {
        for action in [
            Action::Allow,
            Action::Errno(38),
            Action::Notify(1),
            Action::Ask(37),
            Action::Trace,
            Action::KillProcess,
        ] {
            assert_eq!(decode(encode(action)), action);
        }
    }

    #[test]
    fn each_word_of_a_call_is_found_at_its_offset() {
        let mut data =
            SeccompData::new(Arch::X86_64, 7, &[0x1111_2222_3333_4444, 0, 0, 0, 0, 0xAAAA_BBBB_CCCC_DDDD]);
        data.instruction_pointer = 0x0102_0304_0506_0708;
        let words = [(0, 7), (4, 0xC000_003E), (8, 0x0506_0708), (12, 0x0102_0304), (16, 0x3333_4444)];
        for (offset, word) in
            words.into_iter().chain([(20, 0x1111_2222), (56, 0xCCCC_DDDD), (60, 0xAAAA_BBBB)])
        {
            assert_eq!(load(&data, offset), word, "offset {offset}");
        }
    }

    #[test]
    fn a_program_that_runs_off_its_end_kills() {
        let data = SeccompData::new(Arch::X86_64, 0, &[]);
        assert_eq!(Program::new(Vec::new()).evaluate(&data), Action::KillProcess);
        assert_eq!(Program::new(vec![Insn::new(JUMP, u32::MAX)]).evaluate(&data), Action::KillProcess);
        assert_eq!(Program::new(vec![Insn::new(0xFFFF, 0)]).evaluate(&data), Action::KillProcess);
    }
}
