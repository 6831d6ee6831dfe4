//! Restarts this program below the user's own systemd if that is the only way to get cgroups.
//!
//! In a login session on cgroup v2 the session's cgroup belongs to root, so an ordinary user can limit
//! nothing in it. The user's systemd has a cgroup that belongs to the user, and `systemd-run --user --scope`
//! runs a command below it: in this same process, with its directory, environment, streams, terminal and pid,
//! so that exit code and signals are unchanged.

use crate::cli::Command;
use settings::Settings;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use terminal::exit;

/// Set in the environment of the restarted process to its pid. So a restart is tried only once, and a child
/// that inherits the variable is not mistaken for that process.
const MARKER: &str = "SANDBOX_OWN_SCOPE";

/// Prefix of our own command line.
const SYSTEMD_RUN: &str = "systemd-run";
const ARGUMENTS: [&str; 5] = ["--user", "--scope", "--quiet", "--property=Delegate=yes", "--"];

/// Replaces this process if that helps. Returns `None` if it does not, and an exit code if it failed.
pub(crate) fn enter(command: &Command, settings: &Settings) -> Option<ExitCode> {
    let is_wanted = needs_sandboxes(command)
        && compose::uses_native(settings)
        // An explicit parent cgroup is used as it is.
        && settings.native_cgroup_parent.is_none()
        && !was_started_again()
        && cgroup::scope_helps(&compose::host_view("serve"));
    if !is_wanted {
        return None;
    }
    // Without them the executor reports the fix.
    let program = find(SYSTEMD_RUN, &std::env::var_os("PATH")?)?;
    let runtime_dir = runtime_dir(rustix::process::geteuid().as_raw())?;
    terminal::message(
        "python-sandbox: started in a scope of your systemd user instance (systemd-run --user --scope -p Delegate=yes), so that cgroups \
         can limit programs",
    );
    let error = start_again(&program, &runtime_dir);
    terminal::message(&format!("python-sandbox: failed to run {}: {error}", program.display()));
    Some(exit::internal_error())
}

/// Whether a command creates sandboxes on this host.
fn needs_sandboxes(command: &Command) -> bool {
    match command {
        Command::Serve(_) | Command::Run(_) | Command::Doctor(_) => true,
        // With a URL another service creates them.
        Command::Bench(args) => args.url.is_none(),
        Command::Setup(_)
        | Command::Image(_)
        | Command::Health
        | Command::Metrics
        | Command::CheckConfig(_)
        | Command::Keys(_)
        | Command::Storage(_)
        | Command::RotateLinkKey(_) => false,
    }
}

fn was_started_again() -> bool {
    std::env::var(MARKER).is_ok_and(|pid| pid == std::process::id().to_string())
}

/// The first executable file of that name in the directories of a `PATH`.
fn find(name: &str, path: &OsString) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|directory| directory.join(name))
        .find(|file| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file())
}

/// The user's runtime directory, if its bus accepts connections. `XDG_RUNTIME_DIR` may belong to another
/// user, as after `su`, or be missing, as after `sudo`.
fn runtime_dir(uid: u32) -> Option<PathBuf> {
    let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usual = PathBuf::from(format!("/run/user/{uid}"));
    named.into_iter().chain([usual]).find(|directory| has_bus(directory, uid))
}

fn has_bus(directory: &Path, uid: u32) -> bool {
    let bus = directory.join("bus");
    let is_own = bus.metadata().is_ok_and(|file| file.file_type().is_socket() && file.uid() == uid);
    is_own && UnixStream::connect(&bus).is_ok()
}

/// Returns only if it failed, with the error.
fn start_again(systemd_run: &Path, runtime_dir: &Path) -> io::Error {
    match std::env::current_exe() {
        Ok(own) => std::process::Command::new(systemd_run)
            .args(ARGUMENTS)
            .arg(own)
            .args(std::env::args_os().skip(1))
            .env("XDG_RUNTIME_DIR", runtime_dir)
            .env(MARKER, std::process::id().to_string())
            .exec(),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_commands_that_make_sandboxes_are_started_again() {
        let needs = |arguments: &[&str]| {
            let cli =
                Cli::try_parse_from(["python-sandbox"].iter().chain(arguments)).expect("good arguments");
            needs_sandboxes(&cli.command.unwrap_or_default())
        };
        for command in [&["serve"][..], &[], &["run", "-c", "1"], &["doctor"], &["bench"]] {
            assert!(needs(command), "{command:?}");
        }
        for command in [
            &["setup"][..],
            &["setup", "--delegate-cgroups", "me"],
            &["image", "build"],
            &["image", "export"],
            &["health"],
            &["metrics"],
            &["check-config"],
            &["keys", "list"],
            &["bench", "--url", "http://127.0.0.1:1"],
        ] {
            assert!(!needs(command), "{command:?}");
        }
    }

    #[test]
    fn only_a_bus_of_this_user_that_answers_counts() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let uid = rustix::process::geteuid().as_raw();
        assert!(!has_bus(directory.path(), uid), "there is none");
        let listener = UnixListener::bind(directory.path().join("bus")).expect("a new socket");
        assert!(has_bus(directory.path(), uid));
        assert!(!has_bus(directory.path(), uid + 1), "another user's, as after su");
        drop(listener);
        assert!(!has_bus(directory.path(), uid), "nobody listens");
        std::fs::remove_file(directory.path().join("bus")).expect("it is there");
        std::fs::write(directory.path().join("bus"), "").expect("a new file");
        assert!(!has_bus(directory.path(), uid), "no socket");
    }

    #[test]
    fn systemd_run_is_found_where_it_may_be_executed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = OsString::from(format!("/nowhere:{}", directory.path().display()));
        assert_eq!(find(SYSTEMD_RUN, &path), None);
        let file = directory.path().join(SYSTEMD_RUN);
        std::fs::write(&file, "").expect("a new file");
        assert_eq!(find(SYSTEMD_RUN, &path), None, "it may not be executed");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        assert_eq!(find(SYSTEMD_RUN, &path), Some(file));
    }
}
