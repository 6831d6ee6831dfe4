//! Framing: a little-endian `u32` length, then that many bytes of a postcard-encoded message.

use serde::{Deserialize, Serialize};

/// Longest frame in bytes, without its four length bytes. Bulk data travels in chunks of
/// [`crate::CHUNK_BYTES_MAX`], so only headers and one chunk must fit.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

const LENGTH_BYTES: usize = 4;

/// Why bytes from the peer are not a message.
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
    #[error("frame of {length} bytes is not a valid message")]
    Malformed {
        /// Length of the frame in bytes.
        length: usize,
    },
}

/// Encodes `message`, prefixed with its length.
///
/// # Errors
/// See [`append`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = Vec::new();
    append(&mut frame, message)?;
    Ok(frame)
}

/// Appends the encoded `message` to the frames in `batch`. Bulk data is copied once.
///
/// # Errors
/// [`FrameError::TooLong`] when the message does not fit into one frame: bulk data must be sent in chunks.
/// `batch` is then unchanged.
pub fn append<T: Serialize>(batch: &mut Vec<u8>, message: &T) -> Result<(), FrameError> {
    let start = batch.len();
    batch.extend_from_slice(&[0; LENGTH_BYTES]);
    if postcard::to_extend(message, Behind(batch)).is_err() {
        batch.truncate(start);
        return Err(FrameError::Malformed { length: 0 });
    }
    let length = batch.len() - start - LENGTH_BYTES;
    let Some(prefix) = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX) else {
        batch.truncate(start);
        return Err(FrameError::TooLong { length, max: FRAME_BYTES_MAX });
    };
    batch[start..start + LENGTH_BYTES].copy_from_slice(&prefix.to_le_bytes());
    Ok(())
}

/// Appends what is encoded to the buffer: postcard alone takes the buffer by value, and keeps it after an
/// error.
struct Behind<'a>(&'a mut Vec<u8>);

impl Extend<u8> for Behind<'_> {
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        self.0.extend(bytes);
    }
}

/// Collects bytes from a stream and hands out whole messages.
///
/// Holds at most one partial frame plus what the caller pushed; the caller pushes what one `read` returned
/// and then takes messages until [`Decoder::next_message`] has none.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Start of the unread bytes: draining the front for each frame would be quadratic.
    start: usize,
}

impl Decoder {
    /// Creates an empty decoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes read from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len()).extend_from_slice(bytes);
    }

    /// Reserves space for `bytes` more bytes of the stream: a `read` appends to the buffer without a copy,
    /// and touches only as much memory as it returns.
    pub fn reserve(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(bytes);
        &mut self.buffer
    }

    /// Whether a whole frame has arrived.
    ///
    /// # Errors
    /// [`FrameError::TooLong`], before the frame's bytes arrive. The stream is unusable then.
    pub fn is_ready(&self) -> Result<bool, FrameError> {
        Ok(self.frame_bytes()?.is_some_and(|length| self.pending().len() >= LENGTH_BYTES + length))
    }

    /// Returns the next whole message, or `None` when more bytes are needed. Bulk data in it borrows from the
    /// decoder.
    ///
    /// # Errors
    /// The stream is unusable after an error: frames have no resynchronisation, on purpose.
    pub fn next_message<'a, T: Deserialize<'a>>(&'a mut self) -> Result<Option<T>, FrameError> {
        let Some(length) = self.frame_bytes()? else { return Ok(None) };
        let body = self.start + LENGTH_BYTES;
        let end = body + length;
        if self.buffer.len() < end {
            return Ok(None);
        }
        self.start = end;
        // Trailing bytes in a frame are an error: a message has exactly one encoding.
        match postcard::take_from_bytes(&self.buffer[body..end]) {
            Ok((message, [])) => Ok(Some(message)),
            _ => Err(FrameError::Malformed { length }),
        }
    }

    fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Announced length of the next frame, if its length bytes have arrived.
    fn frame_bytes(&self) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.pending().first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*prefix) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong { length, max: FRAME_BYTES_MAX });
        }
        Ok(Some(length))
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
        assert!(decoder.is_ready().is_err());
        let error = decoder.next_message::<GuestMessage>().unwrap_err();
        assert_eq!(error, FrameError::TooLong { length: u32::MAX as usize, max: FRAME_BYTES_MAX });
    }

    #[test]
    fn an_inner_length_larger_than_the_frame_allocates_nothing_and_fails() {
        // `Output` whose data claims 2^32 bytes inside a tiny frame.
        let mut body = postcard::to_extend(
            &GuestMessage::Output { stream: OutputStream::Stdout, data: &[] },
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
        let mut frame = encode(&HostMessage::Cancel { id: 1 }).unwrap();
        frame.push(0);
        let length = u32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&length.to_le_bytes());
        let mut decoder = Decoder::new();
        decoder.push(&frame);
        assert!(decoder.next_message::<HostMessage>().is_err());
    }

    #[test]
    fn messages_survive_any_split_of_the_stream() {
        let data = [7; 1000];
        let messages = [
            HostMessage::Stdin { data: &data },
            HostMessage::Start,
            HostMessage::InputFile { path: "a/b", size_bytes: 3 },
        ];
        let bytes: Vec<u8> = messages.iter().flat_map(|m| encode(m).unwrap()).collect();
        for split in 1..bytes.len().min(64) {
            let mut decoder = Decoder::new();
            let mut seen = 0;
            for chunk in bytes.chunks(split) {
                decoder.push(chunk);
                while decoder.is_ready().unwrap() {
                    let message = decoder.next_message::<HostMessage>().unwrap();
                    assert_eq!(message.as_ref(), messages.get(seen));
                    seen += 1;
                }
            }
            assert_eq!(seen, messages.len());
            assert!(decoder.is_empty());
        }
    }

    #[test]
    fn frames_of_a_batch_stand_behind_each_other() {
        let mut batch = Vec::new();
        append(&mut batch, &HostMessage::Start).unwrap();
        append(&mut batch, &HostMessage::Stdin { data: b"x" }).unwrap();
        let single = |message: &HostMessage| encode(message).unwrap();
        assert_eq!(batch, [single(&HostMessage::Start), single(&HostMessage::Stdin { data: b"x" })].concat());
        let long = vec![0; FRAME_BYTES_MAX];
        let before = batch.clone();
        let refused = append(&mut batch, &HostMessage::Stdin { data: &long });
        assert!(matches!(refused, Err(FrameError::TooLong { .. })));
        assert_eq!(batch, before, "earlier frames are kept");
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
