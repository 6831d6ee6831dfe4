//! What goes into a sandbox.

use crate::ExecLimits;
use bytes::Bytes;
use std::collections::BTreeSet;

/// One program to run.
#[derive(Debug, Clone, Default)]
pub struct ExecRequest {
    /// The source text. A leading byte order mark was dropped; encoding cookies in it mean nothing.
    pub code: String,
    /// Standard input.
    pub stdin: Bytes,
    /// Files put into the working directory first.
    pub files: Vec<InputFile>,
    /// Environment variables besides the runtime's own.
    pub env: Vec<(String, String)>,
    /// What it may use.
    pub limits: ExecLimits,
    /// Modules that the program is known to import: chooses the interpreter to start from, promises nothing.
    pub imports: BTreeSet<String>,
}

impl ExecRequest {
    /// What chooses a sandbox for this program.
    #[must_use]
    pub fn hints(&self) -> Hints {
        Hints { imports: self.imports.clone(), sets_environment: !self.env.is_empty(), made_again: false }
    }
}

/// What is known of a program before its sandbox is chosen. A wrong hint costs time, nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Dotted names of modules that it will import.
    pub imports: BTreeSet<String>,
    /// It has environment variables of its own, which packages may read when they are imported.
    pub sets_environment: bool,
    /// One that waited was no good: this one is to be made now.
    pub made_again: bool,
}

/// A file that the client sends along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Relative path below the working directory.
    pub path: String,
    /// Its content.
    pub content: Bytes,
}
