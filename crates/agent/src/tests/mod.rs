//! Parts of the agent by themselves, as any user: a socket pair to a host, a directory for `/tmp`, a shell
//! for the interpreter.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod collect;
mod input;
mod supervise;

use crate::Channel;
use confine::ChildSignal;
use protocol::{Decoder, ExecHeader, GuestMessage, HostMessage, encode};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;

/// The host's end of a channel.
struct Host {
    stream: UnixStream,
    decoder: Decoder,
}

/// Both ends.
fn connected() -> (Channel, Host) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let channel = Channel::new(ours.try_clone().unwrap().into(), ours.into()).unwrap();
    (channel, Host { stream: theirs, decoder: Decoder::new() })
}

impl Host {
    /// Sends a message. The agent may end the connection at any time, as it does after an error.
    fn send(&mut self, message: &HostMessage<'_>) {
        let _ = self.stream.write_all(&encode(message).unwrap());
    }

    /// Waits for the next message and passes it on. `None` once the agent's end is closed.
    fn next<T>(&mut self, look: impl FnOnce(GuestMessage<'_>) -> T) -> Option<T> {
        let mut bytes = [0; 64 * 1024];
        while !self.decoder.is_ready().unwrap() {
            let length = self.stream.read(&mut bytes).unwrap_or(0);
            if length == 0 {
                assert!(self.decoder.is_empty(), "the agent stopped within a frame");
                return None;
            }
            self.decoder.push(&bytes[..length]);
        }
        self.decoder.next_message().unwrap().map(look)
    }
}

/// Limits that nothing here reaches.
fn header() -> ExecHeader {
    ExecHeader {
        wall_time_ms_max: 60_000,
        output_bytes_max: 4 << 20,
        output_total_bytes_max: 0,
        file_bytes_max: 1 << 20,
        files_total_bytes_max: 1 << 24,
        file_count_max: 5000,
        env: Vec::new(),
    }
}

/// Runs a test in a process of its own, in which SIGCHLD is blocked in every thread: for code that reaps all
/// children of its process, or changes its rights. `name` is the test's, with its modules.
fn alone(name: &str, test: impl FnOnce()) {
    const MARK: &str = "PYTHON_SANDBOX_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return test();
    }
    // A process inherits the mask of the thread that starts it.
    let _blocked = ChildSignal::new().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", name, "--nocapture"]).env(MARK, "1").output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{name}: {}\n{text}", output.status);
}
