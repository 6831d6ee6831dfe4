//! What goes into a sandbox.

use crate::ExecLimits;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One program to run.
#[derive(Debug, Clone, Default)]
pub struct ExecRequest {
    /// The source text. A leading byte order mark was dropped; encoding cookies in it mean nothing.
    pub code: Arc<str>,
    /// Standard input.
    pub stdin: Bytes,
    /// Files put into the working directory first.
    pub files: Vec<InputFile>,
    /// Environment variables besides the runtime's own.
    pub env: Vec<(String, String)>,
    /// What it may use.
    pub limits: ExecLimits,
}

/// What is known of a program before its sandbox is chosen. A wrong hint costs time, nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Dotted names of modules that it will import.
    pub imports: BTreeSet<String>,
    /// It has environment variables of its own, which packages may read when they are imported.
    pub sets_environment: bool,
}

impl Hints {
    /// Those of a program that is known to import these modules.
    #[must_use]
    pub fn of(request: &ExecRequest, imports: BTreeSet<String>) -> Self {
        Self { imports, sets_environment: !request.env.is_empty() }
    }
}

/// Which sandboxes will do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// Also one that was made ahead.
    #[default]
    Any,
    /// Only one that is made now: the one made ahead was of no use.
    MadeNow,
}

/// A file that the client sends along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Relative path below the working directory.
    pub path: String,
    /// Its content.
    pub content: Bytes,
}
