//! The lines. Each text in them is printed by us, checked before, or escaped: none can end a line or hide a part of it.

use jiff::Timestamp;
use serde::Serialize;
use service::{ExecutionRecord, Phase, Principal, RecordEnd, TraceContext};
use std::sync::Arc;

/// Bytes of a program, and of each of its streams, that a line has at most: enough to recognize it, and a line stays
/// short enough for every collector of logs.
pub(crate) const TEXT_BYTES_MAX: usize = 16 * 1024;

/// What is written.
#[derive(Debug)]
pub(crate) enum Entry {
    /// The service starts.
    Started { version: &'static str },
    /// It stops in order.
    Stopped,
    /// An execution has ended.
    Execution(Box<Execution>),
    /// A key was changed.
    Key(KeyEvent),
    /// So many lines before this one were lost.
    Lost { lines: u64 },
}

/// A change of an API key.
#[derive(Debug, Clone, Serialize)]
pub struct KeyEvent {
    /// `created`, `rotated` or `revoked`.
    pub change: &'static str,
    /// Its id.
    pub key_id: String,
    /// Its name.
    pub key: String,
    /// The user of this host who changed it.
    pub uid: u32,
}

/// One execution. A field that does not apply is missing.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Execution {
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    caller: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executor: Option<&'static str>,
    attempts: u32,
    /// Made from `code` where the line is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    code_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_bytes: Option<usize>,
    stdin_bytes: u64,
    input_files: u64,
    input_bytes: u64,
    end: &'static str,
    outcome: &'static str,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Ended>,
    #[serde(flatten)]
    times: Times,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<Program>,
    #[serde(skip)]
    code: Option<Arc<str>>,
}

#[derive(Debug, Serialize)]
struct Limit {
    name: &'static str,
    value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
}

/// What a program with an answer used and left.
#[derive(Debug, Serialize)]
struct Ended {
    cpu_ms: f64,
    memory_peak_bytes: u64,
    stdout_bytes: u64,
    stderr_bytes: u64,
    output_files: usize,
    output_file_bytes: u64,
    skipped_files: u64,
}

/// Of the phases that were reached.
#[derive(Debug, Default, Serialize)]
struct Times {
    #[serde(skip_serializing_if = "Option::is_none")]
    validate_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    setup_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collect_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_ms: Option<f64>,
}

/// The texts, only where they are switched on.
#[derive(Debug, Default, Serialize)]
struct Program {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    stdout: String,
    stderr: String,
}

impl Execution {
    /// Copies what a line has of a record; the program's text and output only with `programs`.
    pub(crate) fn of(record: &ExecutionRecord<'_>, programs: bool) -> Self {
        let (context, command) = (record.context, record.command);
        let (caller, key) = match &context.principal {
            Principal::Key(key) => ("key", Some(key)),
            Principal::Operator => ("operator", None),
            _ => ("anonymous", None),
        };
        let mut line = Self {
            request_id: context.request_id.clone(),
            trace_id: context.trace.as_ref().map(TraceContext::trace_id_text),
            caller,
            key_id: key.map(|key| key.id.to_string()),
            key: key.map(|key| key.name.to_string()),
            client: context.client.map(|client| client.to_string()),
            executor: record.executor,
            attempts: record.attempts,
            code_bytes: command.code.as_ref().map(|code| code.len()),
            stdin_bytes: command.stdin_bytes,
            input_files: command.input_files,
            input_bytes: command.input_bytes,
            times: Times::of(record),
            program: programs
                .then(|| Program { code: command.code.as_deref().map(bounded), ..Program::default() }),
            code: command.code.clone(),
            ..Self::default()
        };
        match record.end {
            RecordEnd::Ended(execution) => line.ended(execution),
            RecordEnd::Refused(error) => (line.end, line.outcome) = ("refused", error.code()),
            // A later end of the service's is none of ours.
            _ => (line.end, line.outcome) = ("abandoned", "client_gone"),
        }
        line
    }

    fn ended(&mut self, execution: &service::Execution) {
        let verdict = &execution.verdict;
        (self.end, self.outcome, self.success) = ("ended", verdict.kind().as_str(), verdict.success());
        self.exit_code = Some(verdict.exit_code);
        let limit = verdict.limit;
        self.limit = limit.map(|hit| Limit { name: hit.limit.as_str(), value: hit.value, used: hit.used });
        let artifacts = &execution.artifacts;
        self.ended = Some(Ended {
            cpu_ms: support::milliseconds(execution.usage.cpu_time),
            memory_peak_bytes: execution.usage.memory_bytes_peak,
            stdout_bytes: execution.stdout.bytes,
            stderr_bytes: execution.stderr.bytes,
            output_files: artifacts.len(),
            output_file_bytes: artifacts.iter().map(|artifact| artifact.stored.size_bytes).sum(),
            skipped_files: execution.skipped.len() as u64 + execution.skipped_more,
        });
        if let Some(program) = &mut self.program {
            program.stdout = bounded(&execution.stdout.text);
            program.stderr = bounded(&execution.stderr.text);
        }
    }

