//! The floor: bare forks of the same interpreter, and a program inside a warm one.
//!
//! A process imports what a template imports and then forks as often as requested; it measures the times
//! itself, so that neither this process nor the pipe to it count. Whatever a sandbox costs beyond that is the
//! cost of isolation.

use super::case::{Case, Program, Sample, Turn};
use super::error::{CaseError, beginning};
use super::host::HostCommand;
use async_trait::async_trait;
use runtime::Runtime;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The program of the process.
const FLOOR: &str = include_str!("programs/floor.py");
/// The modules of the data template besides the common ones: the setting's default.
pub(super) const DATA_MODULES: [&str; 5] = ["numpy", "pandas", "openpyxl", "xlsxwriter", "matplotlib.pyplot"];
/// Variables that limit numeric libraries to the number of threads that they have in a sandbox with one CPU.
const ONE_THREAD: [&str; 4] =
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"];
/// Variables that name a directory where packages may write.
const DIRECTORIES: [&str; 4] = ["HOME", "TMPDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"];
/// matplotlib's prepared font cache in the runtime; building one takes seconds.
const FONT_CACHE: &str = "usr/share/python-sandbox/skel/.matplotlib";

/// How to start a process that forks.
#[derive(Debug)]
pub(super) struct FloorSpec {
    command: HostCommand,
    /// The program, its memory mode, and the modules to import.
    arguments: Vec<String>,
    directory: Arc<TempDir>,
}

impl FloorSpec {
    /// With the modules of every template and `more`. `compact` does the same to memory as the sandbox's
    /// templates.
    pub(super) fn new(
        command: &HostCommand,
        runtime: &Runtime,
        more: &[&str],
        compact: bool,
        directory: &Arc<TempDir>,
    ) -> Self {
        let path = directory.path();
        let mut command = command.clone();
        DIRECTORIES.iter().for_each(|name| command.set(name, path));
        ONE_THREAD.iter().for_each(|name| command.set(name, "1"));
        copy_files(&runtime.rootfs.join(FONT_CACHE), path);
        let memory = if compact { "compact" } else { "bare" };
        let modules = executor::COMMON.iter().chain(more);
        let arguments = [FLOOR, memory].into_iter().chain(modules.copied()).map(str::to_owned).collect();
        Self { command, arguments, directory: Arc::clone(directory) }
    }
}

/// Copies the files of a directory as far as possible: without them only the start is slower.
fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
        let _ = std::fs::copy(entry.path(), to.join(entry.file_name()));
    }
}

/// The process. Dropping it ends it.
#[derive(Debug)]
struct FloorProcess {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl FloorProcess {
    fn start(spec: &FloorSpec) -> Result<Self, CaseError> {
        let mut child = spec.command.spawn(&spec.arguments, spec.directory.path())?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(CaseError::Floor("no pipes to its process".to_owned()));
        };
        let mut process = Self { child, stdin, stdout: BufReader::new(stdout) };
        match process.line()?.trim() {
            "ready" => Ok(process),
            other => Err(CaseError::Floor(format!("unexpected output {:?}", beginning(other)))),
        }
    }

    fn ask(&mut self, wanted: &serde_json::Value) -> Result<(), CaseError> {
        let failed = |error: std::io::Error| CaseError::Floor(error.to_string());
        self.stdin.write_all(format!("{wanted}\n").as_bytes()).map_err(failed)
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<T, CaseError> {
        let line = self.line()?;
        serde_json::from_str(&line).map_err(|error| CaseError::Floor(format!("{error} in {line:?}")))
    }

    fn line(&mut self) -> Result<String, CaseError> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line) {
            Ok(0) => Err(CaseError::Floor("its process ended".to_owned())),
            Ok(_) => Ok(line),
            Err(error) => Err(CaseError::Floor(error.to_string())),
        }
    }
}

impl Drop for FloorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes that the first turn starts: a run without this case does not pay for them.
#[derive(Debug)]
struct Processes {
    spec: Arc<FloorSpec>,
    count: usize,
    started: Vec<FloorProcess>,
}

