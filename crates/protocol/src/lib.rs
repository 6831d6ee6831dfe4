//! Messages between host and guest agent, and their framing.
//!
//! The same protocol runs over a socket pair (native), an attached stream (containers) and vsock (microVM).
//! This crate does no I/O: it turns messages into bytes and bytes into messages.
//!
//! **Every frame from a guest is hostile.** The decoder bounds a frame's length before it allocates for it,
//! and a frame can never make it allocate more than [`FRAME_BYTES_MAX`].
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
//! A failure of the agent is reported as `Fault{step, detail}` and ends the sandbox. An input file that
//! cannot be created is reported as `InputRefused` instead of `Accepted`. If `keep` was said, the agent first
//! takes the input up to `Start` and removes what it has made of it, and then waits for the next `Begin`;
//! otherwise the sandbox ends.
//!
//! # Files between executions
//! One operation at a time, each answered before the next one or the next `Begin`. Their numbers are their
//! own, since an execution's number is also its place in the count of executions. A failed operation changes
//! nothing and ends nothing. While an execution is announced or runs, a file message violates the protocol.
//! ```text
//! PutFile{id,path,size} PutData*     ->
//!                                    <-  FileDone{id} | FileFailed{id, cause}   a failure can come before all of the
//!  (PutAbort{id})                    ->      content: the rest is discarded until it is complete, or aborted
//! GetFile{id,path,size_max}          ->
//!                                    <-  FileHeader{id,size,modified} FileContent* FileDone{id} | FileFailed{id, cause}
//! ListDirectory{id,path,after,max}   ->
//!                                    <-  Entry* Listed{id,more,...} | FileFailed{id, cause}
//! RemoveFile{id,path}                ->
//!                                    <-  FileDone{id} | FileFailed{id, cause}
//! ```

mod codec;
mod file_message;
#[cfg(test)]
mod frames;
mod message;

pub use codec::{Decoder, FRAME_BYTES_MAX, FrameError, append, encode};
pub use file_message::*;
pub use message::*;

/// Version of the wire format. Host and agent must agree exactly; a sandbox image with another version is
/// refused.
pub const PROTOCOL_VERSION: u32 = 8;
