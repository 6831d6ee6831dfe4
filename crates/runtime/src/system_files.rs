//! The generated parts of the tree: the top directories, `/etc`, the time zones.

use std::fs;
use std::path::Path;

use crate::error::SetupError;
use crate::python::Interpreter;
use crate::tree;

/// The user that programs run as, in the file that maps names. Executors may map it to any id of the host.
const SANDBOX_ID: u32 = 1000;

/// Files of `/etc` with content of our own.
pub(crate) const TEXTS: [(&str, &str); 3] = [
    ("mime.types", include_str!("../../../runtime/build/etc/mime.types")),
    ("services", include_str!("../../../runtime/build/etc/services")),
    ("protocols", include_str!("../../../runtime/build/etc/protocols")),
];

/// Users and groups that the agent writes for each sandbox, since every program has its own uid, and the
/// paths it writes them to. The ones in the tree are for an interpreter without an agent, and show what the
/// agent's should contain.
const PER_SANDBOX: [(&str, &str); 2] =
    [("passwd", "../run/sandbox/passwd"), ("group", "../run/sandbox/group")];
const FALLBACK_DIR: &str = "usr/share/python-sandbox";

/// Directories of the tree; those that a sandbox mounts over stay empty.
const DIRECTORIES: [&str; 13] = [
    "proc",
    "dev",
    "sys",
    "tmp",
    "run",
    "var",
    "etc",
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/lib64",
    "usr/share/python-sandbox/skel",
    "usr/share/fonts",
];

/// The old paths of what is now below `/usr`, what programs expect in `/var`, and what each sandbox has of
/// its own.
const LINKS: [(&str, &str); 7] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("var/tmp", "../tmp"),
    // Files that the guest agent writes for a program: its source, and the names of its user.
    ("run/program", "../tmp/.sandbox/program"),
    ("run/sandbox", "../tmp/.sandbox/sandbox"),
];

/// Creates the top of the tree: before anything is copied into it, since the links decide where that goes.
pub(crate) fn make_top(rootfs: &Path) -> Result<(), SetupError> {
    for name in DIRECTORIES {
        let path = rootfs.join(name);
        fs::create_dir_all(&path).map_err(SetupError::file("create", path))?;
    }
    for (name, target) in LINKS {
        tree::link(target, &rootfs.join(name))?;
    }
    Ok(())
}

/// Writes `/etc` and makes the time zones of the installed package the system's own.
pub(crate) fn write_etc(python: &Interpreter, rootfs: &Path) -> Result<(), SetupError> {
    let passwd = format!(
        "root:x:0:0:root:/:/usr/sbin/nologin\n\
         sandbox:x:{SANDBOX_ID}:{SANDBOX_ID}:sandbox:/tmp:/usr/sbin/nologin\n\
         nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
    );
    let group = format!("root:x:0:\nsandbox:x:{SANDBOX_ID}:\nnogroup:x:65534:\n");
    for (name, content) in [("passwd", passwd), ("group", group)] {
        let path = rootfs.join(FALLBACK_DIR).join(name);
        fs::write(&path, content).map_err(SetupError::file("write", path))?;
    }
    for (name, target) in PER_SANDBOX {
        tree::link(target, &rootfs.join("etc").join(name))?;
    }
    let files = [
        ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        ("hostname", "sandbox\n"),
        ("resolv.conf", ""),
        // Only files: there is no network, and loading a module for it would be useless.
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"),
        ("os-release", "NAME=\"Python Sandbox\"\nID=python-sandbox\nPRETTY_NAME=\"Python Sandbox\"\n"),
        ("timezone", "Etc/UTC\n"),
    ];
    for (name, content) in files.into_iter().chain(TEXTS) {
        let path = rootfs.join("etc").join(name);
        fs::write(&path, content).map_err(SetupError::file("write", path))?;
    }
    let packages = python.site_packages.trim_start_matches("/usr/");
    tree::link(&format!("../{packages}/tzdata/zoneinfo"), &rootfs.join("usr/share/zoneinfo"))?;
    tree::link("../usr/share/zoneinfo/UTC", &rootfs.join("etc/localtime"))
}
