//! A program of others that a test starts beside the service.

use super::launch::Guard;
use super::wait_until;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longest time until it is ready.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// A running tool, with a directory of its own. Dropping it kills it, and removes the directory.
#[derive(Debug)]
pub struct Tool {
    child: Child,
    log: PathBuf,
    guard: Guard,
    _dir: tempfile::TempDir,
}

impl Tool {
    /// Starts it; what it writes is its log, in `dir`. Returns once `is_ready` finds in the log what it looks for, with
    /// that.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start<T>(
        dir: tempfile::TempDir,
        command: &mut Command,
        is_ready: impl Fn(&str) -> Option<T>,
    ) -> (Self, T) {
        let log = dir.path().join("log");
        let file = File::create(&log).expect("the log opens");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a descriptor")).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let guard = Guard::over(child.id(), dir.path());
        let mut tool = Self { child, log, guard, _dir: dir };
        let mut found = None;
        wait_until(START_TIME_MAX * testkit::patience(), || {
            found = is_ready(&tool.log());
            found.is_some() || tool.child.try_wait().is_ok_and(|ended| ended.is_some())
        });
        let found = found.unwrap_or_else(|| panic!("{command:?} did not start:\n{}", tool.log()));
        (tool, found)
    }

    /// Everything that it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.guard.dismiss();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program `name` in the directory that the variable names, as `make test` sets it, or else in PATH.
pub fn find(variable: &str, name: &str) -> Option<PathBuf> {
    let given = std::env::var_os(variable).map(|directory| vec![PathBuf::from(directory)]);
    let directories = given
        .unwrap_or_else(|| std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect());
    directories.iter().map(|directory| directory.join(name)).find(|path| is_file(path))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file())
}
