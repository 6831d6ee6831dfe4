//! What the sandbox is compared with: a plain process of the same interpreter, and the same in bubblewrap.

use super::case::{CaseError, Program, Sample, Worker};
use runtime::Runtime;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

/// Where a tree keeps its shared libraries, the interpreter's own among them.
const LIBRARY_DIRS: [&str; 5] =
    ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib", "usr/local/lib"];

/// Says where the interpreter's modules come from and which version it is.
const WHO: &str = "import sys, json; print('%d.%d.%d' % sys.version_info[:3]); print(json.__file__)";

/// `-I`: no variable and no directory of the user's counts. `-B`: nothing is written into the runtime's tree.
const FLAGS: [&str; 3] = ["-I", "-B", "-c"];

/// A command of the host that runs Python programs.
#[derive(Debug, Clone)]
pub(super) struct HostCommand {
    /// Program and arguments; the code follows.
    words: Vec<OsString>,
    env: Vec<(String, OsString)>,
}

impl HostCommand {
    /// Runs one program in `directory`, gives its success, stdout and stderr.
    fn run(&self, code: &str, directory: &Path) -> Result<(bool, String, String), CaseError> {
        let name = &self.words[0];
        let output = Command::new(name)
            .args(&self.words[1..])
            .arg(code)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(directory)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| CaseError::Start { program: name.to_string_lossy().into_owned(), source })?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((output.status.success(), text(output.stdout), text(output.stderr)))
    }
}

/// The interpreter that runs as a plain process.
#[derive(Debug)]
pub(super) struct HostPython {
    /// How to run it.
    pub(super) command: HostCommand,
    /// Which one it is, for the report.
    pub(super) which: String,
}

impl HostPython {
    /// The runtime's own interpreter with its own tree if it runs outside of its root, else the machine's.
    ///
    /// # Errors
    /// When there is neither.
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
        let path = ("PATH".to_owned(), std::env::var_os("PATH").unwrap_or_default());
        let words = ["python3"].iter().chain(&FLAGS).map(OsString::from).collect();
        let command = HostCommand { words, env: vec![path] };
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

/// Bubblewrap: namespaces and mounts like ours, but no seccomp filter, control group, landlock or protocol.
#[derive(Debug)]
pub(super) struct Bubblewrap {
    /// How to run a program in it.
    pub(super) command: HostCommand,
    /// What `bwrap --version` says.
    pub(super) version: String,
}

impl Bubblewrap {
    /// Finds it on the `PATH`, with the runtime's tree as the root of its sandbox.
    ///
    /// # Errors
    /// When it is not there.
    pub(super) fn find(runtime: &Runtime) -> Result<Self, CaseError> {
        let program = find_program("bwrap");
        let asked = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
        let output = asked.map_err(|source| CaseError::Start { program: "bwrap".to_owned(), source })?;
        let version = String::from_utf8_lossy(&output.stdout).trim().replace("bubblewrap ", "");

        let mut words: Vec<OsString> =
            vec![program.into(), "--unshare-all".into(), "--die-with-parent".into()];
        words.extend(["--ro-bind".into(), runtime.rootfs.clone().into_os_string(), "/".into()]);
        words.extend(
            ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp"].map(OsString::from),
        );
        words.push(runtime.interpreter.clone().into());
        words.extend(FLAGS.map(OsString::from));
        let env = runtime.env.iter().map(|(name, value)| (name.clone(), value.into())).collect();
        Ok(Self { command: HostCommand { words, env }, version })
    }
}

/// A program's path: the sandboxed environment has a `PATH` of its own.
fn find_program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| PathBuf::from(name))
}

/// Runs a program with a command of the host.
#[derive(Debug)]
pub(super) struct HostWorker {
    command: HostCommand,
    program: &'static Program,
    directory: Arc<TempDir>,
}

impl HostWorker {
    /// `directory` is where the program leaves its files.
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
