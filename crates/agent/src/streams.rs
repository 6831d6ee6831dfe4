//! Captures a program's output: the head is forwarded at once, the tail is kept, and output still buffered in
//! the program's memory when it died is recovered from there.

use crate::Channel;
use protocol::{CHUNK_BYTES_MAX, GuestMessage, NOTE_BYTES_MAX, OutputStream, head_bytes};
use rustix::buffer::spare_capacity;
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Layout of the shared memory, as `runtime/runner/streams.py` describes it.
const WAITING_AT: u64 = 64;
const WAITING_BYTES_MAX: usize = 16384;
const NOTE_AT: u64 = WAITING_AT + WAITING_BYTES_MAX as u64;
const STREAM_BYTES: u64 = 24576;
const STREAM_DISTANCE: u64 = 65536;

/// Memory shared with the interpreter's streams. The program can write anything to it, but can thereby only
/// claim to have printed it.
#[derive(Debug)]
pub(crate) struct SharedBuffers(OwnedFd);

impl SharedBuffers {
    pub(crate) fn new() -> io::Result<Self> {
        let file = rustix::fs::memfd_create("streams", MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&file, STREAM_DISTANCE + STREAM_BYTES)?;
        Ok(Self(file))
    }

    /// Output still buffered in the program's memory when it died. `read` is the number of bytes that came
    /// through the pipe: if the program was about to write, it tells how much of the buffer was written.
    fn waiting(&self, stream: OutputStream, read: u64) -> Vec<u8> {
        let start = offset(stream);
        let words = self.words(start);
        let Ok(size) = usize::try_from(words[0] / 2) else { return Vec::new() };
        let writing = words[0] % 2 == 1;
        if size > WAITING_BYTES_MAX {
            return Vec::new();
        }
        let mut waiting = vec![0; size];
        let length = rustix::io::pread(&self.0, &mut waiting[..], start + WAITING_AT).unwrap_or(0);
        waiting.truncate(length);
        let written = if writing { usize::try_from(read.saturating_sub(words[1])).unwrap_or(0) } else { 0 };
        waiting.drain(..written.min(length));
        waiting
    }

    /// The interpreter's note on the exception that ended the program.
    pub(crate) fn note(&self) -> Vec<u8> {
        let start = offset(OutputStream::Stderr);
        let size = usize::try_from(self.words(start)[2]).unwrap_or(usize::MAX).min(NOTE_BYTES_MAX);
        let mut note = vec![0; size];
        let length = rustix::io::pread(&self.0, &mut note[..], start + NOTE_AT).unwrap_or(0);
        note.truncate(length);
        note
    }

    fn words(&self, start: u64) -> [u64; 3] {
        let mut bytes = [0u8; 24];
        let _ = rustix::io::pread(&self.0, &mut bytes[..], start);
        let word = |at: usize| bytes[at..at + 8].try_into().map_or(0, u64::from_ne_bytes);
        [word(0), word(8), word(16)]
    }
}

impl AsFd for SharedBuffers {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn offset(stream: OutputStream) -> u64 {
    match stream {
        OutputStream::Stdout => 0,
        OutputStream::Stderr => STREAM_DISTANCE,
    }
}

/// One output stream of the program.
#[derive(Debug)]
pub(crate) struct Captured {
    stream: OutputStream,
    pipe: Option<OwnedFd>,
    /// Bytes received, kept or not.
    pub(crate) bytes: u64,
    /// Bytes of the head that may still be forwarded.
    head_room: u64,
    /// The last bytes after the head.
    tail: VecDeque<u8>,
    tail_bytes_max: usize,
    words: VecDeque<u8>,
    last_output_bytes_max: usize,
}

/// Longest message kept from an interpreter that did not start, in bytes.
const LAST_OUTPUT_BYTES_MAX: usize = 2048;

impl Captured {
    /// Keeps up to `bytes_max` bytes of the stream.
    pub(crate) fn new(stream: OutputStream, pipe: OwnedFd, bytes_max: u64) -> Self {
        let head_room = head_bytes(bytes_max);
        let tail_bytes_max = usize::try_from(bytes_max - head_room).unwrap_or(usize::MAX);
        Self {
            stream,
            pipe: Some(pipe),
            bytes: 0,
            head_room,
            tail: VecDeque::new(),
            tail_bytes_max,
            words: VecDeque::new(),
            last_output_bytes_max: LAST_OUTPUT_BYTES_MAX,
        }
    }

