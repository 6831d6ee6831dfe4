//! Commands of the host that run Python, such as a plain process of the runtime's interpreter, and their
//! timing.

use super::case::{Program, Sample, Worker};
use super::error::CaseError;
use runtime::Runtime;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

/// Directories of a tree's shared libraries, including the interpreter's.
const LIBRARY_DIRS: [&str; 5] =
    ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib", "usr/local/lib"];

/// Prints the interpreter's version and the location of its modules.
const WHO: &str = "import sys, json; print('%d.%d.%d' % sys.version_info[:3]); print(json.__file__)";

/// `-I`: ignore the user's variables and directories. `-B`: write nothing into the runtime's tree.
pub(super) const FLAGS: [&str; 3] = ["-I", "-B", "-c"];

/// A command of the host that runs Python programs.
#[derive(Debug, Clone)]
pub(super) struct HostCommand {
    /// Program and arguments, without the code.
    words: Vec<OsString>,
    env: Vec<(String, OsString)>,
}

impl HostCommand {
    /// This command, with only these variables in its environment.
    pub(super) fn new(words: Vec<OsString>, env: Vec<(String, OsString)>) -> Self {
        Self { words, env }
    }

    /// The machine's own `python3`.
    pub(super) fn of_machine() -> Self {
        let path = ("PATH".to_owned(), std::env::var_os("PATH").unwrap_or_default());
        Self::new(["python3"].iter().chain(&FLAGS).map(OsString::from).collect(), vec![path])
    }

    /// Sets or replaces a variable.
    pub(super) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.into()));
    }

    fn start(&self, directory: &Path) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).env_clear().current_dir(directory);
        // Its own process group: Ctrl-C reaches only this process, so running commands end in order and
        // containers are removed.
        command.process_group(0);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn failed(&self, source: std::io::Error) -> CaseError {
        CaseError::Start { program: self.words[0].to_string_lossy().into_owned(), source }
    }

    /// Starts a program with arguments in `directory`, with pipes for its input and output. Its
    /// standard error is shown, since nothing else would tell why it ended.
    pub(super) fn spawn(&self, arguments: &[String], directory: &Path) -> Result<Child, CaseError> {
        let mut command = self.start(directory);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().map_err(|source| self.failed(source))
    }

    /// Runs one program in `directory`, returns its success, stdout and stderr.
    pub(super) fn run(&self, code: &str, directory: &Path) -> Result<(bool, String, String), CaseError> {
        let output = self
            .start(directory)
            .arg(code)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| self.failed(source))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((output.status.success(), text(output.stdout), text(output.stderr)))
    }
}

/// The interpreter that runs as a plain process.
#[derive(Debug)]
pub(super) struct HostPython {
    /// How to run it.
    pub(super) command: HostCommand,
    /// Its description for the report.
    pub(super) which: String,
}

impl HostPython {
    /// The runtime's own interpreter with its own tree if that works outside of its root, else the machine's.
    ///
    /// # Errors
    /// If there is neither.
    pub(super) fn find(runtime: &Runtime) -> Result<Self, CaseError> {
        let directory = std::env::temp_dir();
        let own = Self::of_runtime(runtime);
        if let Ok((true, who, _)) = own.run(WHO, &directory)
            && let Some((version, module)) = who.split_once('\n')
            && Path::new(module).starts_with(&runtime.rootfs)
        {
            return Ok(Self {
                command: own,
                which: format!("{version}, the runtime's own, from its own tree"),
            });
        }
        let command = HostCommand::of_machine();
        let (_, who, _) = command.run(WHO, &directory)?;
        let version = who.lines().next().unwrap_or("of unknown version").to_owned();
        let which = format!("{version}, the machine's python3: the runtime's does not run outside its root");
        Ok(Self { command, which })
    }

    fn of_runtime(runtime: &Runtime) -> HostCommand {
        let inside = |path: &str| runtime.rootfs.join(path.trim_start_matches('/'));
        let libraries = LIBRARY_DIRS.map(inside);
        let libraries =
            std::env::join_paths(libraries.iter().filter(|path| path.is_dir())).unwrap_or_default();
        let mut env: Vec<(String, OsString)> =
            runtime.env.iter().map(|(name, value)| (name.clone(), value.into())).collect();
        env.push(("LD_LIBRARY_PATH".to_owned(), libraries));
        let mut words = vec![inside(&runtime.interpreter).into_os_string()];
        words.extend(FLAGS.map(OsString::from));
        HostCommand { words, env }
    }
}

/// Runs a program with a command of the host.
#[derive(Debug)]
pub(super) struct HostWorker {
    command: HostCommand,
    program: &'static Program,
    directory: Arc<TempDir>,
}

impl HostWorker {
    /// `directory` is for the program's files.
    pub(super) fn new(command: &HostCommand, program: &'static Program, directory: &Arc<TempDir>) -> Self {
        Self { command: command.clone(), program, directory: Arc::clone(directory) }
    }
}

impl Worker for HostWorker {
    fn sample(&mut self) -> Result<Sample, CaseError> {
        let begun = Instant::now();
        let (success, stdout, stderr) = self.command.run(self.program.code, self.directory.path())?;
        let duration = begun.elapsed();
        self.program.check(success, &stdout, &stderr)?;
        Ok(Sample::plain(duration))
    }
}