impl Processes {
    fn get(&mut self) -> Result<&mut [FloorProcess], CaseError> {
        while self.started.len() < self.count {
            self.started.push(FloorProcess::start(&self.spec)?);
        }
        Ok(&mut self.started)
    }
}

/// Fork, exit and wait, in one process or in several concurrently.
#[derive(Debug)]
pub(super) struct Forks {
    processes: Processes,
    each: usize,
}

impl Forks {
    /// `each` forks in each of `count` processes per turn.
    pub(super) fn new(spec: &Arc<FloorSpec>, count: usize, each: usize) -> Self {
        Self { processes: Processes { spec: Arc::clone(spec), count, started: Vec::new() }, each }
    }
}

#[async_trait]
impl Case for Forks {
    async fn turn(&mut self) -> Result<Turn, CaseError> {
        let (wanted, alone) = (json!(self.each), self.each == 1 && self.processes.count == 1);
        let processes = self.processes.get()?;
        let begun = Instant::now();
        for process in processes.iter_mut() {
            process.ask(&wanted)?;
        }
        let mut samples = Vec::new();
        for process in processes {
            let times: Vec<u64> = process.answer()?;
            samples.extend(times.into_iter().map(|nanos| Sample::plain(Duration::from_nanos(nanos))));
        }
        let elapsed = begun.elapsed();
        match samples.pop() {
            // The communication with the process does not count.
            Some(sample) if alone => Ok(Turn::of(sample)),
            Some(sample) => {
                samples.push(sample);
                Ok(Turn { samples, elapsed })
            }
            None => Err(CaseError::Floor("it took no time".to_owned())),
        }
    }
}

/// A program's own time in a fork of an interpreter that has imported its modules; the fork does not count.
#[derive(Debug)]
pub(super) struct Warm {
    processes: Processes,
    program: &'static Program,
}

impl Warm {
    /// Runs `program`.
    pub(super) fn new(spec: &Arc<FloorSpec>, program: &'static Program) -> Self {
        Self { processes: Processes { spec: Arc::clone(spec), count: 1, started: Vec::new() }, program }
    }
}

#[async_trait]
impl Case for Warm {
    async fn turn(&mut self) -> Result<Turn, CaseError> {
        let Some(process) = self.processes.get()?.first_mut() else {
            return Err(CaseError::Floor("there is no process".to_owned()));
        };
        process.ask(&json!(self.program.code))?;
        let Some((nanos, stdout)) = process.answer::<Option<(u64, String)>>()? else {
            return Err(CaseError::Floor("the program failed".to_owned()));
        };
        self.program.check(true, &stdout, "")?;
        Ok(Turn::of(Sample::plain(Duration::from_nanos(nanos))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::PRINT;

    /// The machine's own interpreter: the test covers the communication with it.
    fn spec(modules: &[&str]) -> Arc<FloorSpec> {
        let directory = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let command = HostCommand::of_machine();
        let arguments = [FLOOR, "compact"].iter().chain(modules).map(|text| (*text).to_owned()).collect();
        Arc::new(FloorSpec { command, arguments, directory })
    }

    #[tokio::test]
    async fn forks_are_counted_and_a_program_is_timed_without_its_fork() {
        let spec = spec(&["json"]);
        let turn = Forks::new(&spec, 2, 3).turn().await.expect("it forks");
        assert_eq!(turn.samples.len(), 6);
        let turn = Forks::new(&spec, 1, 1).turn().await.expect("it forks");
        assert_eq!((turn.samples.len(), turn.elapsed), (1, turn.samples[0].duration));
        assert_eq!(Warm::new(&spec, &PRINT).turn().await.expect("it prints").samples.len(), 1);
    }

    #[tokio::test]
    async fn a_process_that_cannot_import_is_an_error_and_a_failed_program_too() {
        static FAILING: Program = Program { code: "1 / 0", imports: &[], stdout: "" };
        assert!(Forks::new(&spec(&["no_such_module"]), 1, 1).turn().await.is_err());
        assert!(Warm::new(&spec(&[]), &FAILING).turn().await.is_err());
    }
}