    /// Bytes of memory that it holds, about.
    fn weight(&self) -> usize {
        let texts = self.program.as_ref().map_or(0, |program| {
            program.code.as_ref().map_or(0, String::len) + program.stdout.len() + program.stderr.len()
        });
        texts + self.code.as_ref().map_or(0, |code| code.len())
    }
}

impl Times {
    fn of(record: &ExecutionRecord<'_>) -> Self {
        let of = |phase: Phase| {
            let time = record.phases.iter().find(|time| time.phase == phase);
            time.map(|time| support::milliseconds(time.duration()))
        };
        Self {
            validate_ms: of(Phase::Validate),
            queue_ms: of(Phase::Queue),
            setup_ms: of(Phase::Setup),
            run_ms: of(Phase::Run),
            collect_ms: of(Phase::Collect),
            upload_ms: of(Phase::Upload),
        }
    }
}

fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

impl Entry {
    /// Bytes of memory that it holds, about.
    pub(crate) fn weight(&self) -> usize {
        const FIELDS: usize = 1024;
        FIELDS
            + match self {
                Self::Execution(execution) => execution.weight(),
                _ => 0,
            }
    }

    /// The line, with its end.
    pub(crate) fn into_line(self, time: Timestamp) -> String {
        #[derive(Serialize)]
        struct Line<T> {
            time: String,
            event: &'static str,
            #[serde(flatten)]
            of: T,
        }
        #[derive(Serialize)]
        struct Started {
            version: &'static str,
        }
        #[derive(Serialize)]
        struct Lost {
            lines: u64,
        }
        #[derive(Serialize)]
        struct Nothing {}
        fn text<T: Serialize>(time: Timestamp, event: &'static str, of: T) -> String {
            let time = time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
            // Numbers, texts and fixed names: there is always JSON for them.
            let json = serde_json::to_string(&Line { time, event, of }).unwrap_or_default();
            support::visible_json(&json) + "\n"
        }
        match self {
            Self::Started { version } => text(time, "started", Started { version }),
            Self::Stopped => text(time, "stopped", Nothing {}),
            Self::Execution(mut execution) => {
                execution.code_sha256 =
                    execution.code.as_ref().map(|code| support::sha256_hex(code.as_bytes()));
                text(time, "execution", execution)
            }
            Self::Key(event) => text(time, "key", event),
            Self::Lost { lines } => text(time, "lost", Lost { lines }),
        }
    }
}

#[cfg(test)]
impl Entry {
    /// An execution of this program.
    pub(crate) fn program_of(code: impl Into<Arc<str>>) -> Self {
        Self::Execution(Box::new(Execution { code: Some(code.into()), ..Execution::default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_a_line_or_hides_a_part_of_it() {
        let forged = "a\n{\"event\":\"execution\"}\u{1b}[2J\u{2028}\u{202e}\u{200b}\u{7f}";
        let event = KeyEvent { change: "created", key_id: "k".into(), key: forged.into(), uid: 0 };
        let line = Entry::Key(event).into_line(Timestamp::UNIX_EPOCH);
        let text = line.strip_suffix('\n').expect("its end");
        assert!(text.chars().all(support::is_visible), "{text}");
        let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(
            (json["key"].as_str(), json["time"].as_str()),
            (Some(forged), Some("1970-01-01T00:00:00.000Z"))
        );
    }

    /// Of the text as it was sent, with everything that a reader would not see.
    #[test]
    fn the_digest_is_that_of_the_whole_program() {
        for code in [
            "print(1)",
            "print(1)\n",
            "\u{feff}# \u{202e}\r\n\tprint('é')  \n",
            &"#\n".repeat(TEXT_BYTES_MAX),
        ] {
            let line = Entry::program_of(code).into_line(Timestamp::UNIX_EPOCH);
            let json: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(json["code_sha256"], support::sha256_hex(code.as_bytes()), "{code:?}");
            assert!(json.get("code").is_none() && json.get("program").is_none(), "{line}");
        }
    }

    #[test]
    fn a_text_is_bounded_at_a_character() {
        assert_eq!(bounded(&"é".repeat(TEXT_BYTES_MAX)).len(), TEXT_BYTES_MAX);
        assert_eq!(bounded(&format!("a{}", "é".repeat(TEXT_BYTES_MAX))).len(), TEXT_BYTES_MAX - 1);
    }
}
