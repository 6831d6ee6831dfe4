//! Fuzzes the framing and the messages of both directions: a first byte for how the stream is cut, then the
//! stream.

#![no_main]

use protocol::{Decoder, FRAME_BYTES_MAX, FrameError, GuestMessage, HostMessage, encode};

/// Defines a function that decodes a stream that comes in pieces: the frames of its messages, encoded again,
/// and the error at which it ended. A macro, since a message borrows from the decoder.
macro_rules! decode {
    ($name:ident, $message:ident) => {
        fn $name(stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
            let mut decoder = Decoder::new();
            let mut frames = Vec::new();
            for piece in stream.chunks(piece) {
                decoder.push(piece);
                loop {
                    let is_ready = decoder.is_ready();
                    match decoder.next_message::<$message>() {
                        Ok(Some(message)) => {
                            assert_eq!(is_ready, Ok(true));
                            frames.push(encode(&message).expect("it came in one frame"));
                        }
                        Ok(None) => {
                            assert_eq!(is_ready, Ok(false));
                            break;
                        }
                        Err(error) => return (frames, Some(error)),
                    }
                }
            }
            (frames, None)
        }
    };
}

decode!(of_host, HostMessage);
decode!(of_guest, GuestMessage);

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((cut, stream)) = data.split_first() else { return };
    for decode in [of_host, of_guest] {
        let whole = decode(stream, stream.len().max(1));
        assert_eq!(decode(stream, usize::from(*cut).max(1)), whole, "pieces of {cut} bytes");
        // Only of a whole stream: an error leaves out what comes after it.
        for frame in &whole.0 {
            assert!(frame.len() <= FRAME_BYTES_MAX + 4);
            assert_eq!(decode(frame, frame.len()), (vec![frame.clone()], None), "encoded again");
        }
    }
});
