//! Parses the text of a policy. Line based; the format is described for authors at the head of
//! `data/seccomp.policy`.

use std::collections::HashMap;

use super::model::{Action, ArgTest, Compare, Policy, Rule};
use super::names::{Arch, syscall_number};
use super::symbols;

/// The policy of programs, which the others include.
pub(super) const BUILTIN: &str = include_str!("../../data/seccomp.policy");
/// The launcher's policy, which a policy around it may include.
pub(super) const LAUNCHER: &str = include_str!("../../data/launcher.policy");

/// Why a policy could not be parsed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct PolicyError {
    /// The line number, starting at 1.
    pub line: usize,
    /// What is wrong with the line.
    pub kind: PolicyErrorKind,
}

/// What can be wrong with a line of a policy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyErrorKind {
    /// The line does not begin with an action or a setting.
    #[error(
        "unknown action `{found}` (allowed: allow, ignore, errno E, notify E, tell, ask E, trace, kill, \
         include program [calls], include launcher calls, default, unknown)"
    )]
    UnknownAction {
        /// The first word of the line, or of what follows the setting.
        found: String,
    },
    /// `errno` or `notify` is not followed by the name of a known error number.
    #[error("unknown error number `{found}` (allowed: {allowed})")]
    UnknownErrno {
        /// The word found there, empty at the end of the line.
        found: String,
        /// The known names.
        allowed: String,
    },
    /// A rule without a call.
    #[error("the rule names no call")]
    NoCalls,
    /// No architecture has a call of this name.
    #[error("unknown call `{name}` (hint: use the kernel's name, such as `newfstatat` or `prlimit64`)")]
    UnknownCall {
        /// The name as written.
        name: String,
    },
    /// The rule can never apply to this call: an earlier one always applies, or has the same tests.
    #[error("`{name}` is already decided by line {first_line}")]
    Repeated {
        /// The call.
        name: String,
        /// The line that decides it.
        first_line: usize,
    },
    /// A test of an argument has no known form.
    #[error(
        "cannot parse the test `{found}` (allowed: argN [masked M] == V, argN [masked M] in V V ..., argN <= V, \
         with N from 0 to 5 and argN:32 for a 32-bit argument)"
    )]
    BadTest {
        /// The test as written.
        found: String,
    },
    /// A value is neither a number nor a known constant.
    #[error(
        "unknown value `{found}` (allowed: decimal, 0x or 0o numbers and the constants of symbols.rs, joined by |)"
    )]
    UnknownValue {
        /// The value as written.
        found: String,
    },
    /// A test compares with a value that has bits outside the mask or the width, so it could never hold.
    #[error("value {value:#x} does not fit under the mask {mask:#x}")]
    ValueOutsideMask {
        /// The value compared with.
        value: u64,
        /// The significant bits.
        mask: u64,
    },
    /// `default` or `unknown` given twice.
    #[error("`{setting}` is given twice")]
    RepeatedSetting {
        /// Which of the two.
        setting: &'static str,
    },
    /// `default` or `unknown` is `allow`: the policy would not be an allow-list.
    #[error("`{setting}` cannot be `allow`")]
    OpenSetting {
        /// Which of the two.
        setting: &'static str,
    },
    /// `default` or `unknown` is missing; the line is the last one.
    #[error("`{setting}` is missing")]
    MissingSetting {
        /// Which of the two.
        setting: &'static str,
    },
}

