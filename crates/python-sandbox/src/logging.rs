//! Log lines, to standard error, as text or JSON. Every line of a request has its `request_id`, because the
//! HTTP layer runs inside a span that has it. An event is always one line in which every character is
//! visible: no value that a client or a program sent can forge a line or reverse its text.

use crate::log_counts::LogCounts;
use settings::LogSettings;
use std::io::{self, IsTerminal, Write};
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

/// Starts the log of the service. Returns the counts of its lines.
pub(crate) fn start(settings: &LogSettings) -> LogCounts {
    let counts = LogCounts::default();
    start_at(settings, settings.level, counts.clone());
    log_panics();
    counts
}

/// Starts the log of a command whose output is its result: only warnings and errors, unless a more verbose
/// level is set.
pub(crate) fn start_quiet(settings: &LogSettings) {
    // Levels are ordered by verbosity: the default INFO becomes WARN; DEBUG and TRACE stay.
    let level = if settings.level == Level::INFO { Level::WARN } else { settings.level };
    start_at(settings, level, LogCounts::default());
}

/// A panic is a line as any other: as text on standard error it would break a log that is read as JSON.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic = panic.payload_as_str().unwrap_or("of another type"), at, "a thread panicked");
    }));
}

fn start_at(settings: &LogSettings, level: Level, counts: LogCounts) {
    let filter = filter(level);
    let colours = !settings.json && io::stderr().is_terminal();
    let base = fmt::layer().with_writer(move || Plain { colours });
    let lines = if settings.json {
        base.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    } else {
        base.with_ansi(colours).boxed()
    };
    // A second call does nothing: the first subscriber stays.
    let _ = registry().with(lines.and_then(counts).with_filter(filter)).try_init();
}

/// The lines that are written. Libraries below us are capped: what they say is about sockets, not about requests. A target
/// stands for all that begin with it.
fn filter(level: Level) -> Targets {
    let capped = |target, most: Level| (target, LevelFilter::from_level(level.min(most)));
    Targets::new().with_default(level).with_targets([
        // It warns of each frame that should not be there, so any client could write a line with each 17 bytes.
        ("h2", LevelFilter::OFF),
        capped("hickory", Level::WARN),
        capped("hyper", Level::INFO),
        capped("mio", Level::INFO),
        capped("rustls", Level::WARN),
        capped("tokio_rustls", Level::WARN),
    ])
}

/// Standard error, for whole events: the formatter writes each in one call.
#[derive(Debug)]
struct Plain {
    /// Lets the formatter's own escape sequences pass; it has already escaped those in values.
    colours: bool,
}

impl Write for Plain {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(plain(&String::from_utf8_lossy(event), self.colours).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// One line. Invisible characters are escaped as in JSON, `\u` and four digits, so that JSON stays valid.
fn plain(event: &str, colours: bool) -> String {
    let (text, end) = event.strip_suffix('\n').map_or((event, ""), |text| (text, "\n"));
    let mut line = String::with_capacity(event.len());
    for c in text.chars() {
        if support::is_visible(c) || (colours && c == '\u{1b}') {
            line.push(c);
        } else {
            line.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    line + end
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use tempfile::tempfile;

    #[test]
    fn no_client_writes_lines_through_a_library() {
        for level in [Level::INFO, Level::TRACE] {
            let filter = filter(level);
            for target in ["h2", "h2::proto", "h2::proto::ping_pong"] {
                assert!(!filter.would_enable(target, &Level::WARN), "{target} at {level}");
                assert!(!filter.would_enable(target, &Level::ERROR), "{target} at {level}");
            }
            for target in ["rustls::conn", "tokio_rustls", "hickory_proto::udp", "hickory_resolver"] {
                assert!(filter.would_enable(target, &Level::WARN), "{target} at {level}");
                assert!(!filter.would_enable(target, &Level::INFO), "{target} at {level}");
            }
            for target in ["hyper::proto", "hyper_util::client", "mio::poll"] {
                assert!(!filter.would_enable(target, &Level::DEBUG), "{target} at {level}");
            }
            assert!(filter.would_enable("python_sandbox", &level));
        }
        assert!(!filter(Level::ERROR).would_enable("hyper::proto", &Level::WARN));
    }

    #[test]
    fn a_warning_of_h2_is_not_written() {
        let mut written = tempfile().expect("a file");
        let writer = std::sync::Mutex::new(written.try_clone().expect("a second handle"));
        let lines = fmt::layer().with_writer(writer).with_filter(filter(Level::TRACE));
        tracing::subscriber::with_default(registry().with(lines), || {
            tracing::warn!(target: "h2::proto", "recv PING ack that we never sent");
            tracing::warn!(target: "api", "ours");
        });
        let mut text = String::new();
        io::Seek::rewind(&mut written).expect("a file");
        written.read_to_string(&mut text).expect("text");
        assert!(text.contains("ours") && !text.contains("PING"), "{text}");
    }

    #[test]
    fn an_event_is_one_line_that_hides_nothing() {
        let event = "INFO a=x\nERROR forged \u{202e}\u{200b}\u{e0041}\u{9b}m\n";
        let written = "INFO a=x\\u000aERROR forged \\u202e\\u200b\\udb40\\udc41\\u009bm\n";
        assert_eq!(plain(event, false), written);
        assert_eq!(plain("\u{1b}[2mx\n", true), "\u{1b}[2mx\n");
        assert_eq!(plain("\u{1b}[2mx", false), "\\u001b[2mx");
        assert_eq!(plain("naïve 文\n", false), "naïve 文\n");
        let json: serde_json::Value =
            serde_json::from_str(&plain("{\"a\": \"\u{e0041}\"}\n", false)).expect("JSON");
        assert_eq!(json["a"], "\u{e0041}");
    }
}
