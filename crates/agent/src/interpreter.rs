//! Provides the interpreter for one program: started here, or forked from a template.

use crate::OUTPUT_DIRECTORY;
use crate::ProgramConfig;
use crate::input::{ExecutionInput, give, write_all};
use crate::program_dir;
use crate::streams::SharedBuffers;
use confine::{
    AdoptError, LandlockRules, ProgramSpec, Refused, SandboxCgroups, SandboxNamespaces, SingleThreaded,
    Spawned, Step, TEMPLATE_CAPABILITIES,
};
use protocol::InterpreterOrigin;
use rustix::fs::{MemfdFlags, SeekFrom};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Resource;
use rustix::thread::{CapabilitySet, CpuSet};
use seccomp::{Arch, CompileOptions, Insn, Policy};
use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The Python code that runs a program inside an interpreter; the head comment of its first part explains
/// how.
const RUNNER: &str = concat!(
    include_str!("../../../runtime/runner/start.py"),
    include_str!("../../../runtime/runner/template.py"),
    include_str!("../../../runtime/runner/imports.py"),
    include_str!("../../../runtime/runner/streams.py"),
    include_str!("../../../runtime/runner/environment.py"),
    include_str!("../../../runtime/runner/program.py"),
    include_str!("../../../runtime/runner/errors.py"),
    include_str!("../../../runtime/runner/end.py"),
    include_str!("../../../runtime/runner/run.py"),
);

/// Time for a template to fork: a millisecond, or as long as it still needs for its imports.
const TEMPLATE_TIME_MAX: Duration = Duration::from_secs(10);

/// Open files per process.
const FILES_MAX: u64 = 1024;
/// Stack of the main thread in bytes: the usual 8 MiB, for which CPython's recursion limits are tuned.
const STACK_BYTES: u64 = 8 * 1024 * 1024;
/// Locked memory in bytes: enough for a key, useless for an attack.
const LOCKED_BYTES: u64 = 64 * 1024;
/// Largest core dump in bytes. Not 0: where `kernel.core_pattern` is a pipe, the kernel ignores every limit
/// but 1, which means "start no handler" (fs/coredump.c). A file that small is never written.
const CORE_BYTES: u64 = 1;
/// Queued signals per user.
const SIGNALS_MAX: u64 = 1024;

/// The seccomp filter of a program, compiled once: the launcher's sandboxes inherit it with their memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    instructions: Option<Vec<Insn>>,
}

impl Filter {
    /// Compiles the policy for this machine, if `config` enables it.
    ///
    /// # Errors
    /// Never with the built-in policy.
    pub fn new(config: &ProgramConfig) -> io::Result<Self> {
        if !config.seccomp {
            return Ok(Self { instructions: None });
        }
        let options = CompileOptions { notify: config.notify };
        let program = Policy::builtin().compile(Arch::native(), options).map_err(io::Error::other)?;
        Ok(Self { instructions: Some(program.instructions().to_vec()) })
    }

    /// A filter that is already compiled; no filter if empty.
    #[must_use]
    pub fn of(instructions: Vec<Insn>) -> Self {
        Self { instructions: Some(instructions).filter(|instructions| !instructions.is_empty()) }
    }

    /// The compiled filter; `None` if filtering is off.
    #[must_use]
    pub fn instructions(&self) -> Option<&Vec<Insn>> {
        self.instructions.as_ref()
    }
}

/// The program's isolation.
#[derive(Debug)]
pub(crate) struct Isolation<'a> {
    filter: &'a Filter,
    landlock: Option<LandlockRules>,
}

impl<'a> Isolation<'a> {
    /// Creates the Landlock rules. Call it inside the sandbox: the rules name its directories.
    pub(crate) fn new(config: &ProgramConfig, filter: &'a Filter) -> io::Result<Self> {
        let landlock =
            config.landlock.then(LandlockRules::for_program).transpose().map_err(io::Error::other)?;
        Ok(Self { filter, landlock })
    }
}

/// Where a sandbox's interpreter comes from.
#[derive(Debug)]
pub enum Origin {
    /// Started in the sandbox; imports these modules before it waits for the program.
    Started {
        /// Modules to import.
        preload: Vec<String>,
    },
    /// Forked into this sandbox by a template, or started if that fails.
    Template {
        /// The template's socket.
        socket: OwnedFd,
        /// The sandbox's cgroups.
        groups: SandboxCgroups,
    },
    /// A template was asked for but is not running: the interpreter is started.
    NoTemplate,
}

