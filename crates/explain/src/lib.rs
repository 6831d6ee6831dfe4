//! How the HTTP API and the command line explain the end of a program.
//!
//! A [`Verdict`] is a cause with numbers. This crate adds a sentence, a hint, and the names of the settings that raise its limit:
//! everything that another API would express in its own terms. Pure.

mod hints;
mod message;
mod names;
mod sentence;

pub use names::SettingNames;

use executor::{Cause, OutcomeKind, Verdict};

/// How an execution ended, in the contract's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The name of the outcome.
    pub kind: OutcomeKind,
    /// The limit that ended it.
    pub limit: Option<LimitHit>,
    /// The signal that ended it, by number.
    pub signal: Option<u8>,
    /// The blocked system call that ended it, by name.
    pub syscall: Option<String>,
    /// One sentence on what happened; `None` after success.
    pub message: Option<String>,
    /// What the author of the program can do about it.
    pub hint: Option<String>,
    /// The exception that ended the program, as its interpreter reported it: not trusted.
    pub exception: Option<Exception>,
    /// True only where the same program could succeed if sent again.
    pub retryable: bool,
    /// Message and hint in one, which a language model can act on; `None` after success.
    pub error: Option<String>,
}

/// An uncaught exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Its qualified name, such as `ValueError` or `json.decoder.JSONDecodeError`.
    pub type_name: String,
    /// First line of its text.
    pub message: String,
    /// The line of the program that it passed through, if any.
    pub line: Option<u32>,
}

/// A limit that was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitHit {
    /// Its name: `wall_time`, `memory`, `memory_total`, `pids`, `disk`, `output`.
    pub name: &'static str,
    /// Its value, in `unit`.
    pub value: u64,
    /// `milliseconds`, `bytes`, `processes`, `files`.
    pub unit: &'static str,
    /// The amount used when it was reached, in `unit`, if measured.
    pub used: Option<u64>,
    /// The setting or request field that raises it; empty where the executor has none.
    pub setting: &'static str,
}

/// Explains how an execution on `executor` ended. `unseen_expression` is the line of an expression at the program's end whose
/// value was not shown.
#[must_use]
pub fn outcome(verdict: &Verdict, executor: &str, unseen_expression: Option<u32>) -> Outcome {
    let names = SettingNames::of(executor);
    let hint = hint(verdict, names).or_else(|| unseen_expression.map(sentence::unseen_value));
    let exception = verdict.exception().map(|raised| Exception {
        type_name: raised.type_name.clone(),
        message: raised.text.clone(),
        line: raised.line,
    });
    let limit = verdict.limit.map(|hit| LimitHit {
        name: hit.limit.as_str(),
        value: hit.value,
        unit: hit.limit.unit(),
        used: hit.used,
        setting: names.of_limit(hit.limit),
    });
    let mut outcome = Outcome {
        kind: verdict.kind(),
        limit,
        signal: verdict.signal(),
        syscall: verdict.syscall().map(str::to_owned),
        message: message::of(verdict),
        hint,
        exception,
        retryable: verdict.retryable(),
        error: None,
    };
    outcome.error = sentence::error(&outcome, verdict);
    sentence::clean(&mut outcome);
    outcome
}

fn hint(verdict: &Verdict, names: &SettingNames) -> Option<String> {
    match verdict.cause {
        Cause::Exited => hints::for_exception(verdict, names),
        _ => message::hint(verdict, names),
    }
}
