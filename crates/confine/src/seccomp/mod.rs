//! The system-call wall: an allow-list kept as commented data, compiled to a classic BPF filter.
//!
//! ```text
//! data/seccomp.policy --parse--> Policy --compile(arch, options)--> Program --(installed elsewhere)--> kernel
//!                                  |                                  |
//!                                  +--decide(nr, args)                +--evaluate(nr, args)
//!                                       the plain meaning                  what the instructions do
//! ```
//!
//! Nothing here makes a system call, so all of it is tested without being in force: a property test holds
//! [`Program::evaluate`] to [`Policy::decide`] on random calls. The filter is installed by the rest of the crate.
//!
//! # Why our own compiler
//! seccompiler, the usual choice, has no `SECCOMP_RET_USER_NOTIF` and one match action for a whole filter. We need
//! both: a refused call is reported to a supervisor *by name* (that name is what the user is told), while calls that
//! libraries merely probe are refused quietly with the errno that makes them fall back (`clone3` -> `ENOSYS`).
//! Stacked filters would express the second, at the price of running all of them on every call, and not the first.
//!
//! # Terminology
//! - **rule**: one action for some calls, perhaps only `if` tests on the arguments hold. Rules of one call are tried
//!   in the order of the file; a call that no rule matches gets the `default`.
//! - **notify**: the call is held, the supervisor reads which it was and answers it with the rule's errno. Without a
//!   supervisor ([`CompileOptions::notify`] false) the filter itself answers with that errno.
//! - **unknown**: a number that has no name on this machine: newer than our table, a hole in it, or an x32 call
//!   (bit 30 set, so beyond every table). It gets `ENOSYS`, as from a kernel that has never heard of it.
//!
//! # What holds whatever the policy says
//! A call made through another machine's entry (i386 by `int 0x80`, 32-bit ARM) kills the process: its numbers mean
//! other calls. Neither `default` nor `unknown` can be `allow`.

mod bpf;
mod compile;
mod container;
mod helpers;
mod names;
mod parse;
mod policy;
mod symbols;
#[cfg(test)]
mod verdicts;

pub use bpf::{INSTRUCTIONS_MAX, Insn, Program};
pub use compile::{CompileError, CompileOptions};
pub use helpers::Helper;
pub use names::{Arch, syscall_name, syscall_number};
pub use parse::{PolicyError, PolicyErrorKind};
pub use policy::{Action, Policy, SeccompData};
