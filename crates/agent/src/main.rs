//! The executable for containers and microVMs: parses `init` and serves over standard input and output.

use agent::{Channel, Context, Filter, Origin, ProgramConfig, RunAs};
use confine::SingleThreaded;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

const USAGE: &str = "usage: sandbox-agent init INTERPRETER [--uid N] [--cpus N] [--file-bytes N] [--tasks-max N] [--no-seccomp] [--no-notify] [--no-landlock] [--cover-first-process] [--env NAME=VALUE]... [--preload MODULE]...";

fn main() -> ExitCode {
    // Run from memory, the process would be named after a descriptor number.
    let _ = rustix::thread::set_name(c"sandbox-agent");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first().map(|(mode, rest)| (mode.as_str(), rest)) {
        Some(("init", rest)) => init(rest),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => ExitCode::SUCCESS,
        Err(error) => {
            // When the stream itself is broken, standard error is the only channel left.
            let _ = io::Write::write_all(&mut io::stderr(), format!("sandbox-agent: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// Runs as first process of a container or microVM, with the protocol on standard input and output.
fn init(arguments: &[String]) -> io::Result<()> {
    let Arguments { config, run_as, preload, cover } =
        parse(arguments).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, USAGE))?;
    let proof = SingleThreaded::prove().map_err(|refused| refused.source)?;
    confine::hide_from_others().map_err(|refused| refused.source)?;
    if cover {
        confine::cover_first_process()?;
        confine::keep_agent_capabilities()?;
    }
    let input: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let output: OwnedFd = io::stdout().as_fd().try_clone_to_owned()?;
    let filter = Filter::new(&config)?;
    let origin = Origin::Started { preload };
    let context = Context { proof: &proof, config: &config, filter: &filter, run_as: &run_as };
    agent::serve(&context, &mut Channel::new(input, output)?, origin)
}

/// The command line of `init`.
struct Arguments {
    config: ProgramConfig,
    run_as: RunAs,
    preload: Vec<String>,
    /// Hide the agent from the program's `/proc`.
    cover: bool,
}

fn parse(arguments: &[String]) -> Option<Arguments> {
    let (interpreter, mut rest) = arguments.split_first()?;
    let mut config = ProgramConfig {
        interpreter: interpreter.clone(),
        env: Vec::new(),
        cpu_count: 1,
        file_bytes_max: 64 * 1024 * 1024,
        seccomp: true,
        notify: true,
        landlock: true,
        tasks_max: None,
        fail_at: None,
    };
    let (mut preload, mut cover) = (Vec::new(), false);
    let mut run_as = RunAs { user: None, cpus: Vec::new() };
    while let Some((flag, more)) = rest.split_first() {
        rest = more;
        let mut value = || {
            let (first, more) = rest.split_first()?;
            rest = more;
            Some(first.as_str())
        };
        match flag.as_str() {
            "--uid" => run_as.user = Some(value()?.parse().ok()?),
            "--cpus" => config.cpu_count = value()?.parse().ok()?,
            "--file-bytes" => config.file_bytes_max = value()?.parse().ok()?,
            "--tasks-max" => config.tasks_max = Some(value()?.parse().ok()?),
            "--no-seccomp" => config.seccomp = false,
            "--no-notify" => config.notify = false,
            "--cover-first-process" => cover = true,
            "--no-landlock" => config.landlock = false,
            "--env" => {
                let (name, value) = value()?.split_once('=')?;
                config.env.push((name.to_owned(), value.to_owned()));
            }
            "--preload" => preload.push(value()?.to_owned()),
            _ => return None,
        }
    }
    Some(Arguments { config, run_as, preload, cover })
}
