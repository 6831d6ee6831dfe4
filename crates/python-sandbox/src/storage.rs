//! `storage`: checks the store of output files, and shows and moves the files that wait for an object store. For
//! operators, beside running services.
//!
//! The settings must be those of the service: they say which store it is, and where files wait.

use crate::cli::StorageCommand;
use compose::{Flushed, LocalCheck, OpenStoreError, SpoolStatus, StoreCheck};
use serde_json::{Value, json};
use settings::Settings;
use std::process::ExitCode;
use terminal::exit;

/// What a command shows, and whether all is well.
struct Shown {
    text: String,
    json: Value,
    is_good: bool,
}

impl Shown {
    /// Says which store it is about.
    fn of(mut self, settings: &Settings) -> Self {
        let directory = compose::files_dir(settings).display().to_string();
        self.text.insert_str(0, &format!("store: `{directory}`\n"));
        if let Some(fields) = self.json.as_object_mut() {
            fields.insert("directory".to_owned(), Value::String(directory));
        }
        self
    }
}

/// Runs the command. Exit code 1: a file cannot be stored, or files still wait; 2: the store cannot be opened.
pub(crate) async fn run(command: StorageCommand, settings: Settings) -> ExitCode {
    let (args, shown) = match command {
        StorageCommand::Check(args) => (args, check(&settings).await),
        StorageCommand::Status(args) => {
            let seen = compose::spool_status(&settings).await.map_err(chain);
            (args, seen.map(|waiting| status(waiting).of(&settings)))
        }
        StorageCommand::Flush(args) => (args, flush(&settings).await),
    };
    match shown {
        Ok(Shown { text, json, is_good }) => {
            terminal::result(&if args.json { format!("{json:#}\n") } else { text });
            if is_good { exit::success() } else { exit::program_failed() }
        }
        Err(text) => {
            terminal::message(&format!("python-sandbox: {text}"));
            exit::internal_error()
        }
    }
}

fn chain(error: OpenStoreError) -> String {
    support::error_chain(&error)
}

async fn check(settings: &Settings) -> Result<Shown, String> {
    let storage = &settings.storage;
    if !storage.enabled {
        return Err(
            "output files are not stored (hint: STORAGE_ENABLED=true, STORAGE_PROVIDER=local, s3 or r2)"
                .to_owned(),
        );
    }
    let Some(object_store) = &storage.object_store else {
        let check = compose::check_local_store(settings).await.map_err(chain)?;
        return Ok(checked_local(check).of(settings));
    };
    let provider = if object_store.is_r2 { "r2" } else { "s3" };
    let checks = compose::check_object_store(settings).await.map_err(|error| support::error_chain(&error))?;
    Ok(checked(provider, &checks))
}

fn checked_local(LocalCheck { is_there, problem }: LocalCheck) -> Shown {
    if is_there {
        return checked("local", &[StoreCheck { what: "put", is_needed: true, problem }]);
    }
    let mut shown = checked("local", &[]);
    shown.text = "no store yet: the service makes it at its start, with the rights of its user\n".to_owned();
    shown
}

fn checked(provider: &str, checks: &[StoreCheck]) -> Shown {
    let is_good = checks.iter().all(|check| check.problem.is_none() || !check.is_needed);
    let line = |check: &StoreCheck| match &check.problem {
        None => format!("{:7} works\n", check.what),
        Some(problem) if check.is_needed => format!("{:7} FAILED: {problem}\n", check.what),
        Some(problem) => format!("{:7} failed, so old files are not removed: {problem}\n", check.what),
    };
    let end = if is_good { "files can be stored" } else { "files cannot be stored" };
    let list = checks.iter().map(|check| {
        let StoreCheck { what, is_needed, problem } = check;
        json!({"what": what, "needed": is_needed, "works": problem.is_none(), "problem": problem})
    });
    Shown {
        text: format!("{}{end} ({provider})\n", checks.iter().map(line).collect::<String>()),
        json: json!({"provider": provider, "works": is_good, "checks": list.collect::<Vec<_>>()}),
        is_good,
    }
}

fn status(waiting: SpoolStatus) -> Shown {
    let (files, bytes) = (waiting.files, support::counted(waiting.bytes, "byte"));
    let mut text = match (files, age_s(&waiting)) {
        (0, _) => "files that wait: 0\n".to_owned(),
        (_, Some(age_s)) => format!("files that wait: {files} ({bytes}), the oldest for {age_s} s\n"),
        // The time of its file is none.
        (_, None) => format!("files that wait: {files} ({bytes})\n"),
    };
    text.push_str(&damaged(&waiting));
    Shown { text, json: shown(&waiting), is_good: true }
}

