//! The real binary with a prepared runtime, and clients for it. Shared by the test targets that need a
//! service.
//!
//! ```text
//! Server::start(&[("MAX_TIMEOUT", "5")])        a private service without package templates, killed when dropped
//! Server::start_with_templates(&[...])          the same with the default templates
//! Shared::new(&[...]).get()                     one with them for many tests, ended when the test process ends
//! Launch::new().set(..).file(".env", ..).user(..).start()    everything else
//! ```

#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test target uses its part")]
#![allow(clippy::print_stderr, reason = "the log of a service whose test failed must be seen")]

mod http;
mod launch;
mod server;
mod tool;

pub use http::{Answer, connect, exchange, send, try_send};
pub use launch::{Launch, WorkDir, command, run};
pub use server::{Server, Shared};
pub use tool::{Tool, find};

use base64::Engine;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Whether a runtime is prepared; reports a skip, or fails if nothing may be missing.
pub fn runtime_is_prepared() -> bool {
    match runtime::Runtime::load(&testkit::data_dir()) {
        Ok(_) => true,
        Err(error) => testkit::skip(&error),
    }
}

/// Whether these tests run as root, as some of them must.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Standard base64, as in `files` of a request.
pub fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Waits until `is_so`, at most `time_max`; returns whether it became true.
pub fn wait_until(time_max: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + time_max;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Pids of the processes whose command line contains `word`.
pub fn processes_with(word: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let found = line.windows(word.len()).any(|window| window == word.as_bytes());
            (found && pid != std::process::id()).then_some(pid)
        })
        .collect()
}
