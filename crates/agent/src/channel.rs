//! The agent's end of the protocol stream.

use protocol::{Decoder, FrameError, GuestMessage, HostMessage, append};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const READ_BYTES: usize = 64 * 1024;

/// A byte stream to the host: one descriptor for both ways, or two.
///
/// No method blocks unless it says so: while a program runs, its deadline comes first.
#[derive(Debug)]
pub struct Channel {
    input: OwnedFd,
    output: OwnedFd,
    decoder: Decoder,
    /// Encoded but not yet written. Bounded by what the agent sends: output up to its cap, and short
    /// messages.
    outgoing: Vec<u8>,
}

impl Channel {
    /// Takes over the stream.
    ///
    /// # Errors
    /// From fcntl(2).
    pub fn new(input: OwnedFd, output: OwnedFd) -> io::Result<Self> {
        for descriptor in [&input, &output] {
            let flags = rustix::fs::fcntl_getfl(descriptor)?;
            rustix::fs::fcntl_setfl(descriptor, flags | OFlags::NONBLOCK)?;
        }
        Ok(Self { input, output, decoder: Decoder::new(), outgoing: Vec::new() })
    }

    /// The descriptor to poll for reading.
    pub(crate) fn input(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }

    /// The descriptor to poll for writing; `None` when nothing is pending.
    pub(crate) fn output(&self) -> Option<BorrowedFd<'_>> {
        (!self.outgoing.is_empty()).then(|| self.output.as_fd())
    }

    /// Queues a message and writes as much as possible without blocking.
    ///
    /// # Errors
    /// The stream is broken, or the message is too long for a frame.
    pub fn send(&mut self, message: &GuestMessage<'_>) -> io::Result<()> {
        append(&mut self.outgoing, message).map_err(io::Error::other)?;
        self.write_some()
    }

    /// Writes as much as the stream accepts without blocking.
    pub(crate) fn write_some(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.outgoing.len() {
            match rustix::io::write(&self.output, &self.outgoing[written..]) {
                Ok(length) => written += length,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        self.outgoing.drain(..written);
        Ok(())
    }

    /// Blocks until everything is written.
    ///
    /// # Errors
    /// The stream is broken.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            let mut waiting = [PollFd::new(&self.output, PollFlags::OUT)];
            match poll(&mut waiting, None) {
                Ok(_) | Err(Errno::INTR) => self.write_some()?,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Returns a message that has already arrived, without blocking. Bulk data in it borrows from the
    /// channel.
    ///
    /// # Errors
    /// `UnexpectedEof` when the host is gone, `InvalidData` when the bytes are not a message.
    pub(crate) fn try_receive(&mut self) -> io::Result<Option<HostMessage<'_>>> {
        while !self.decoder.is_ready().map_err(invalid)? {
            if !self.read_some()? {
                return Ok(None);
            }
        }
        self.decoder.next_message().map_err(invalid)
    }

    /// Blocks until a message arrives.
    ///
    /// # Errors
    /// See [`Channel::try_receive`].
    pub(crate) fn receive(&mut self) -> io::Result<HostMessage<'_>> {
        while !self.decoder.is_ready().map_err(invalid)? {
            if !self.read_some()? {
                let mut waiting = [PollFd::new(&self.input, PollFlags::IN)];
                match poll(&mut waiting, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        self.decoder.next_message().map_err(invalid)?.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Reads what has arrived; false if there is nothing.
    fn read_some(&mut self) -> io::Result<bool> {
        match rustix::io::read(&self.input, spare_capacity(self.decoder.reserve(READ_BYTES))) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn invalid(error: FrameError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
