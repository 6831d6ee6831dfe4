//! Starts the binary: settings, files, user, and the guard that ends it if the tests are killed.

use super::runtime_is_prepared;
use super::server::Server;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_python-sandbox");

/// A private directory: `cwd/` to start in, `data/` with the prepared runtime, `log`. Removed with its last
/// owner, or by the guard if the tests are killed.
#[derive(Debug)]
pub struct WorkDir(tempfile::TempDir);

impl WorkDir {
    /// Creates one.
    pub fn new() -> Arc<Self> {
        let directory = tempfile::Builder::new()
            .prefix("python-sandbox-test-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .expect("a temporary directory");
        let work_dir = Self(directory);
        fs::create_dir(work_dir.cwd()).expect("made");
        fs::create_dir(work_dir.data()).expect("made");
        std::os::unix::fs::symlink(testkit::data_dir().join("runtime"), work_dir.data().join("runtime"))
            .expect("linked");
        Arc::new(work_dir)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The working directory.
    pub fn cwd(&self) -> PathBuf {
        self.path().join("cwd")
    }

    /// `DATA_DIR`.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Copies the runtime here if other users cannot reach the prepared one, for example below a closed home
    /// directory.
    fn bring_runtime_in_reach(&self) {
        let link = self.data().join("runtime");
        let Ok(target) = fs::canonicalize(&link) else { return };
        let open_to_others =
            |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o005 == 0o005);
        if target.ancestors().all(open_to_others) {
            return;
        }
        fs::remove_file(&link).expect("the link is ours");
        let (from, to) = (target.to_string_lossy(), link.to_string_lossy());
        // Hard links on the same file system: the tree is large.
        command(&["cp", "-al", &from, &to])
            .or_else(|_| command(&["cp", "-aT", &from, &to]))
            .expect("the runtime is copied");
    }

    /// Standard error of the service, of all starts in order.
    pub fn log(&self) -> PathBuf {
        self.path().join("log")
    }
}

/// One start of the service.
#[derive(Debug, Clone)]
pub struct Launch {
    pub(super) dir: Arc<WorkDir>,
    settings: Vec<(String, String)>,
    args: Vec<String>,
    /// Prefix of the command, such as `unshare --user`.
    wrapper: Vec<String>,
    ids: Option<(u32, u32)>,
    /// The user who starts it, if not this one.
    for_others: bool,
    /// Whether the templates of the default settings are started.
    templates: bool,
    pub(super) wait_for_health: bool,
    pub(super) fixed_port: bool,
}

impl Launch {
    /// The defaults on a free port on loopback, except that the service has no template with packages: importing
    /// them takes twelve times the CPU time of the rest of a start. See [`Launch::with_templates`].
    pub fn new() -> Self {
        Self {
            dir: WorkDir::new(),
            settings: Vec::new(),
            args: Vec::new(),
            wrapper: Vec::new(),
            ids: None,
            for_others: false,
            templates: false,
            wait_for_health: true,
            fixed_port: false,
        }
    }

    /// Starts in the directory of an earlier service: same files, same link key.
    pub fn in_dir(mut self, dir: &Arc<WorkDir>) -> Self {
        self.dir = Arc::clone(dir);
        self
    }

    /// Its directory.
    pub fn work_dir(&self) -> &Arc<WorkDir> {
        &self.dir
    }

    /// Sets a variable of the environment.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets several variables.
    pub fn sets(self, settings: &[(&str, &str)]) -> Self {
        settings.iter().fold(self, |launch, (name, value)| launch.set(name, value))
    }

    /// The port comes from another source than these tests' default, which is any free port.
    pub fn own_port(mut self) -> Self {
        self.fixed_port = true;
        self
    }

