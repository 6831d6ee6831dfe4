//! The input of one execution.

use crate::ExecLimits;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One program to run.
#[derive(Debug, Clone, Default)]
pub struct ExecRequest {
    /// The source text, without a leading byte order mark; encoding cookies in it have no effect.
    pub code: Arc<str>,
    /// Standard input.
    pub stdin: Bytes,
    /// Files written to the working directory before the start.
    pub files: Vec<InputFile>,
    /// Environment variables in addition to the runtime's.
    pub env: Vec<(String, String)>,
    /// Limits of the execution.
    pub limits: ExecLimits,
}

/// What is known of a program before its sandbox is chosen. A wrong hint costs time, nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Dotted names of the modules that it will import.
    pub imports: BTreeSet<String>,
    /// It sets environment variables, which packages may read when they are imported.
    pub sets_environment: bool,
    /// Its caller has other programs running while another caller is active: it leaves half of the idle sandboxes
    /// to others, and gets less of a busy CPU than their programs.
    pub yields: bool,
}

impl Hints {
    /// The hints of a program that imports these modules.
    #[must_use]
    pub fn of(request: &ExecRequest, imports: BTreeSet<String>) -> Self {
        Self { imports, sets_environment: !request.env.is_empty(), yields: false }
    }
}

/// Which sandboxes are acceptable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// A pre-created one, too.
    #[default]
    Any,
    /// Only a new one: the pre-created one was unusable.
    MadeNow,
}

/// An input file of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Relative path below the working directory.
    pub path: String,
    /// Its content.
    pub content: Bytes,
}
