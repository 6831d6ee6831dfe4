//! Messages between host and guest agent, and their framing.
//!
//! The same protocol runs over a socket pair (native), an attached stream (containers) and vsock (microVM).
//! This crate does no I/O: it turns messages into bytes and bytes into messages.
//!
//! **Every frame from a guest is hostile.** The decoder bounds a frame's length before it allocates for it, and
//! a frame can never make it allocate more than [`FRAME_BYTES_MAX`].
//!
//! # One execution
//! ```text
//! host                                   guest agent
//!                                    <-  Ready{version, interpreter}
//! Exec(ExecHeader)                   ->
//! InputFile{path,size} InputData*    ->  (once per input file)
//! Stdin* / Code*                     ->
//! Start                              ->
//!                                    <-  Started
//!                                    <-  Output{stream,data}*        while it runs, the first half of the cap
//!  (Cancel)                          ->
//!                                    <-  Output{stream,data}*        the program is dead: the last half of the cap
//!                                    <-  Ended(Report)
//!                                    <-  File{path,size} FileData* | Skipped{path,reason}
//!                                    <-  Finished{skipped_more}
//! ```
//! Anything that is our fault comes as `Fault{step, detail}` and ends the sandbox. An input file that cannot be put there
//! comes as `InputRefused` instead of `Started`, and ends it too.

mod codec;
pub mod launcher;
mod message;

pub use codec::{Decoder, FRAME_BYTES_MAX, FrameError, encode};
pub use message::*;

/// Version of the wire format. Host and agent must agree exactly; a sandbox image with another one is refused.
pub const PROTOCOL_VERSION: u32 = 6;
