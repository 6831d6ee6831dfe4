//! The log of a service: an observer of its executions, and the thread that writes.

use crate::Target;
use crate::entry::{Entry, Execution, KeyEvent};
use crate::file::{LogFile, OpenError};
use crate::queue::{self, Lines, Message, Next, Queue};
use jiff::Timestamp;
use service::{ExecutionRecord, Observer};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What `/health` says while lines are lost. It is open to everyone, so it has no path.
const PROBLEM: &str = "the audit log cannot be written";

/// How often a log that could not be written is tried without a line, and how long none may be lost until it counts as
/// written again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two tries to put a flush into a full queue.
const FLUSH_INTERVAL: Duration = Duration::from_millis(10);

/// How the log is written.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to.
    pub target: Target,
    /// With the text of each program and its output.
    pub programs: bool,
    /// The service's version.
    pub version: &'static str,
}

/// Lines so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Written.
    pub written: u64,
    /// Lost: they could not be written, or the queue was full.
    pub lost: u64,
    /// Whether lines are being lost.
    pub is_failing: bool,
}

/// See the module.
#[derive(Debug)]
pub struct AuditLog {
    queue: Queue,
    programs: bool,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    written: AtomicU64,
    lost: AtomicU64,
    lost_at: Mutex<Option<Instant>>,
    is_failing: AtomicBool,
}

impl AuditLog {
    /// Opens the log and starts its thread.
    ///
    /// # Errors
    /// [`OpenError`]: it could not be written at all.
    pub fn start(config: Config) -> Result<Arc<Self>, OpenError> {
        let mut output = Output::open(&config.target, rustix::process::geteuid().as_raw())?;
        output.write(&Entry::Started { version: config.version }.into_line(Timestamp::now()))?;
        let (queue, lines) = queue::queue();
        let shared = Arc::new(Shared { written: AtomicU64::new(1), ..Shared::default() });
        let writer = Writer { output, shared: Arc::clone(&shared), told: 0 };
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&lines));
        if let (Err(source), Target::File(path)) = (thread, &config.target) {
            return Err(OpenError::Io { path: path.clone(), source });
        }
        Ok(Arc::new(Self { queue, programs: config.programs, shared }))
    }

    /// Lines so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Shared { written, lost, is_failing, .. } = &*self.shared;
        Counts {
            written: written.load(Ordering::Relaxed),
            lost: lost.load(Ordering::Relaxed),
            is_failing: is_failing.load(Ordering::Relaxed),
        }
    }

    fn put(&self, entry: Entry) {
        if !self.queue.put(entry) {
            self.shared.lose("the queue is full: the disk does not keep up");
        }
    }

    /// Notes that the service stops, and waits until everything is written, at most `time_max`. `false`: it was not.
    /// Blocks.
    #[must_use]
    pub fn finish(&self, time_max: Duration) -> bool {
        self.put(Entry::Stopped);
        let deadline = Instant::now() + time_max;
        let (echo, written) = channel();
        while !self.queue.put_flush(echo.clone()) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(FLUSH_INTERVAL);
        }
        drop(echo);
        written.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
    }
}

impl Observer for AuditLog {
    fn execution(&self, record: &ExecutionRecord<'_>) {
        self.put(Entry::Execution(Box::new(Execution::of(record, self.programs))));
    }

    fn problem(&self) -> Option<&'static str> {
        self.counts().is_failing.then_some(PROBLEM)
    }
}

impl Shared {
    /// A line is lost. The service's log has one line when that begins.
    fn lose(&self, reason: &str) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        *support::lock(&self.lost_at) = Some(Instant::now());
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                reason,
                "the audit log cannot be written: executions go on, and their lines are lost"
            );
        }
    }

    /// The log can be written. It counts as failing until no line was lost for a while.
    fn settle(&self) {
        let recently = support::lock(&self.lost_at).is_some_and(|at| at.elapsed() < RETRY_INTERVAL);
        if !recently && self.is_failing.swap(false, Ordering::Relaxed) {
            let lost = self.lost.load(Ordering::Relaxed);
            tracing::warn!(
                lost,
                "the audit log is written again; `lost` is the number of lines lost since the start"
            );
        }
    }
}

/// The thread.
struct Writer {
    output: Output,
    shared: Arc<Shared>,
    /// Lost lines that the log tells of.
    told: u64,
}

impl Writer {
    fn run(mut self, lines: &Lines) {
        loop {
            let is_failing = self.shared.is_failing.load(Ordering::Relaxed);
            match lines.next(is_failing.then_some(RETRY_INTERVAL)) {
                Next::Message(Message::Line(time, entry)) => self.write(&entry.into_line(time)),
                // Whoever asked may have gone.
                Next::Message(Message::Flush(echo)) => echo.send(()).unwrap_or_default(),
                Next::Timeout => self.retry(),
                Next::Closed => return,
            }
        }
    }

    /// Writes the line that stands in a gap, if there is one. Not together with the line behind it: the disk may have space
    /// for this one alone, and then another one would tell of the same gap again.
    fn write_gap(&mut self) -> Result<(), OpenError> {
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let lines = lost - self.told;
        if lines > 0 {
            self.output.write(&Entry::Lost { lines }.into_line(Timestamp::now()))?;
            self.told = lost;
        }
        Ok(())
    }

    fn write(&mut self, line: &str) {
        match self.write_gap().and_then(|()| self.output.write(line)) {
            Ok(()) => {
                self.shared.written.fetch_add(1, Ordering::Relaxed);
                self.shared.settle();
            }
            Err(error) => self.shared.lose(&error.to_string()),
        }
    }

    /// Without a line to write, so that the end of a failure is noticed, and its gap written.
    fn retry(&mut self) {
        if self.write_gap().is_ok() {
            self.shared.settle();
        }
    }
}

