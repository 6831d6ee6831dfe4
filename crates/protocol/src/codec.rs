//! Framing: a little-endian `u32` length, then that many bytes of a postcard-encoded message.

use serde::{Serialize, de::DeserializeOwned};

/// Longest frame in bytes, without its four length bytes. Bulk data travels in chunks of
/// [`crate::CHUNK_BYTES_MAX`], so only headers and one chunk must fit.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

const LENGTH_BYTES: usize = 4;

/// Why bytes from the other side are not a message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The announced length is over the bound. Nothing was allocated for it.
    #[error("frame of {length} bytes is longer than the {max} allowed")]
    TooLong {
        /// Announced length in bytes.
        length: usize,
        /// [`FRAME_BYTES_MAX`].
        max: usize,
    },
    /// The frame's bytes are not a message of the expected kind.
    #[error("frame of {length} bytes is no valid message")]
    Malformed {
        /// Length of the frame in bytes.
        length: usize,
    },
}

/// Encodes `message` with its length in front.
///
/// # Errors
/// [`FrameError::TooLong`] when the message does not fit into one frame: the caller must send bulk data in chunks.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = postcard::to_extend(message, vec![0; LENGTH_BYTES])
        .map_err(|_| FrameError::Malformed { length: 0 })?;
    let length = body.len() - LENGTH_BYTES;
    let Some(prefix) = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX) else {
        return Err(FrameError::TooLong { length, max: FRAME_BYTES_MAX });
    };
    let mut frame = body;
    frame[..LENGTH_BYTES].copy_from_slice(&prefix.to_le_bytes());
    Ok(frame)
}

/// Collects bytes from a stream and hands out whole messages.
///
/// Holds at most one partial frame plus what the caller pushed; the caller pushes what one `read` returned and
/// then takes messages until [`Decoder::next_message`] has none.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Start of what was not yet taken: draining the front for each frame would be quadratic.
    start: usize,
}

impl Decoder {
    /// Makes an empty decoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes read from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).extend_from_slice(bytes);
    }

    /// Room for this number of further bytes of the stream, behind what is there: a `read` appends to it without a copy, and
    /// touches only as much memory as it brings.
    pub fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(bytes);
        &mut self.buffer
    }

    /// Takes the next whole message, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// The stream is unusable after an error: frames have no resynchronisation, on purpose.
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let pending = &self.buffer[self.start..];
        let Some((prefix, rest)) = pending.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*prefix) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong { length, max: FRAME_BYTES_MAX });
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        // Trailing bytes in a frame are refused: a message has exactly one encoding on the wire.
        let message = match postcard::take_from_bytes(body) {
            Ok((message, [])) => message,
            _ => return Err(FrameError::Malformed { length }),
        };
        self.start += LENGTH_BYTES + length;
        Ok(Some(message))
    }

    /// True when no partial frame is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GuestMessage, HostMessage, OutputStream};
    use proptest::prelude::*;

    #[test]
    fn a_frame_over_the_bound_is_refused_before_its_bytes_arrive() {
        let mut decoder = Decoder::new();
        decoder.push(&u32::MAX.to_le_bytes());
        let error = decoder.next_message::<GuestMessage>().unwrap_err();
        assert_eq!(error, FrameError::TooLong { length: u32::MAX as usize, max: FRAME_BYTES_MAX });
    }

    #[test]
    fn an_inner_length_larger_than_the_frame_allocates_nothing_and_fails() {
        // `Output` whose data claims 2^32 bytes inside a tiny frame.
        let mut body = postcard::to_extend(
            &GuestMessage::Output { stream: OutputStream::Stdout, data: vec![] },
            Vec::new(),
        )
        .unwrap();
        body.pop();
        body.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        let mut decoder = Decoder::new();
        decoder.push(&u32::try_from(body.len()).unwrap().to_le_bytes());
        decoder.push(&body);
        assert!(matches!(decoder.next_message::<GuestMessage>(), Err(FrameError::Malformed { .. })));
    }

    #[test]
    fn trailing_bytes_in_a_frame_are_refused() {
        let mut frame = encode(&HostMessage::Cancel).unwrap();
        frame.push(0);
        let length = u32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&length.to_le_bytes());
        let mut decoder = Decoder::new();
        decoder.push(&frame);
        assert!(decoder.next_message::<HostMessage>().is_err());
    }

    #[test]
    fn messages_survive_any_split_of_the_stream() {
        let messages = [
            HostMessage::Stdin { data: vec![7; 1000] },
            HostMessage::Start,
            HostMessage::InputFile { path: "a/b".into(), size_bytes: 3 },
        ];
        let bytes: Vec<u8> = messages.iter().flat_map(|m| encode(m).unwrap()).collect();
        for split in 1..bytes.len().min(64) {
            let mut decoder = Decoder::new();
            let mut seen = Vec::new();
            for chunk in bytes.chunks(split) {
                decoder.push(chunk);
                while let Some(message) = decoder.next_message::<HostMessage>().unwrap() {
                    seen.push(message);
                }
            }
            assert_eq!(seen, messages);
            assert!(decoder.is_empty());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_from_a_guest_make_the_decoder_panic(bytes: Vec<u8>, cut in 1usize..64) {
            let mut decoder = Decoder::new();
            'stream: for chunk in bytes.chunks(cut) {
                decoder.push(chunk);
                loop {
                    match decoder.next_message::<GuestMessage>() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'stream,
                    }
                }
            }
        }

        #[test]
        fn no_valid_length_with_random_body_panics(body in proptest::collection::vec(any::<u8>(), 0..512)) {
            let mut decoder = Decoder::new();
            decoder.push(&u32::try_from(body.len()).unwrap().to_le_bytes());
            decoder.push(&body);
            let _ = decoder.next_message::<GuestMessage>();
        }
    }
}