/// An interpreter that waits for its program, and our ends of its pipes.
#[derive(Debug)]
pub(crate) struct Interpreter {
    pub(crate) process: Spawned,
    pub(crate) origin: InterpreterOrigin,
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// A byte sent to it: the program is ready. A byte from it: the first instruction is about to run.
    pub(crate) control: OwnedFd,
    /// The program goes here, in the runner's format.
    pub(crate) program: OwnedFd,
    /// Memory shared with the interpreter's streams.
    pub(crate) kept: SharedBuffers,
}

/// Starts an isolated interpreter that waits for a program.
pub(crate) fn prepare(
    proof: &SingleThreaded,
    config: &ProgramConfig,
    isolation: &Isolation<'_>,
    user: Option<u32>,
    cpus: &[u32],
    origin: Origin,
) -> io::Result<Interpreter> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC);
    let (stdin_reader, stdin) = pipe()?;
    let (stdout, stdout_writer) = pipe()?;
    let (stderr, stderr_writer) = pipe()?;
    for end in [&stdin_reader, &stdout_writer, &stderr_writer] {
        // Otherwise the program cannot open /dev/stdin and the like: opening a pipe by name needs permission
        // on its inode. Where the owner cannot be changed, such as in gVisor, the program still has the open
        // descriptors.
        let _ = give(end, user);
    }
    let (control, their_control) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let program = rustix::fs::memfd_create("program", MemfdFlags::CLOEXEC)?;
    let kept = SharedBuffers::new()?;
    let preload = match &origin {
        Origin::Started { preload } => preload.as_slice(),
        Origin::Template { .. } | Origin::NoTemplate => &[],
    };
    let spec = ProgramSpec {
        executable: c_string(&config.interpreter)?,
        arguments: arguments(&config.interpreter, preload)?,
        environment: environment(config)?,
        directory: c_string(OUTPUT_DIRECTORY)?,
        descriptors: vec![
            stdin_reader.as_fd(),
            stdout_writer.as_fd(),
            stderr_writer.as_fd(),
            program.as_fd(),
            their_control.as_fd(),
            kept.as_fd(),
        ],
        user: user.map(|id| (id, id)),
        limits: limits(config),
        cpus: cpu_set(cpus),
        kept: CapabilitySet::empty(),
        landlock: isolation.landlock.as_ref(),
        seccomp: isolation.filter.instructions.as_deref(),
        notify: config.notify && isolation.filter.instructions.is_some(),
        fail_at: config.fail_at.and_then(Step::from_number),
    };
    let (process, origin) = start(proof, &spec, origin)?;
    for descriptor in [&stdin, &stdout, &stderr, &control] {
        rustix::io::ioctl_fionbio(descriptor, true)?;
    }
    Ok(Interpreter { process, origin, stdin: Some(stdin), stdout, stderr, control, program, kept })
}

fn start(
    proof: &SingleThreaded,
    spec: &ProgramSpec<'_>,
    origin: Origin,
) -> Result<(Spawned, InterpreterOrigin), Refused> {
    let instead = match origin {
        Origin::Started { .. } => InterpreterOrigin::Started,
        Origin::NoTemplate => {
            let reason = "it ended recently and has not been restarted yet".to_owned();
            InterpreterOrigin::StartedInstead { reason }
        }
        // The socket to the template is closed at the end of this arm, long before a program arrives.
        Origin::Template { socket, groups } => {
            let namespaces = SandboxNamespaces::of_this_process()?;
            match confine::adopt(socket.as_fd(), &namespaces, &groups, spec, TEMPLATE_TIME_MAX) {
                Ok(process) => return Ok((process, InterpreterOrigin::Forked)),
                Err(AdoptError::Refused(refused)) => return Err(refused),
                // The host is notified by the origin, and has the template replaced.
                Err(AdoptError::NoTemplate { step, source }) => {
                    InterpreterOrigin::StartedInstead { reason: format!("{step}: {source}") }
                }
                // It is notified of the failed sandbox, too.
                Err(error @ AdoptError::Stuck) => {
                    return Err(Refused { step: "adopt the interpreter", source: io::Error::other(error) });
                }
            }
        }
    };
    confine::spawn(proof, spec).map(|process| (process, instead))
}