/// The open target.
#[derive(Debug)]
enum Output {
    Stderr,
    File(LogFile),
}

impl Output {
    fn open(target: &Target, owner: u32) -> Result<Self, OpenError> {
        Ok(match target {
            Target::Stderr => Self::Stderr,
            Target::File(path) => Self::File(LogFile::open(path, owner)?),
        })
    }

    fn write(&mut self, line: &str) -> Result<(), OpenError> {
        match self {
            Self::Stderr => io::stderr().lock().write_all(line.as_bytes()).map_err(|source| {
                let path = "standard error".into();
                OpenError::Io { path, source }
            }),
            Self::File(file) => file.write(line),
        }
    }
}

/// Adds the change of a key to a file, from a process that is not the service. If root makes the file, it gets this
/// owner.
///
/// # Errors
/// [`OpenError`]: the line was not written.
pub fn append(path: &Path, owner: u32, event: KeyEvent) -> Result<(), OpenError> {
    let mut file = LogFile::open(path, owner)?;
    file.write(&Entry::Key(event).into_line(Timestamp::now()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Waits until it is so, within a bound.
    fn wait_until(mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_so() {
            assert!(Instant::now() < deadline, "it never became so");
            thread::sleep(FLUSH_INTERVAL);
        }
    }

    fn start(path: &Path) -> Arc<AuditLog> {
        let target = Target::File(path.to_owned());
        AuditLog::start(Config { target, programs: false, version: "1" }).unwrap()
    }

    fn events(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let event = |line: &str| {
            let json: serde_json::Value = serde_json::from_str(line).expect("JSON");
            json["event"].as_str().expect("an event").to_owned()
        };
        text.lines().map(event).collect()
    }

    #[test]
    fn what_was_put_is_written_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        let log = start(&path);
        for _ in 0..100 {
            log.put(Entry::Lost { lines: 1 });
        }
        assert!(log.finish(Duration::from_secs(30)));
        assert_eq!(log.counts(), Counts { written: 102, lost: 0, is_failing: false });
        assert_eq!(events(&path).len(), 102);
        assert_eq!(events(&path).last().map(String::as_str), Some("stopped"));
    }

    /// The file's directory goes away, as a disk that is unmounted, and comes back.
    #[test]
    fn a_log_that_cannot_be_written_loses_lines_says_so_and_recovers_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let (there, gone) = (dir.path().join("there"), dir.path().join("gone"));
        fs::create_dir(&there).unwrap();
        let path = there.join("audit.log");
        let log = start(&path);
        fs::rename(&there, &gone).unwrap();
        for _ in 0..3 {
            log.put(Entry::Stopped);
        }
        wait_until(|| log.counts().lost == 3);
        assert_eq!((log.counts().written, log.problem()), (1, Some(PROBLEM)));
        fs::rename(&gone, &there).unwrap();
        wait_until(|| log.problem().is_none());
        log.put(Entry::Stopped);
        assert!(log.finish(Duration::from_secs(30)));
        assert_eq!(events(&path), ["started", "lost", "stopped", "stopped"]);
        assert!(fs::read_to_string(&path).unwrap().contains("\"lines\":3"));
        assert_eq!(log.counts().lost, 3);
    }

    /// As while the disk hangs.
    #[test]
    fn lines_that_find_the_queue_full_are_counted_and_nobody_waits_for_ever() {
        let (queue, _lines) = queue::queue();
        let log = AuditLog { queue, programs: false, shared: Arc::default() };
        for _ in 0..10_000 {
            log.put(Entry::Stopped);
        }
        let counts = log.counts();
        assert!(counts.lost > 1000 && counts.is_failing && counts.written == 0, "{counts:?}");
        assert_eq!(log.problem(), Some(PROBLEM));
        assert!(!log.finish(Duration::from_millis(50)));
        assert_eq!(log.counts().lost, counts.lost + 1, "the line of the stop");
    }

    #[test]
    fn a_file_that_cannot_be_used_stops_the_start() {
        let target = Target::File("/nonexistent/audit.log".into());
        let error = AuditLog::start(Config { target, programs: false, version: "1" }).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/audit.log"), "{error}");
    }

    /// Counts the events of the service's log.
    #[derive(Default)]
    struct Events(Arc<AtomicU64>);

    impl tracing::Subscriber for Events {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn a_failure_takes_one_line_of_the_service_log_and_its_end_another() {
        let (events, shared) = (Events::default(), Shared::default());
        let count = Arc::clone(&events.0);
        let counted = || count.load(Ordering::Relaxed);
        // With a single dispatcher `tracing` remembers of a line that another test logged without one that nobody wants it.
        let _second = tracing::Dispatch::new(Events::default());
        tracing::subscriber::with_default(events, || {
            for _ in 0..3 {
                shared.lose("a test");
            }
            assert_eq!(counted(), 1);
            *support::lock(&shared.lost_at) = None;
            for _ in 0..3 {
                shared.settle();
            }
            assert_eq!(counted(), 2);
        });
    }

    /// One line that is written among others that are lost ends no failure: `/health` and the log would change with each.
    #[test]
    fn a_failure_ends_when_no_line_was_lost_for_a_while() {
        let shared = Shared::default();
        shared.lose("a test");
        *support::lock(&shared.lost_at) = Some(Instant::now() + Duration::from_secs(3600));
        shared.settle();
        assert!(shared.is_failing.load(Ordering::Relaxed));
        *support::lock(&shared.lost_at) = Instant::now().checked_sub(RETRY_INTERVAL);
        shared.settle();
        assert!(!shared.is_failing.load(Ordering::Relaxed));
    }
}
