//! The guest agent: the first process of every sandbox.
//!
//! It runs the interpreter, streams its output, enforces the deadline, measures the program, and collects the
//! output files once every process of the program is dead. It is started in one of two ways:
//!
//! - The static executable of this crate (`init`): first process of a container or a microVM, over its
//!   standard input and output.
//! - Crate `launcher`: its clone becomes the first process of a sandbox, and calls [`serve()`].
//!
//! ```text
//! main / launcher ──> serve ──> interpreter  an isolated one: started here, or forked from a template
//!                       ├─────> files      put, get, list, remove between executions
//!                       ├─────> input      receives the execution's input
//!                       ├─────> supervise  deadline, blocked system calls, end; streams: output
//!                       └─────> collect    output files
//! ```
//! The agent forks, so it is single-threaded from its first instruction to its last.

mod channel;
mod collect;
mod config;
mod counters;
mod disk;
mod files;
#[cfg(fuzzing)]
pub mod fuzzing;
mod idle;
mod input;
mod interpreter;
mod locks;
mod open;
mod program_dir;
mod serve;
mod streams;
mod supervise;
mod tasks;
#[cfg(test)]
mod tests;

pub use channel::Channel;
pub use config::ProgramConfig;
pub use interpreter::{Filter, Origin, become_template};
pub use serve::{Context, RunAs, prepare_tmp, serve};

/// The program's working directory, empty at the start. Files written here are returned.
pub const OUTPUT_DIRECTORY: &str = "/tmp/output";
