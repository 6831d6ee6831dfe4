//! Parses policies, compiles them, and evaluates them on single calls.

mod bpf;
mod compile;
mod container;
mod helpers;
mod model;
mod names;
mod parse;
mod policy;
mod symbols;
#[cfg(test)]
mod verdicts;

pub use bpf::Program;
pub use compile::{CompileError, CompileOptions};
pub use helpers::Helper;
pub use model::{Action, Policy, SeccompData};
pub use names::{Arch, syscall_name, syscall_number};
pub use parse::{PolicyError, PolicyErrorKind};
