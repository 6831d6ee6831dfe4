//! Seccomp policies: an allow-list kept as commented data, compiled to a classic BPF filter.
//!
//! ```text
//! data/seccomp.policy --parse--> Policy --compile(arch, options)--> Program --(installed elsewhere)--> kernel
//!                                  |                                  |
//!                                  +--decide(nr, args)                +--evaluate(nr, args)
//!                                       the literal meaning                what the instructions do
//! ```
//!
//! This crate makes no system call, so all of it is tested without being enforced: a property test checks
//! [`Program::evaluate`] against [`Policy::decide`] on random calls. The crate `confine` installs the filter.
//!
//! # Why our own compiler
//! seccompiler, the usual choice, has no `SECCOMP_RET_USER_NOTIF` and one match action for a whole filter. We
//! need both: a blocked call is reported to a supervisor *by name* (the user is told that name), while calls
//! that libraries merely probe fail unreported with the errno that makes them fall back (`clone3` ->
//! `ENOSYS`). Stacked filters would express the latter, at the price of running all of them on every call,
//! and not the former. libseccomp has both, but is a C library, and the agent is a static executable that
//! needs none.
//!
//! # Terminology
//! - **rule**: one action for some calls, optionally only `if` tests on the arguments hold. The rules of a
//!   call are tried in the order of the file; a call that no rule matches gets the `default`.
//! - **notify**: the call is held, the supervisor reads which it was and replies with the rule's errno.
//!   Without a supervisor ([`CompileOptions::notify`] false) the filter itself returns that errno.
//! - **unknown**: a number without a name on this architecture: newer than our table, a gap in it, or an x32
//!   call (bit 30 set, so beyond every table). It gets `ENOSYS`, as from a kernel that does not implement it.
//!
//! # Guaranteed whatever the policy says
//! A call made through another architecture's entry (i386 by `int 0x80`, 32-bit ARM) kills the process: its
//! numbers mean other calls. Neither `default` nor `unknown` can be `allow`.
//!
//! # Features
//! Without `std` (on by default) there are only [`Insn`] and [`INSTRUCTIONS_MAX`], for code without a
//! standard library that installs a compiled filter.

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