    /// The descriptor to poll, until the program's end of it is closed.
    pub(crate) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads available output; false if there is none. Never blocks.
    pub(crate) fn read(&mut self, channel: &mut Channel) -> io::Result<bool> {
        let Some(pipe) = &self.pipe else { return Ok(false) };
        // Not zeroed first: most reads return little, and each page touched costs the agent a page fault.
        let mut data = Vec::with_capacity(CHUNK_BYTES_MAX);
        match rustix::io::read(pipe, spare_capacity(&mut data)) {
            Ok(0) => self.pipe = None,
            Ok(_) => {
                self.take(&data, channel)?;
                return Ok(true);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.pipe = None,
        }
        Ok(false)
    }

    fn take(&mut self, data: &[u8], channel: &mut Channel) -> io::Result<()> {
        self.bytes += data.len() as u64;
        keep_last(&mut self.words, data, self.last_output_bytes_max);
        let now = usize::try_from(self.head_room).unwrap_or(usize::MAX).min(data.len());
        let (now, later) = data.split_at(now);
        keep_last(&mut self.tail, later, self.tail_bytes_max);
        self.head_room -= now.len() as u64;
        self.send(now, channel)
    }

    /// Called when all writers are dead: drains the pipe and the program's buffer, and forwards the tail.
    pub(crate) fn finish(&mut self, kept: &SharedBuffers, channel: &mut Channel) -> io::Result<()> {
        while self.read(channel)? {}
        self.take(&kept.waiting(self.stream, self.bytes), channel)?;
        let tail: Vec<u8> = std::mem::take(&mut self.tail).into();
        tail.chunks(CHUNK_BYTES_MAX).try_for_each(|piece| self.send(piece, channel))
    }

    fn send(&self, data: &[u8], channel: &mut Channel) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        channel.send(&GuestMessage::Output { stream: self.stream, data })
    }

    /// The last output as text: the message from an interpreter that did not start.
    pub(crate) fn words(&self) -> String {
        let (front, back) = self.words.as_slices();
        String::from_utf8_lossy(&[front, back].concat()).trim().to_owned()
    }

    /// The program starts: what follows is its output, not the interpreter's.
    pub(crate) fn forget_last_output(&mut self) {
        self.words = VecDeque::new();
        self.last_output_bytes_max = 0;
    }
}

/// Appends `data` to `tail`, keeping the last `bytes_max` bytes.
fn keep_last(tail: &mut VecDeque<u8>, data: &[u8], bytes_max: usize) {
    let data = &data[data.len().saturating_sub(bytes_max)..];
    let surplus = (tail.len() + data.len()).saturating_sub(bytes_max);
    tail.drain(..surplus);
    tail.extend(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_last_bytes_however_they_come() {
        let text: Vec<u8> = (0..10_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        for bytes_max in [0, 1, 776, 2048, 20_000] {
            let mut tail = VecDeque::new();
            for piece in text.chunks(777) {
                keep_last(&mut tail, piece, bytes_max);
            }
            assert!(tail.iter().eq(&text[text.len().saturating_sub(bytes_max)..]), "{bytes_max}");
            keep_last(&mut tail, &text, bytes_max);
            assert_eq!(tail.len(), bytes_max.min(20_000));
        }
    }

    fn with(words: [u64; 3], waiting: &[u8]) -> SharedBuffers {
        let kept = SharedBuffers::new().unwrap();
        for (number, word) in words.iter().enumerate() {
            rustix::io::pwrite(&kept.0, &word.to_ne_bytes(), number as u64 * 8).unwrap();
        }
        rustix::io::pwrite(&kept.0, waiting, WAITING_AT).unwrap();
        kept
    }

    #[test]
    fn what_waited_is_found_whole_or_without_what_was_already_written() {
        let found = |words, read| with(words, b"abcdef").waiting(OutputStream::Stdout, read);
        assert_eq!(found([12, 100, 0], 100), b"abcdef");
        assert_eq!(found([12, 100, 0], 500), b"abcdef", "not being written: another process printed that");
        assert_eq!(found([13, 100, 0], 100), b"abcdef");
        assert_eq!(found([13, 100, 0], 104), b"ef");
        assert_eq!(found([13, 100, 0], 999), b"");
        assert_eq!(found([13, 100, 0], 7), b"abcdef");
        assert_eq!(found([0, 100, 0], 100), b"");
    }

    #[test]
    fn a_hostile_layout_is_nothing() {
        for words in [[u64::MAX, 0, 0], [1 << 40, 0, u64::MAX], [40_000, u64::MAX, 0]] {
            assert_eq!(with(words, b"x").waiting(OutputStream::Stdout, 0), b"", "{words:?}");
        }
        let kept = SharedBuffers::new().unwrap();
        rustix::io::pwrite(&kept.0, &u64::MAX.to_ne_bytes(), STREAM_DISTANCE + 16).unwrap();
        assert_eq!(kept.note().len(), NOTE_BYTES_MAX);
        rustix::fs::ftruncate(&kept.0, 1).unwrap();
        assert_eq!(
            (kept.note(), kept.waiting(OutputStream::Stderr, 0)),
            (Vec::new(), Vec::new()),
            "cut short"
        );
    }
}