impl Interpreter {
    /// Hands over the program and lets it run.
    pub(crate) fn hand_over(&mut self, input: &ExecutionInput) -> io::Result<()> {
        program_dir::write_program(&input.code);
        write_all(&self.program, &program_bytes(input)?)?;
        rustix::fs::seek(&self.program, SeekFrom::Start(0))?;
        if input.stdin.is_empty() {
            self.stdin = None;
        }
        match rustix::io::write(&self.control, b"1") {
            // EPIPE: the interpreter is dead, which its wait status will report.
            Ok(_) | Err(rustix::io::Errno::PIPE) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Becomes a template: the same interpreter with the same code, without a user of its own, restricted by
/// Landlock and by a filter that still allows what its forks must do. Replaces this process.
///
/// # Errors
/// The step that failed; it returns only on failure.
pub fn become_template(
    config: &ProgramConfig,
    preload: &[String],
    filter: &[Insn],
    streams: [BorrowedFd<'_>; 3],
    socket: BorrowedFd<'_>,
    stage: OwnedFd,
) -> io::Result<Infallible> {
    let landlock = config.landlock.then(|| LandlockRules::for_template(stage)).transpose()?;
    let spec = ProgramSpec {
        executable: c_string(&config.interpreter)?,
        arguments: arguments(&config.interpreter, preload)?,
        environment: environment(config)?,
        directory: c_string(OUTPUT_DIRECTORY)?,
        descriptors: streams.into_iter().chain([socket]).collect(),
        user: None,
        limits: vec![(Resource::Core, CORE_BYTES), (Resource::Stack, STACK_BYTES)],
        cpus: None,
        kept: TEMPLATE_CAPABILITIES,
        landlock: landlock.as_ref(),
        seccomp: Some(filter),
        notify: false,
        fail_at: None,
    };
    Err(confine::replace_this_process(&spec).into())
}

/// The program in the runner's format: the number of variables, each name and value prefixed with its length,
/// then the source.
fn program_bytes(input: &ExecutionInput) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(input.code.len() + 64);
    let length = |length: usize| u32::try_from(length).map(u32::to_le_bytes).map_err(io::Error::other);
    bytes.extend_from_slice(&length(input.header.env.len())?);
    for (name, value) in &input.header.env {
        for text in [name, value] {
            bytes.extend_from_slice(&length(text.len())?);
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes.extend_from_slice(&input.code);
    Ok(bytes)
}

fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(io::Error::from)
}

/// `-I`: neither the environment nor the working directory affects the interpreter. `-B`: there is nowhere to
/// write bytecode.
fn arguments(interpreter: &str, preload: &[String]) -> io::Result<Vec<CString>> {
    let own = [interpreter, "-I", "-B", "-X", "utf8", "-c", RUNNER];
    own.into_iter().chain(preload.iter().map(String::as_str)).map(c_string).collect()
}

fn environment(config: &ProgramConfig) -> io::Result<Vec<CString>> {
    let threads = config.cpu_count.max(1).to_string();
    let own = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/tmp"),
        ("TMPDIR", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("USER", "sandbox"),
        ("LOGNAME", "sandbox"),
        ("OMP_NUM_THREADS", &threads),
        ("OPENBLAS_NUM_THREADS", &threads),
        ("MKL_NUM_THREADS", &threads),
        ("NUMEXPR_NUM_THREADS", &threads),
        ("PYTHON_CPU_COUNT", &threads),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ];
    let runtime = config.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    own.into_iter().chain(runtime).map(|(name, value)| c_string(&format!("{name}={value}"))).collect()
}

fn limits(config: &ProgramConfig) -> Vec<(Resource, u64)> {
    vec![
        (Resource::Core, CORE_BYTES),
        (Resource::Fsize, config.file_bytes_max),
        (Resource::Nofile, FILES_MAX),
        (Resource::Stack, STACK_BYTES),
        (Resource::Memlock, LOCKED_BYTES),
        (Resource::Msgqueue, 0),
        (Resource::Nice, 0),
        (Resource::Rtprio, 0),
        (Resource::Sigpending, SIGNALS_MAX),
    ]
}

fn cpu_set(cpus: &[u32]) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        let index = usize::try_from(cpu).ok().filter(|&index| index < CpuSet::MAX_CPU)?;
        set.set(index);
    }
    (!cpus.is_empty()).then_some(set)
}