/// What is known so far about a call's rules: the line of each, and its tests.
type Seen = HashMap<String, Vec<(usize, Vec<ArgTest>)>>;

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let mut default = None;
    let mut unknown = None;
    let mut rules = Vec::new();
    let mut seen = Seen::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let parsed = match words.split_first() {
            None => Ok(()),
            Some((&"default", rest)) => set(&mut default, "default", rest),
            Some((&"unknown", rest)) => set(&mut unknown, "unknown", rest),
            // Not an error of these lines if an earlier rule has already decided a call.
            Some((&"include", ["program"])) => {
                rules.extend(around_a_program()?);
                Ok(())
            }
            Some((&"include", ["program", "calls"])) => {
                rules.extend(calls_allowed_by(around_a_program()?));
                Ok(())
            }
            Some((&"include", ["launcher", "calls"])) => {
                rules.extend(calls_allowed_by(parse(LAUNCHER)?.rules));
                Ok(())
            }
            Some(_) => rule(&words).and_then(|rule| {
                for rule in rule {
                    note(&mut seen, &rule, line_number)?;
                    rules.push(rule);
                }
                Ok(())
            }),
        };
        parsed.map_err(|kind| PolicyError { line: line_number, kind })?;
    }
    let missing = |setting| PolicyError {
        line: text.lines().count(),
        kind: PolicyErrorKind::MissingSetting { setting },
    };
    Ok(Policy {
        default: default.ok_or_else(|| missing("default"))?,
        unknown: unknown.ok_or_else(|| missing("unknown"))?,
        rules,
    })
}

/// All rules of the program's policy, adapted for a filter around it.
fn around_a_program() -> Result<Vec<Rule>, PolicyError> {
    Ok(parse(BUILTIN)?.rules.into_iter().map(Rule::around_a_program).collect())
}

/// The rules that allow something, without their tests.
fn calls_allowed_by(rules: Vec<Rule>) -> impl Iterator<Item = Rule> {
    let allowed = rules.into_iter().filter(|rule| rule.action == Action::Allow);
    allowed.map(|rule| Rule { tests: Vec::new(), ..rule })
}

fn set(slot: &mut Option<Action>, setting: &'static str, words: &[&str]) -> Result<(), PolicyErrorKind> {
    let (action, rest) = action(words)?;
    if let Some(extra) = rest.first() {
        return Err(PolicyErrorKind::UnknownAction { found: (*extra).to_owned() });
    }
    if matches!(action, Action::Allow | Action::IGNORE | Action::TELL | Action::Ask(_)) {
        return Err(PolicyErrorKind::OpenSetting { setting });
    }
    match slot.replace(action) {
        None => Ok(()),
        Some(_) => Err(PolicyErrorKind::RepeatedSetting { setting }),
    }
}

/// Parses the action at the start of a line.
fn action<'a, 'w>(words: &'a [&'w str]) -> Result<(Action, &'a [&'w str]), PolicyErrorKind> {
    let (verb, rest) = words.split_first().unwrap_or((&"", &[]));
    let with_errno = |make: fn(u16) -> Action| {
        let found = rest.first().copied().unwrap_or_default();
        match symbols::errno(found) {
            Some(errno) => Ok((make(errno), rest.get(1..).unwrap_or_default())),
            None => Err(PolicyErrorKind::UnknownErrno {
                found: found.to_owned(),
                allowed: symbols::errno_names(),
            }),
        }
    };
    match *verb {
        "allow" => Ok((Action::Allow, rest)),
        "kill" => Ok((Action::KillProcess, rest)),
        "ignore" => Ok((Action::IGNORE, rest)),
        "tell" => Ok((Action::TELL, rest)),
        "trace" => Ok((Action::Trace, rest)),
        "errno" => with_errno(Action::Errno),
        "notify" => with_errno(Action::Notify),
        "ask" => with_errno(Action::Ask),
        other => Err(PolicyErrorKind::UnknownAction { found: other.to_owned() }),
    }
}

/// One rule, or one per architecture if a constant in it differs between them.
fn rule(words: &[&str]) -> Result<Vec<Rule>, PolicyErrorKind> {
    let (action, rest) = action(words)?;
    let mut parts = rest.splitn(2, |word| *word == "if");
    let names = parts.next().unwrap_or_default();
    let conditions = parts.next();
    let tests_on = |arch: Arch| match conditions {
        None => Ok(Vec::new()),
        Some(words) => words.split(|word| *word == "and").map(|words| test(words, arch)).collect(),
    };
    let tests: Vec<(Arch, Vec<ArgTest>)> =
        Arch::ALL.into_iter().map(|arch| Ok((arch, tests_on(arch)?))).collect::<Result<_, _>>()?;
    if names.is_empty() {
        return Err(PolicyErrorKind::NoCalls);
    }
    if let Some(name) =
        names.iter().find(|name| Arch::ALL.iter().all(|arch| syscall_number(*arch, name).is_none()))
    {
        return Err(PolicyErrorKind::UnknownCall { name: (*name).to_owned() });
    }
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let is_same = tests.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let rule = |(arch, tests)| {
        let only = if is_same { None } else { Some(arch) };
        Rule { only, action, names: names.clone(), tests }
    };
    Ok(tests.into_iter().take(if is_same { 1 } else { usize::MAX }).map(rule).collect())
}

