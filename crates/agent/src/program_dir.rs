//! The files beside a program in its sandbox that are not its own: its source file, and the names of its
//! user.
//!
//! The runtime has links in `/run` to this directory in `/tmp`, the only writable file system of a sandbox:
//! so every executor has it, and none pays for a mount. All of it belongs to the agent where that has its own
//! user. Where it does not (in a user namespace), a program can change what it sees here itself, and nothing
//! else.

use crate::open::{DIRECTORY, NEW_FILE, open_beneath};
use rustix::fs::{AtFlags, CWD, Mode};
use std::io;

/// The directory. The runtime's `/run/program` and `/run/sandbox` point here, its `/etc/passwd` and
/// `/etc/group` into the latter.
const SANDBOX_DIRECTORY: &str = "/tmp/.sandbox";
/// Directory of the program, `main.py`, as `runtime/runner/program.py` names it.
const PROGRAM_DIRECTORY: &str = "/tmp/.sandbox/program";
const NAMES_DIRECTORY: &str = "/tmp/.sandbox/sandbox";

/// Makes the directories and names the user.
///
/// # Errors
/// The error from the kernel; the empty `/tmp` of a sandbox has enough space.
pub(crate) fn prepare(user: Option<u32>) -> io::Result<()> {
    let uid = user.unwrap_or_else(|| rustix::process::getuid().as_raw());
    let gid = user.unwrap_or_else(|| rustix::process::getgid().as_raw());
    for directory in [SANDBOX_DIRECTORY, PROGRAM_DIRECTORY, NAMES_DIRECTORY] {
        match rustix::fs::mkdirat(CWD, directory, Mode::from_raw_mode(0o755)) {
            Err(rustix::io::Errno::EXIST) => {}
            other => other?,
        }
    }
    let mut passwd = format!("sandbox:x:{uid}:{gid}:sandbox:/tmp:/usr/sbin/nologin\n");
    let mut group = format!("sandbox:x:{gid}:\n");
    if uid != 0 {
        passwd.insert_str(0, "root:x:0:0:root:/:/usr/sbin/nologin\n");
        group.insert_str(0, "root:x:0:\n");
    }
    passwd.push_str("nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n");
    group.push_str("nogroup:x:65534:\n");
    write("/tmp/.sandbox/sandbox/passwd", passwd.as_bytes())?;
    write("/tmp/.sandbox/sandbox/group", group.as_bytes())?;
    close(NAMES_DIRECTORY)?;
    close(SANDBOX_DIRECTORY)
}

/// Writes the program to the path in `__file__`, replacing the previous one in this sandbox. If input files
/// have filled the sandbox, the program runs without it.
pub(crate) fn write_program(code: &[u8]) {
    let _ = replace_program(code);
}

/// Follows no link: an earlier program could have created one there.
fn replace_program(code: &[u8]) -> io::Result<()> {
    let tmp = rustix::fs::open("/tmp", DIRECTORY, Mode::empty())?;
    let program_dir = open_beneath(&tmp, ".sandbox", DIRECTORY)?;
    let directory = open_beneath(&program_dir, "program", DIRECTORY)?;
    rustix::fs::fchmod(&directory, Mode::from_raw_mode(0o755))?;
    match rustix::fs::unlinkat(&directory, "main.py", AtFlags::empty()) {
        Err(rustix::io::Errno::NOENT) => {}
        other => other?,
    }
    let file = rustix::fs::openat(&directory, "main.py", NEW_FILE, Mode::from_raw_mode(0o444))?;
    let written = crate::input::write_all(&file, code);
    rustix::fs::fchmod(&directory, Mode::from_raw_mode(0o555))?;
    written
}

fn write(path: &str, content: &[u8]) -> io::Result<()> {
    let file = rustix::fs::open(path, NEW_FILE, Mode::from_raw_mode(0o444))?;
    crate::input::write_all(&file, content)
}

fn close(directory: &str) -> io::Result<()> {
    Ok(rustix::fs::chmod(directory, Mode::from_raw_mode(0o555))?)
}
