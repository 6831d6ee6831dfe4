//! Policies of system calls: an allow-list kept as commented data, compiled to a classic BPF filter.
//!
//! ```text
//! data/seccomp.policy --parse--> Policy --compile(arch, options)--> Program --(installed elsewhere)--> kernel
//!                                  |                                  |
//!                                  +--decide(nr, args)                +--evaluate(nr, args)
//!                                       the plain meaning                  what the instructions do
//! ```
//!
//! Nothing here makes a system call, so all of it is tested without being in force: a property test holds
//! [`Program::evaluate`] to [`Policy::decide`] on random calls. Crate `confine` installs the filter.
//!
//! # Why our own compiler
//! seccompiler, the usual choice, has no `SECCOMP_RET_USER_NOTIF` and one match action for a whole filter. We need
//! both: a refused call is reported to a supervisor *by name* (that name is what the user is told), while calls that
//! libraries merely probe are refused quietly with the errno that makes them fall back (`clone3` -> `ENOSYS`).
//! Stacked filters would express the second, at the price of running all of them on every call, and not the first.
//! libseccomp has both, but is a C library, and the agent is a static executable that needs none.
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
//!
//! # Features
//! Without `std` (on by default) there are only [`Insn`] and [`INSTRUCTIONS_MAX`], for code without a standard library
//! that installs a finished filter.

#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "std")]
mod compiler;
mod insn;

#[cfg(feature = "std")]
pub use compiler::{
    Action, Arch, CompileError, CompileOptions, Helper, Policy, PolicyError, PolicyErrorKind, Program,
    SeccompData, syscall_name, syscall_number,
};
pub use insn::{INSTRUCTIONS_MAX, Insn};