/// Parses one test: `argN[:32] [masked M] (== V | in V ... | <= V)`.
fn test(words: &[&str], arch: Arch) -> Result<ArgTest, PolicyErrorKind> {
    let value = |word: &str| value(word, arch);
    let bad = || PolicyErrorKind::BadTest { found: words.join(" ") };
    let (argument, rest) = words.split_first().ok_or_else(bad)?;
    let (name, width) = match argument.split_once(':') {
        None => (*argument, u64::MAX),
        Some((name, "32")) => (name, u64::from(u32::MAX)),
        Some(_) => return Err(bad()),
    };
    let index = match name.strip_prefix("arg").map(str::as_bytes) {
        Some([digit @ b'0'..=b'5']) => digit - b'0',
        _ => return Err(bad()),
    };
    let (mask, rest) = match rest {
        ["masked", mask, rest @ ..] => (Some(value(mask)?), rest),
        rest => (None, rest),
    };
    let compare = match rest {
        ["==", wanted] => Compare::OneOf(vec![value(wanted)?]),
        ["in", wanted @ ..] if !wanted.is_empty() => {
            Compare::OneOf(wanted.iter().map(|word| value(word)).collect::<Result<_, _>>()?)
        }
        ["<=", max] if mask.is_none() => Compare::AtMost(value(max)?),
        _ => return Err(bad()),
    };
    let mask = match mask {
        None => width,
        // A mask with bits outside the argument, or without any, is a mistake.
        Some(mask) if mask == 0 || mask & !width != 0 => {
            return Err(PolicyErrorKind::ValueOutsideMask { value: mask, mask: width });
        }
        Some(mask) => mask,
    };
    let values = match &compare {
        Compare::OneOf(values) => values.as_slice(),
        Compare::AtMost(max) => std::slice::from_ref(max),
    };
    match values.iter().find(|value| *value & !mask != 0) {
        Some(&value) => Err(PolicyErrorKind::ValueOutsideMask { value, mask }),
        None => Ok(ArgTest { index, mask, compare }),
    }
}

fn value(word: &str, arch: Arch) -> Result<u64, PolicyErrorKind> {
    symbols::value(word, arch).ok_or_else(|| PolicyErrorKind::UnknownValue { found: word.to_owned() })
}

