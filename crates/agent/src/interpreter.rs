//! Starts the interpreter for one program.

use crate::OUTPUT_DIRECTORY;
use crate::intake::{Order, write_all};
use confine::seccomp::{Arch, CompileOptions, Insn, Policy};
use confine::{LandlockRules, PROGRAM_STEPS, ProgramSpec, SingleThreaded, Spawned};
use protocol::launcher::ProgramConfig;
use rustix::fs::{MemfdFlags, Mode, OFlags, SeekFrom};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Resource;
use rustix::thread::CpuSet;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The Python that runs a program inside an interpreter; see its own head comment.
const RUNNER: &str = include_str!("../../../runtime/runner.py");

/// Open files of one process.
const FILES_MAX: u64 = 1024;
/// Stack of the main thread in bytes: the usual 8 MiB, on which CPython's recursion limits are tuned.
const STACK_BYTES: u64 = 8 * 1024 * 1024;
/// Locked memory in bytes: enough for a key, useless for an attack.
const LOCKED_BYTES: u64 = 64 * 1024;
/// Largest core dump in bytes. Not 0: where `kernel.core_pattern` is a pipe, the kernel looks at no limit but 1,
/// which it takes for "start no handler" (fs/coredump.c). A file that small is never written.
const CORE_BYTES: u64 = 1;
/// Queued signals of the user.
const SIGNALS_MAX: u64 = 1024;

/// The filter of system calls, compiled once: the launcher's cells inherit it with their memory.
#[derive(Debug)]
pub struct Filter {
    instructions: Option<Vec<Insn>>,
}

impl Filter {
    /// Compiles the policy for this machine, if `config` wants it.
    ///
    /// # Errors
    /// Never with the policy that is built in.
    pub fn new(config: &ProgramConfig) -> io::Result<Self> {
        if !config.seccomp {
            return Ok(Self { instructions: None });
        }
        let options = CompileOptions { notify: true };
        let program = Policy::builtin().compile(Arch::native(), options).map_err(io::Error::other)?;
        Ok(Self { instructions: Some(program.instructions().to_vec()) })
    }
}

/// What a program is started behind.
#[derive(Debug)]
pub(crate) struct Walls<'a> {
    filter: &'a Filter,
    landlock: Option<LandlockRules>,
}

impl<'a> Walls<'a> {
    /// Makes the landlock rules. Call it inside the sandbox: they name its directories.
    pub(crate) fn new(config: &ProgramConfig, filter: &'a Filter) -> io::Result<Self> {
        let landlock =
            config.landlock.then(LandlockRules::for_program).transpose().map_err(io::Error::other)?;
        Ok(Self { filter, landlock })
    }
}

/// A started interpreter and our ends of its pipes.
#[derive(Debug)]
pub(crate) struct Interpreter {
    pub(crate) process: Spawned,
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// Carries one byte when the program's first instruction is about to run.
    pub(crate) start: OwnedFd,
}

/// Starts the interpreter behind the walls and hands it the program.
pub(crate) fn start(
    proof: &SingleThreaded,
    config: &ProgramConfig,
    walls: &Walls<'_>,
    user: Option<u32>,
    cpus: &[u32],
    order: &Order,
) -> io::Result<Interpreter> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC);
    let (stdin_reader, stdin_writer) = if order.stdin.is_empty() {
        let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        (null, None)
    } else {
        let (reader, writer) = pipe()?;
        (reader, Some(writer))
    };
    let (stdout, stdout_writer) = pipe()?;
    let (stderr, stderr_writer) = pipe()?;
    let (start, start_writer) = pipe()?;
    let program = program_file(order)?;
    let spec = ProgramSpec {
        executable: c_string(&config.interpreter)?,
        arguments: arguments(&config.interpreter)?,
        environment: environment(config)?,
        directory: c_string(OUTPUT_DIRECTORY)?,
        descriptors: vec![
            stdin_reader.as_fd(),
            stdout_writer.as_fd(),
            stderr_writer.as_fd(),
            program.as_fd(),
            start_writer.as_fd(),
        ],
        user: user.map(|id| (id, id)),
        limits: limits(config),
        cpus: cpu_set(cpus),
        landlock: walls.landlock.as_ref(),
        seccomp: walls.filter.instructions.as_deref(),
        notify: walls.filter.instructions.is_some(),
        fail_at: config
            .fail_at
            .and_then(|number| PROGRAM_STEPS.into_iter().find(|step| *step as u8 == number)),
    };
    let process = confine::spawn(proof, &spec).map_err(|refused| {
        io::Error::new(refused.source.kind(), format!("{}: {}", refused.step, refused.source))
    })?;
    for descriptor in [&stdout, &stderr, &start].into_iter().chain(&stdin_writer) {
        rustix::io::ioctl_fionbio(descriptor, true)?;
    }
    Ok(Interpreter { process, stdin: stdin_writer, stdout, stderr, start })
}

/// The program as the runner reads it: the number of variables, each with its length in front, then the source.
fn program_file(order: &Order) -> io::Result<OwnedFd> {
    let mut bytes = Vec::with_capacity(order.code.len() + 64);
    let length = |length: usize| u32::try_from(length).map(u32::to_le_bytes).map_err(io::Error::other);
    bytes.extend_from_slice(&length(order.header.env.len())?);
    for (name, value) in &order.header.env {
        for text in [name, value] {
            bytes.extend_from_slice(&length(text.len())?);
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes.extend_from_slice(&order.code);
    let file = rustix::fs::memfd_create("program", MemfdFlags::CLOEXEC)?;
    write_all(&file, &bytes)?;
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}

fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(io::Error::from)
}

/// `-I`: neither the environment nor the working directory shapes the interpreter. `-B`: nothing to write
/// bytecode to. `-u`: what was printed is out, also when the program is killed the next moment.
fn arguments(interpreter: &str) -> io::Result<Vec<CString>> {
    [interpreter, "-I", "-B", "-u", "-X", "utf8", "-c", RUNNER].into_iter().map(c_string).collect()
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
