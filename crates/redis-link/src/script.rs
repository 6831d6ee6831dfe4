//! A Lua script that Redis runs: known to it by a digest after the first time.

use redis::{Cmd, cmd};
use std::sync::OnceLock;

/// A script. All keys that it uses are passed as keys.
#[derive(Debug)]
pub struct Script {
    text: &'static str,
    /// SHA-1 of the text in hexadecimal digits, which Redis tells when it loads the script.
    digest: OnceLock<String>,
}

impl Script {
    /// A script with this text.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self { text, digest: OnceLock::new() }
    }

    pub(crate) fn load(&self) -> Cmd {
        let mut load = cmd("SCRIPT");
        load.arg("LOAD").arg(self.text);
        load
    }

    pub(crate) fn loaded(&self, digest: String) {
        // The same text has the same digest.
        let _ = self.digest.set(digest);
    }

    /// The call by digest; `None` before the script was loaded.
    pub(crate) fn call(&self, keys: &[&str], arguments: &[&str]) -> Option<Cmd> {
        let mut call = cmd("EVALSHA");
        call.arg(self.digest.get()?).arg(keys.len()).arg(keys).arg(arguments);
        Some(call)
    }
}