/// Rejects a rule that could never apply to one of its calls, and remembers it.
fn note(seen: &mut Seen, rule: &Rule, line: usize) -> Result<(), PolicyErrorKind> {
    for name in &rule.names {
        let earlier = seen.entry(name.clone()).or_default();
        if let Some((first_line, _)) =
            earlier.iter().find(|(_, tests)| tests.is_empty() || *tests == rule.tests)
        {
            return Err(PolicyErrorKind::Repeated { name: name.clone(), first_line: *first_line });
        }
        earlier.push((line, rule.tests.clone()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "default notify EPERM\nunknown errno ENOSYS\n";

    /// The error of a policy whose third line is `line`.
    fn fault(line: &str) -> String {
        parse(&format!("{HEAD}{line}")).unwrap_err().to_string()
    }

    #[test]
    fn comments_and_blank_lines_mean_nothing() {
        let policy =
            parse("# head\n\n  default kill # why\nunknown errno ENOSYS\n allow read\twrite#x\n").unwrap();
        assert_eq!(policy.default, Action::KillProcess);
        assert_eq!(policy.rules.len(), 1);
        assert_eq!(policy.rules[0].names, ["read", "write"]);
    }

    #[test]
    fn tests_are_read_in_every_form() {
        let policy = parse(&format!(
            "{HEAD}allow clone if arg0 masked 0x7E020000 == 0\nallow ioctl if arg1:32 in 1 2 and arg5 <= 0x100000000"
        ))
        .unwrap();
        assert_eq!(
            policy.rules[0].tests,
            [ArgTest { index: 0, mask: 0x7E02_0000, compare: Compare::OneOf(vec![0]) }]
        );
        assert_eq!(
            policy.rules[1].tests,
            [
                ArgTest { index: 1, mask: 0xFFFF_FFFF, compare: Compare::OneOf(vec![1, 2]) },
                ArgTest { index: 5, mask: u64::MAX, compare: Compare::AtMost(1 << 32) },
            ]
        );
    }

    #[test]
    fn a_name_may_exist_on_one_machine_only() {
        parse(&format!("{HEAD}allow open fstatat newfstatat\n")).unwrap();
    }

    #[test]
    fn names_that_no_machine_has_are_refused_with_their_line() {
        assert!(fault("allow read opne").starts_with("line 3: unknown call `opne`"));
        assert!(fault("allow clock_gettime64").starts_with("line 3: unknown call"));
    }

    #[test]
    fn a_rule_that_never_applies_is_refused() {
        assert_eq!(fault("allow read\nallow write read"), "line 4: `read` is already decided by line 3");
        assert_eq!(fault("allow read read"), "line 3: `read` is already decided by line 3");
        assert_eq!(
            fault("allow read\nerrno EPERM read if arg0 == 1"),
            "line 4: `read` is already decided by line 3"
        );
        assert_eq!(
            fault("allow kill if arg1 == 0\nnotify EPERM kill if arg1 == 0"),
            "line 4: `kill` is already decided by line 3"
        );
    }

    #[test]
    fn settings_are_given_once_and_never_open() {
        assert_eq!(fault("default kill"), "line 3: `default` is given twice");
        assert_eq!(fault("default allow"), "line 3: `default` cannot be `allow`");
        assert_eq!(fault("unknown allow"), "line 3: `unknown` cannot be `allow`");
        assert!(fault("default kill read").contains("unknown action `read`"));
        assert_eq!(parse("unknown kill\n").unwrap_err().to_string(), "line 1: `default` is missing");
        assert_eq!(parse("default kill\n").unwrap_err().to_string(), "line 1: `unknown` is missing");
        assert_eq!(parse("").unwrap_err().line, 0);
    }

    #[test]
    fn faulty_lines_say_what_is_allowed() {
        let cases = [
            ("permit read", "unknown action `permit` (allowed: allow, ignore, errno E"),
            ("allow", "names no call"),
            ("allow if arg0 == 1", "names no call"),
            ("errno read", "unknown error number `read` (allowed: EPERM, "),
            ("notify", "unknown error number ``"),
            ("allow read if", "cannot parse the test ``"),
            ("allow read if arg0 == 1 and", "cannot parse the test ``"),
            ("allow read if arg6 == 1", "cannot parse the test `arg6 == 1`"),
            ("allow read if arg0:64 == 1", "cannot parse the test"),
            ("allow read if arg0 = 1", "cannot parse the test"),
            ("allow read if arg0 == 1 2", "cannot parse the test"),
            ("allow read if arg0 in", "cannot parse the test"),
            ("allow read if arg0 masked 1 <= 1", "cannot parse the test"),
            ("allow read if arg0 == O_NOPE", "unknown value `O_NOPE`"),
            ("allow read if arg0 masked 6 == 1", "value 0x1 does not fit under the mask 0x6"),
            ("allow read if arg0 masked 0 == 0", "value 0x0 does not fit"),
            (
                "allow read if arg0:32 == 0x100000000",
                "value 0x100000000 does not fit under the mask 0xffffffff",
            ),
            ("allow read if arg0:32 <= 0x100000000", "value 0x100000000 does not fit"),
            ("allow read if arg0:32 masked 0x100000001 == 0", "value 0x100000001 does not fit"),
        ];
        for (line, wanted) in cases {
            let text = fault(line);
            assert!(text.starts_with("line 3: ") && text.contains(wanted), "`{line}` gave `{text}`");
        }
    }
}
