//! The guest agent: first process of every sandbox.
//!
//! It runs the interpreter, streams its output, ends it on time, measures it, and collects the output files
//! when nothing of the program lives any more. There are two ways in:
//!
//! - The static executable of this crate (`init`): first process of a container or a microVM, over its standard input
//!   and output.
//! - Crate `launcher`: its clone becomes the first process of a cell, and calls [`serve()`].
//!
//! ```text
//! main / launcher ──> serve ──> interpreter gets it behind the walls: started here, or forked from a template
//!                       ├─────> intake     what shall be run
//!                       ├─────> supervise  time, refused calls, end; streams: output
//!                       └─────> collect    output files
//! ```
//! The agent is single-threaded, from its first to its last instruction: it forks.

mod channel;
mod collect;
mod config;
mod counters;
mod disk;
mod idle;
mod intake;
mod interpreter;
mod locks;
mod open;
mod room;
mod serve;
mod streams;
mod supervise;
mod tasks;

pub use channel::Channel;
pub use config::ProgramConfig;
pub use interpreter::{Filter, Origin, become_template};
pub use serve::{Context, Place, prepare_tmp, serve};

/// Where programs write what is returned. Empty at the start, and their working directory.
pub const OUTPUT_DIRECTORY: &str = "/tmp/output";
