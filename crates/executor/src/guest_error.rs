//! Why a guest gave no complete answer.

use protocol::{FrameError, InputRefusal};
use std::io;

/// Why a guest gave no complete answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// The stream broke.
    #[error("failed to communicate with the guest agent")]
    Io(#[from] io::Error),
    /// Bytes that are no message.
    #[error("the guest agent sent an invalid frame")]
    Frame(#[from] FrameError),
    /// A message out of order or out of bounds.
    #[error("the guest agent violated the protocol: {0}")]
    Violation(&'static str),
    /// The stream ended early.
    #[error("the guest agent disconnected")]
    Gone,
    /// Nothing came in time.
    #[error("the guest agent did not {step} within {waited_ms} ms")]
    TooLate {
        /// What was waited for, in the infinitive.
        step: &'static str,
        /// How long, in milliseconds.
        waited_ms: u128,
    },
    /// The agent speaks another protocol.
    #[error(
        "the guest agent has protocol version {theirs}, expected {ours} (hint: rebuild the sandbox image)"
    )]
    Version {
        /// The agent's.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// The agent failed at one of its own steps.
    #[error("the guest agent failed to {step}: {detail}")]
    Fault {
        /// The step.
        step: String,
        /// The operating system's message.
        detail: String,
    },
    /// An input file could not be put into the sandbox, for what it is.
    #[error("the guest agent refused an input file: {:?}", .0.cause)]
    InputRefused(InputRefusal),
}
