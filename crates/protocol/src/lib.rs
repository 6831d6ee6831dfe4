//! Messages between host and guest agent, and their framing.
//!
//! The same protocol runs over a socket pair (native), an attached stream (containers) and vsock (microVM).
//! This crate does no I/O: it turns messages into bytes and bytes into messages.
//!
//! **Every frame from a guest is hostile.** The decoder bounds a frame's length before it allocates for it, and
//! a frame can never make it allocate more than [`FRAME_BYTES_MAX`].
//!
//! # A sandbox and its executions
//! ```text
//! host                                   guest agent
//!                                    <-  Ready{version, interpreter}
//! Begin{id, mode, keep, header}      ->
//! InputFile{path,size} InputData*    ->  (once per input file)
//! Stdin* / Code*                     ->
//! Start                              ->
//!                                    <-  Accepted{id}                the input is complete
//!                                    <-  Started{id}
//!                                    <-  Output{stream,data}*        while it runs: the first half of the cap
//!  (Interrupt{id} / Cancel{id})      ->
//!                                    <-  Output{stream,data}*        once the program is dead: the last half
//!                                    <-  Ended(Report)
//!                                    <-  File{path,size} FileData* | Skipped{path,reason}
//!                                    <-  Finished{id, skipped_more}
//! Begin                              ->  the next execution, if the last one said `keep`
//! ```
//! A failure of the agent is reported as `Fault{step, detail}` and ends the sandbox. An input file that cannot be
//! created is reported as `InputRefused` instead of `Accepted`, and ends it too.

mod codec;
#[cfg(test)]
mod frames;
mod message;

pub use codec::{Decoder, FRAME_BYTES_MAX, FrameError, append, encode};
pub use message::*;

/// Version of the wire format. Host and agent must agree exactly; a sandbox image with another version is refused.
pub const PROTOCOL_VERSION: u32 = 7;