/// A line about files with a damaged record, if there are any.
fn damaged(waiting: &SpoolStatus) -> String {
    match waiting.damaged {
        0 => String::new(),
        damaged => format!(
            "files that cannot be moved, as their records are damaged: {damaged}; they exist only on this host, until \
             their links expire\n"
        ),
    }
}

/// Seconds since the oldest file was stored; `None` if none waits.
fn age_s(waiting: &SpoolStatus) -> Option<i64> {
    let since = waiting.oldest_since.filter(|_| waiting.files > 0)?;
    Some(jiff::Timestamp::now().duration_since(since).as_secs().max(0))
}

fn shown(waiting: &SpoolStatus) -> Value {
    let since = waiting.oldest_since.map(|since| since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    json!({
        "files": waiting.files,
        "bytes": waiting.bytes,
        "oldest_since": since,
        "oldest_age_s": age_s(waiting),
        "damaged": waiting.damaged,
    })
}

async fn flush(settings: &Settings) -> Result<Shown, String> {
    let flushed = compose::flush_spool(settings).await.map_err(chain)?;
    let flushed =
        flushed.ok_or("there is no object store to move files to (hint: STORAGE_PROVIDER=s3 or r2)")?;
    Ok(moved(&flushed).of(settings))
}

fn moved(flushed: &Flushed) -> Shown {
    let Flushed { moved, expired, failed, waiting, problem } = flushed;
    let mut text = format!("files moved: {moved}\n");
    if *expired > 0 {
        text.push_str(&format!("files removed, as their links had expired: {expired}\n"));
    }
    if let Some(problem) = problem {
        text.push_str(&format!("the object store cannot be used: {problem}\n"));
    }
    if waiting.files > 0 {
        let (files, bytes) = (waiting.files, support::counted(waiting.bytes, "byte"));
        let why = match (problem, failed) {
            (Some(_), _) => "",
            (None, 0) => ": another process is moving them, or they were stored meanwhile",
            (None, _) => ": the object store did not take some of them, see the log above",
        };
        text.push_str(&format!("files that still wait: {files} ({bytes}){why}\n"));
    }
    text.push_str(&damaged(waiting));
    let json = json!({
        "moved": moved,
        "expired": expired,
        "failed": failed,
        "waiting": shown(waiting),
        "problem": problem,
    });
    Shown { text, json, is_good: waiting.files == 0 && waiting.damaged == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_cleaning_needs_is_no_failure() {
        let check = |what, is_needed, problem: Option<&str>| StoreCheck {
            what,
            is_needed,
            problem: problem.map(str::to_owned),
        };
        let good = checked("s3", &[check("put", true, None), check("delete", false, Some("no right"))]);
        assert!(
            good.is_good && good.text.contains("delete  failed, so old files are not removed: no right\n")
        );
        assert_eq!((&good.json["works"], &good.json["checks"][1]["works"]), (&json!(true), &json!(false)));
        let bad = checked("r2", &[check("put", true, Some("STORAGE_R2_BUCKET"))]);
        assert!(!bad.is_good && bad.text.contains("FAILED: STORAGE_R2_BUCKET"));
        assert!(bad.text.ends_with("files cannot be stored (r2)\n"), "{}", bad.text);
    }

    #[test]
    fn files_that_wait_are_shown_also_without_the_time() {
        let waiting = SpoolStatus { files: 2, bytes: 7, ..SpoolStatus::default() };
        assert_eq!(status(waiting).text, "files that wait: 2 (7 bytes)\n");
        assert_eq!(status(SpoolStatus::default()).text, "files that wait: 0\n");
    }

    #[test]
    fn a_flush_says_what_still_waits_and_why() {
        let flushed = |waiting, failed, problem: Option<&str>| Flushed {
            moved: 2,
            expired: 0,
            failed,
            waiting: SpoolStatus { files: waiting, bytes: 7, oldest_since: None, damaged: 0 },
            problem: problem.map(str::to_owned),
        };
        let all = moved(&flushed(0, 0, None));
        assert_eq!((all.is_good, all.text.as_str()), (true, "files moved: 2\n"));
        let others = moved(&flushed(1, 0, None));
        assert!(!others.is_good && others.text.contains("another process"), "{}", others.text);
        let away = moved(&flushed(1, 0, Some("no connection")));
        assert!(
            !away.is_good && away.text.contains("cannot be used: no connection\nfiles that still wait: 1 "),
            "{}",
            away.text
        );
        assert_eq!(away.json["waiting"]["files"], 1);
        // What cannot be moved is lost with this host.
        let mut damaged = flushed(0, 0, None);
        damaged.waiting.damaged = 3;
        for shown in [moved(&damaged), status(damaged.waiting)] {
            assert!(shown.text.contains("records are damaged: 3;"), "{}", shown.text);
        }
        assert!(!moved(&damaged).is_good);
        assert_eq!(moved(&damaged).json["waiting"]["damaged"], 3);
    }
}
