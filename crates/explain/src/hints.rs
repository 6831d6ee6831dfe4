//! Hints for the most common failures, one sentence each: the only table of them. A hint depends on the
//! exception and on what the runtime has and allows; if that does not determine the fix, there is none. Pure.
//!
//! `crates/python-sandbox/tests/contract/hints.rs` runs a program for each row.

use crate::names::{SettingNames, in_brackets};
use executor::Verdict;
use executor::note::{Note, Record, Role};

/// What a row looks at besides the exception and the whole note.
struct Facts<'a> {
    verdict: &'a Verdict,
    names: &'a SettingNames,
}

type Rule = fn(&Record, &Note, &Facts<'_>) -> Option<String>;

/// The first row with a hint wins.
const RULES: [Rule; 12] = [
    shell,
    no_display,
    missing_module,
    optional_package,
    no_network,
    standard_input,
    missing_file,
    read_only,
    memory,
    disk,
    terminal,
    locale,
];

/// The hint for the exception that ended the program.
pub(crate) fn for_exception(verdict: &Verdict, names: &SettingNames) -> Option<String> {
    let (note, facts) = (&verdict.note, &Facts { verdict, names });
    let raised = note.raised()?;
    let hint = RULES.iter().find_map(|way| way(raised, note, facts));
    hint.or_else(|| counted(facts))
}

fn is(record: &Record, names: &[&str]) -> bool {
    let name = record.type_name.rsplit('.').next().unwrap_or_default();
    names.contains(&name)
}

fn any(note: &Note, names: &[&str]) -> bool {
    note.exceptions().any(|record| is(record, names))
}

fn installed(note: &Note) -> String {
    match note.first(Role::Installed) {
        Some(record) if !record.text.is_empty() => {
            format!("installed packages: {}", record.text)
        }
        _ => "use the standard library".to_owned(),
    }
}

const NOTHING_TO_INSTALL: &str = "packages cannot be installed, because the sandbox has no network";

fn missing_module(raised: &Record, note: &Note, _: &Facts<'_>) -> Option<String> {
    if !is(raised, &["ModuleNotFoundError"]) {
        return None;
    }
    let name = raised.text.split('\'').nth(1).unwrap_or("the module");
    Some(format!("`{name}` is not in the sandbox and {NOTHING_TO_INSTALL}; {}", installed(note)))
}

/// pandas and others import optional packages on demand, and report a missing one in their own words.
fn optional_package(raised: &Record, note: &Note, _: &Facts<'_>) -> Option<String> {
    let words =
        ["Missing optional dependency", "Unable to find a usable engine", "pip install", "No module named"];
    let asks = is(raised, &["ImportError"]) && words.iter().any(|word| raised.text.contains(word));
    asks.then(|| format!("{NOTHING_TO_INSTALL}; {}", installed(note)))
}

fn no_display(raised: &Record, _: &Note, _: &Facts<'_>) -> Option<String> {
    let text = &raised.text;
    let backend = is(raised, &["ImportError"]) && text.contains("backend") && text.contains("framework");
    let toolkit = is(raised, &["ModuleNotFoundError"])
        && ["'tkinter'", "'_tkinter'"].iter().any(|name| text.contains(name));
    (backend || toolkit || is(raised, &["TclError"]) || text.contains("no display name")).then(|| {
        "there is no display in the sandbox; leave matplotlib's backend as it is and save figures to files".to_owned()
    })
}

fn no_network(_: &Record, note: &Note, facts: &Facts<'_>) -> Option<String> {
    let refused = facts.verdict.denied.iter().any(|call| call == "socket" || call == "connect");
    let network = ["ConnectError", "NewConnectionError", "ConnectTimeout", "NameResolutionError"];
    let is_network = any(note, &["gaierror"]) || any(note, &network) || (refused && any(note, &["URLError"]));
    is_network.then(|| {
        "there is no network in the sandbox: fetch the data beforehand and send it in `files` or `stdin`"
            .to_owned()
    })
}

fn standard_input(raised: &Record, _: &Note, _: &Facts<'_>) -> Option<String> {
    (is(raised, &["EOFError"]) && raised.text.contains("reading a line")).then(|| {
        "`input()` has no interactive user in the sandbox: send the lines that it reads in the field `stdin`, or put the values \
         into the program"
            .to_owned()
    })
}

/// No shell and no commands: only Python itself can be started.
fn shell(raised: &Record, note: &Note, _: &Facts<'_>) -> Option<String> {
    let started = raised.module == "subprocess" || raised.module == "asyncio.base_events";
    if is(raised, &["FileNotFoundError", "PermissionError"]) && started {
        return Some(format!(
            "there is no shell in the sandbox and no command `{}`; use Python's own modules (os, pathlib, shutil, \
             zipfile), or start `sys.executable`",
            raised.file.rsplit('/').next().unwrap_or_default()
        ));
    }
    let installer = is(raised, &["CalledProcessError"]) && raised.text.contains("'pip'");
    installer
        .then(|| format!("there is no `pip` in the sandbox and {NOTHING_TO_INSTALL}; {}", installed(note)))
}

fn missing_file(raised: &Record, _: &Note, _: &Facts<'_>) -> Option<String> {
    let unnamed = is(raised, &["OSError"]) && raised.text.contains("into a non-existent directory");
    let named = is(raised, &["FileNotFoundError"]) && !raised.file.is_empty();
    if !unnamed && !named {
        return None;
    }
    if unnamed || (raised.file.starts_with('/') && !raised.file.starts_with("/tmp/")) {
        return Some(
            "a program sees only its own files: send what it reads in `files`; it is then in the working \
             directory, /tmp/output; write results there too"
                .to_owned(),
        );
    }
    Some(
        "the working directory, /tmp/output, contains only what was sent in `files`; send the file in the request, or \
         create its directory first"
            .to_owned(),
    )
}

fn read_only(raised: &Record, _: &Note, _: &Facts<'_>) -> Option<String> {
    let refused = matches!(raised.errno, 1 | 13 | 30) && raised.file.starts_with('/');
    (refused && !raised.file.starts_with("/tmp/")).then(|| {
        "a program can write only below /tmp; files in /tmp/output, the working directory, are returned"
            .to_owned()
    })
}

fn memory(raised: &Record, note: &Note, facts: &Facts<'_>) -> Option<String> {
    let short = is(raised, &["MemoryError", "_ArrayMemoryError"]) || any(note, &["MemoryError"]);
    short.then(|| {
        format!(
            "a program may use {} bytes of memory{}; process the data in smaller chunks, or use smaller types",
            facts.verdict.sandbox.memory_bytes,
            in_brackets(facts.names.memory)
        )
    })
}

fn disk(_: &Record, note: &Note, facts: &Facts<'_>) -> Option<String> {
    // ENOSPC, EDQUOT, and EFBIG of a file that is larger than all of /tmp.
    note.exceptions().any(|record| matches!(record.errno, 28 | 122 | 27)).then(|| {
        format!(
            "the files of a program in /tmp may hold {} bytes in total{}; write less, or delete what is no longer needed",
            facts.verdict.sandbox.disk_bytes,
            in_brackets(facts.names.disk)
        )
    })
}

fn terminal(raised: &Record, _: &Note, _: &Facts<'_>) -> Option<String> {
    // ENOTTY; curses and termios have their own messages.
    let none = raised.errno == 25
        || (raised.type_name.starts_with("termios.") || raised.type_name.ends_with("curses.error"))
        || raised.text.contains("Inappropriate ioctl for device");
    none.then(|| "there is no terminal in the sandbox; print lines, and read them from `stdin`".to_owned())
}

fn locale(raised: &Record, _: &Note, _: &Facts<'_>) -> Option<String> {
    (raised.type_name == "locale.Error").then(|| {
        "the sandbox has only the locales C and C.UTF-8; format numbers with f-strings such as f\"{x:,.2f}\"".to_owned()
    })
}

/// The exception tells nothing, but the kernel counted something that the program's author should know.
fn counted(facts: &Facts<'_>) -> Option<String> {
    (facts.verdict.evidence.oom_kills > 0).then(|| {
        format!(
            "a process of the program was killed, because the sandbox may use {} bytes of memory{}; process the \
             data in smaller chunks",
            facts.verdict.sandbox.memory_bytes,
            in_brackets(facts.names.memory)
        )
    })
}
