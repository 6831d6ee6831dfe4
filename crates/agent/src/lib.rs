//! The guest agent: first process of every sandbox.
//!
//! It runs the interpreter, streams its output, ends it on time, measures it, and collects the output files
//! when nothing of the program lives any more. It is one static executable with two ways in:
//!
//! - `launch`: on the host, below the native executor. Makes cells and becomes the first process of each.
//! - `init`: as first process of a container or a microVM, over its standard input and output.
//!
//! ```text
//! cell / main ──> serve ──> interpreter gets it behind the walls: started here, or forked from a template
//!                   ├─────> intake     what shall be run
//!                   ├─────> supervise  time, refused calls, end; streams: output
//!                   └─────> collect    output files
//! ```
//! The agent is single-threaded, from its first to its last instruction: it forks.

mod cell;
mod channel;
mod collect;
mod counters;
mod filters;
mod idle;
mod intake;
mod interpreter;
pub mod launcher;
mod locks;
mod monitor;
mod networks;
mod packet;
mod room;
mod serve;
mod streams;
mod supervise;
mod tasks;
mod template;

pub use cell::STEPS as CELL_STEPS;
pub use channel::Channel;
pub use interpreter::{Filter, Origin};
pub use launcher::STEPS as LAUNCHER_STEPS;
pub use packet::{receive_packet, send_packet};
pub use serve::{Context, Place, serve};

/// Where programs write what is returned. Empty at the start, and their working directory.
pub const OUTPUT_DIRECTORY: &str = "/tmp/output";