    /// Writes a file into the working directory.
    pub fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.dir.cwd().join(name), text).expect("written");
        self
    }

    /// Adds arguments after `serve`.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Adds a prefix to the command.
    pub fn wrapper(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Starts as this user and group, without supplementary groups. Needs root.
    pub fn user(self, uid: u32, gid: u32) -> Self {
        Self { ids: Some((uid, gid)), ..self.owned_by(uid, gid) }
    }

    /// Gives the directories to this user, who must also be able to reach binary and runtime. Needs root.
    pub fn owned_by(mut self, uid: u32, gid: u32) -> Self {
        for path in [self.dir.cwd(), self.dir.data()] {
            chown(path, Some(uid), Some(gid)).expect("given away");
        }
        self.for_others = true;
        self.dir.bring_runtime_in_reach();
        self
    }

    /// With the templates of the default settings: for tests of isolation, of limits and of what is left on the
    /// host, and for those that look at templates.
    pub fn with_templates(mut self) -> Self {
        self.templates = true;
        self
    }

    /// Does not request `/health` first: the test's own request is the first.
    pub fn without_waiting(mut self) -> Self {
        self.wait_for_health = false;
        self
    }

    /// Starts the service and waits until it is ready; `None` with a reported skip if no runtime is prepared.
    pub fn start(self) -> Option<Server> {
        runtime_is_prepared().then(|| Server::from_launch(self))
    }

    /// Runs another command of the binary (`args` first) with the same settings, and waits until it ends.
    pub fn run(&self, args: &[&str], stdin: &str) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut pipe = child.stdin.take().expect("piped");
        // A command that does not read its input closes the pipe early.
        let _ = pipe.write_all(stdin.as_bytes());
        drop(pipe);
        child.wait_with_output().expect("it ends")
    }

    /// The command as it will be started, with only `PATH` from the tests' own environment.
    fn command(&self, args: &[&str]) -> Command {
        let binary = if self.for_others { self.reachable_binary() } else { PathBuf::from(BINARY) };
        let mut words: Vec<OsString> = self.wrapper.iter().map(OsString::from).collect();
        words.push(binary.into());
        words.extend(args.iter().map(OsString::from));
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .current_dir(self.dir.cwd())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("DATA_DIR", self.dir.data())
            .envs(slow_hosts_settings())
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            // Its own process group: Ctrl-C for the tests must not reach it; the guard ends it.
            .process_group(0);
        if !self.fixed_port {
            command.env("PORT", "0");
        }
        if let Some((uid, gid)) = self.ids {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// A copy of the binary that every user can reach: the build directory may be below a closed one.
    fn reachable_binary(&self) -> PathBuf {
        let copy = self.dir.path().join("python-sandbox");
        if !copy.exists() {
            fs::copy(BINARY, &copy).expect("copied");
        }
        copy
    }

    /// Starts `serve` with its standard error appended to the log.
    pub(super) fn spawn(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.dir.log()).expect("the log opens");
        let mut args = vec!["serve"];
        args.extend(self.args.iter().map(String::as_str));
        let mut command = self.command(&args);
        if !self.templates && self.settings.iter().all(|(name, _)| name != "NATIVE_TEMPLATES") {
            command.env("NATIVE_TEMPLATES", "");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().expect("the binary starts")
    }
}

/// On an emulated processor, imports of packages take longer than a template may, so there is no template
/// with packages: each would be started and ended again and again during the test.
fn slow_hosts_settings() -> Option<(&'static str, &'static str)> {
    (testkit::patience() > 1).then_some(("NATIVE_TEMPLATES", ""))
}

/// Runs the binary in a new directory and waits until it ends.
pub fn run(settings: &[(&str, &str)], args: &[&str], stdin: &str) -> Output {
    Launch::new().sets(settings).run(args, stdin)
}

/// A helper command of the tests (`useradd`, `python3`); its output if it succeeded.
pub fn command(words: &[&str]) -> Result<String, String> {
    let output = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{words:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Ends the service and removes its directory when this process ends, however it ends: statics are never
/// dropped, and a killed test drops nothing. It reads from a pipe that closes with this process.
#[derive(Debug)]
pub(super) struct Guard(Child);

impl Guard {
    const SCRIPT: &str = r#"
        read -r _
        kill -TERM "$1" 2>/dev/null
        tries=0
        while [ "$tries" -lt 50 ] && kill -0 "$1" 2>/dev/null; do sleep 0.1; tries=$((tries + 1)); done
        kill -KILL "$1" 2>/dev/null
        rm -rf -- "$2"
    "#;

    pub(super) fn over(service: u32, directory: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", Self::SCRIPT, "guard", &service.to_string()]).arg(directory);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Self(command.spawn().expect("sh starts"))
    }

    /// The service is gone, or its owner will end it.
    pub(super) fn dismiss(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
