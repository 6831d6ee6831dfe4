//! One line on standard error that shows what a long command does, and for how long. Only on a terminal.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(200);
const FRAMES: [char; 4] = ['|', '/', '-', '\\'];

/// Control sequences (ECMA-48, DEC private mode 7): to the start of the line and clear it; cut what is wider
/// than the terminal instead of wrapping it, and wrap again.
const CLEAR: &str = "\r\x1b[K";
const CUT: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

enum Change {
    /// The new text of the line.
    Text(String),
    /// A line that stays, above.
    Above(String),
}

/// The line; gone when this is dropped.
#[derive(Debug)]
pub struct Progress {
    /// `None` without a terminal.
    drawer: Option<(Sender<Change>, JoinHandle<()>)>,
}

impl Progress {
    /// Shows an empty line, unless standard error is not a terminal or one without control sequences
    /// (`TERM=dumb`, or unset).
    #[must_use]
    pub fn start() -> Self {
        let capable = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
        let shown = capable && std::io::stderr().is_terminal();
        Self { drawer: shown.then(|| draw_in_background(std::io::stderr())) }
    }

    /// Whether nothing is shown: then print messages instead.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.drawer.is_none()
    }

    /// Replaces the text.
    pub fn set(&self, text: &str) {
        self.send(Change::Text(text.to_owned()));
    }

    /// Prints a line above, which stays.
    pub fn print_above(&self, text: &str) {
        self.send(Change::Above(text.to_owned()));
    }

    fn send(&self, change: Change) {
        if let Some((changes, _)) = &self.drawer {
            let _ = changes.send(change);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((changes, thread)) = self.drawer.take() {
            // The thread ends when nothing can come any more.
            drop(changes);
            let _ = thread.join();
        }
    }
}

fn draw_in_background(mut to: impl Write + Send + 'static) -> (Sender<Change>, JoinHandle<()>) {
    let (sender, changes) = channel();
    let thread = std::thread::spawn(move || {
        let (start, mut text) = (Instant::now(), String::new());
        for frame in FRAMES.into_iter().cycle() {
            let seconds = start.elapsed().as_secs();
            // One write for each frame, so that a signal leaves no half of one.
            let _ = to.write_all(format!("{CLEAR}{CUT}{frame} {seconds} s  {text}{WRAP}").as_bytes());
            match changes.recv_timeout(FRAME) {
                Ok(Change::Text(new)) => text = new,
                Ok(Change::Above(line)) => drop(to.write_all(format!("{CLEAR}{line}\n").as_bytes())),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let _ = to.write_all(CLEAR.as_bytes());
    });
    (sender, thread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_line_is_replaced_lines_above_stay_and_nothing_of_it_is_left() {
        let screen = Screen::default();
        let progress = Progress { drawer: Some(draw_in_background(screen.clone())) };
        assert!(!progress.is_hidden());
        progress.set("first");
        progress.print_above("stays");
        progress.set("second");
        drop(progress);
        let shown = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        let place = |part: &str| shown.find(part).unwrap_or_else(|| panic!("{part:?} is not in {shown:?}"));
        assert!(place("first\x1b[?7h") < place("\r\x1b[Kstays\n"), "{shown:?}");
        assert!(place("stays") < place("second"), "{shown:?}");
        assert!(shown.ends_with("second\x1b[?7h\r\x1b[K"), "{shown:?}");
    }
}
