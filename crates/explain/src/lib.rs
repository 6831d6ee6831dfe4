//! How the HTTP API and the command line explain what the service found, in the contract's types.
//!
//! A [`Verdict`] is a cause with numbers. This crate adds a sentence, a hint, and the names of the settings
//! that raise its limit ([`outcome`]), and turns the service's results into the contract's ([`answer`],
//! [`Refusal`], [`health`]). Pure.

mod hints;
mod message;
mod names;
mod sentence;
mod wire;

pub use names::SettingNames;
pub use wire::{Configured, Refusal, answer, health};

use contract::{ExceptionBody, LimitBody, LimitName, LimitUnit, OutcomeBody, OutcomeKind};
use executor::{Cause, Verdict};

/// How an execution ended, explained.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Its parts.
    pub outcome: OutcomeBody,
    /// Message and hint in one, which a language model can act on; `None` after success.
    pub error: Option<String>,
}

/// Explains how an execution on `executor` ended. `unseen_expression` is the line of an expression at the
/// program's end whose value was not shown.
#[must_use]
pub fn outcome(verdict: &Verdict, executor: &str, unseen_expression: Option<u32>) -> Explained {
    let names = SettingNames::of(executor);
    let hint = hint(verdict, names).or_else(|| unseen_expression.map(sentence::unseen_value));
    let exception = verdict.exception().map(|raised| ExceptionBody {
        type_name: raised.type_name.clone(),
        message: raised.text.clone(),
        line: raised.line,
    });
    let limit = verdict.limit.map(|hit| LimitBody {
        name: LimitName::from(hit.limit.as_str()),
        value: hit.value,
        unit: LimitUnit::from(hit.limit.unit()),
        used: hit.used,
        setting: names.of_limit(hit.limit).to_owned(),
    });
    let mut outcome = OutcomeBody {
        kind: OutcomeKind::from(verdict.kind().as_str()),
        limit,
        signal: verdict.signal(),
        syscall: verdict.syscall().map(str::to_owned),
        message: message::of(verdict),
        hint,
        exception,
        retryable: verdict.retryable(),
    };
    let error = sentence::error(&outcome, verdict);
    sentence::clean(&mut outcome);
    Explained { outcome, error }
}

fn hint(verdict: &Verdict, names: &SettingNames) -> Option<String> {
    match verdict.cause {
        Cause::Exited => hints::for_exception(verdict, names),
        _ => message::hint(verdict, names),
    }
}
