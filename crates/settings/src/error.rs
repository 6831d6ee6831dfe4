//! Errors in the settings. All of them are reported at once.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line, by this flag.
    CommandLine(&'static str),
    /// The process environment.
    Environment,
    /// A line of a file, counted from 1.
    File {
        /// The file as the user named it.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// Set by no source.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(flag) => write!(f, "command line, {flag}"),
            Self::Environment => f.write_str("environment"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One error. No variant ever holds the value of a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// A value that is not allowed.
    #[error("{name}{} ({origin}) {refusal}; allowed: {allowed}", .value.as_ref().map(|value| format!(" = `{value}`")).unwrap_or_default())]
    Value {
        /// The setting.
        name: &'static str,
        /// Its value; `None` for a secret.
        value: Option<String>,
        /// Where it was set.
        origin: Source,
        /// What is wrong with it.
        refusal: String,
        /// What is allowed.
        allowed: String,
    },
    /// An unknown name.
    #[error("{name} ({origin}) is not a setting{}", match .similar {
        Some(similar) => format!("; did you mean {similar}?"),
        None => "; `python-sandbox check-config` lists all of them".to_owned(),
    })]
    Unknown {
        /// The name.
        name: String,
        /// Where it was set.
        origin: Source,
        /// A setting with a similar name.
        similar: Option<&'static str>,
    },
    /// A name that is set twice in one file.
    #[error("{name} ({origin}) is already set in the same file, as {first}")]
    Twice {
        /// The setting.
        name: &'static str,
        /// Where it was set again.
        origin: Source,
        /// The first spelling.
        first: String,
    },
    /// A line that cannot be read.
    #[error("{origin} {detail}")]
    Syntax {
        /// The line.
        origin: Source,
        /// What is wrong with it.
        detail: String,
    },
    /// `--set` without a name and a value.
    #[error("--set takes NAME=VALUE")]
    SetWithoutValue,
    /// A file that cannot be read.
    #[error("failed to read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file in the working directory that others can change and that no option names.
    #[error(
        "`{}` in the working directory is trusted only if no user except root and this one can change it: {source} (hint: \
         {named} reads it anyway, {without} reads none)", path.display()
    )]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Who can, and where.
        source: Box<ownership::Refusal>,
        /// The option that names it.
        named: String,
        /// The option that leaves it out.
        without: &'static str,
    },
    /// Settings that are valid alone but not together.
    #[error("{0}")]
    Together(String),
}

/// All errors in the settings; at least one.
#[derive(Debug, thiserror::Error)]
pub struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "the settings are invalid: {one}"),
            many => {
                write!(f, "the settings are invalid in {} places:", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
            }
        }
    }
}
