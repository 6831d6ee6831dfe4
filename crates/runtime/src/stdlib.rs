//! Copies the interpreter and its standard library, without the parts that are useless in a sandbox.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::SetupError;
use crate::python::Interpreter;
use crate::tree;

/// Modules that are useless without a display, a network or a shell, or that are tests.
const LEFT_OUT: [&str; 14] = [
    "test",
    "tests",
    "idlelib",
    "idle_test",
    "tkinter",
    "turtledemo",
    "turtle.py",
    "ensurepip",
    "site-packages",
    "dist-packages",
    "__pycache__",
    // They run at every start, and belong to the machine.
    "sitecustomize.py",
    "usercustomize.py",
    "EXTERNALLY-MANAGED",
];

/// Appended to `ctypes/util.py`; see the file.
const FIND_LIBRARY_HOOK: &str = include_str!("../../../runtime/build/find_library_hook.py");
/// Becomes the module `sandbox_prefix`; see the file.
const PREFIX_HOOK: &str = include_str!("../../../runtime/build/prefix_hook.py");
/// Read by `site` at each start of an interpreter, so in the usual case it only makes a comparison.
const PREFIX_PTH: &str = "import sys; sys.prefix == '/usr' or __import__('sandbox_prefix')\n";
/// Our own texts that become part of the tree.
pub(crate) const TEXTS: [&str; 3] = [FIND_LIBRARY_HOOK, PREFIX_HOOK, PREFIX_PTH];
/// Directories that a sandbox mounts over: a link in them would be hidden.
const MOUNTED_OVER: [&str; 5] = ["proc", "dev", "sys", "tmp", "run"];

/// Path of the standard library, below the root: `usr/lib/python3.X`.
pub(crate) fn destination(python: &Interpreter) -> String {
    format!("usr/{}/python3.{}", python.platlibdir, python.version.1)
}

/// Copies both into the tree. `/usr` becomes the interpreter's prefix: it finds its library relative to its
/// own path.
pub(crate) fn install(python: &Interpreter, rootfs: &Path) -> Result<(), SetupError> {
    let minor = python.version.1;
    let bin = rootfs.join("usr/bin");
    let executable = format!("python3.{minor}");
    tree::copy_file(&python.executable, &bin.join(&executable))?;
    tree::link(&executable, &bin.join("python3"))?;
    tree::link("python3", &bin.join("python"))?;

    let library = rootfs.join(destination(python));
    tree::remove(&library)?;
    tree::copy(&python.stdlib, &library, &is_left_out)?;
    if python.platstdlib != python.stdlib {
        tree::copy(&python.platstdlib, &library, &is_left_out)?;
    }
    let util = library.join("ctypes/util.py");
    let text = fs::read_to_string(&util).map_err(SetupError::file("read", &util))?;
    fs::write(&util, text + FIND_LIBRARY_HOOK).map_err(SetupError::file("write", &util))?;
    forget_prefix(python, &library)
}

/// Lets an interpreter that cannot determine its own path find its library all the same: it then looks below
/// the prefix that it was built with. This happens if a program starts `python3` by its bare name without
/// `PATH`.
///
/// After the packages, whose directory gets a file.
pub(crate) fn link_prefix(python: &Interpreter, rootfs: &Path) -> Result<(), SetupError> {
    let Some(link) = prefix_link(&python.prefix, &python.platlibdir, python.version.1) else {
        return Ok(());
    };
    let up = "../".repeat(link.components().count() - 1);
    tree::link(&format!("{up}{}", destination(python)), &rootfs.join(link))?;
    let packages = rootfs.join(python.site_packages.trim_start_matches('/'));
    for (name, text) in [("sandbox_prefix.pth", PREFIX_PTH), ("sandbox_prefix.py", PREFIX_HOOK)] {
        let path = packages.join(name);
        fs::write(&path, text).map_err(SetupError::file("write", path))?;
    }
    Ok(())
}

/// Directories of users: a link there would reveal their names, and programs look there for what a host has.
const OF_USERS: [&str; 2] = ["root", "home"];

/// The library's path below a prefix, below the root; `None` if no link is needed, it would be hidden, or it
/// would reveal more than it is worth.
fn prefix_link(prefix: &Path, platlibdir: &str, minor: u8) -> Option<PathBuf> {
    let below = prefix.strip_prefix("/").ok()?;
    let first = below.components().next()?.as_os_str().to_str()?;
    let is_plain = below.components().all(|part| matches!(part, Component::Normal(_)));
    let is_hidden = MOUNTED_OVER.contains(&first) || OF_USERS.contains(&first);
    let is_seen = is_plain && !is_hidden && below != Path::new("usr");
    is_seen.then(|| below.join(platlibdir).join(format!("python3.{minor}")))
}

/// Whether a path below the standard library is left out.
fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_library_of_no_use = name.starts_with("_tkinter.")
        || name.starts_with("_test")
        || name.starts_with("_ctypes_test")
        || name.starts_with("_xxtestfuzz")
        || name.starts_with("xxlimited")
        // NIS pulls in half of Kerberos.
        || name.starts_with("nis.");
    // `config-3.11-x86_64-linux-gnu` holds the static library and the Makefile.
    let is_build_part = name.starts_with("config-") || name.ends_with(".a") || name.ends_with(".pyc");
    LEFT_OUT.contains(&name) || is_library_of_no_use || is_build_part
}

/// Replaces the machine's prefix by `/usr` in the build-time variables, which `sysconfig` shows and programs
/// use.
///
/// Compiled files keep it, as their search path for libraries and as a fallback that is never reached:
/// overwriting it there damages other texts, since linkers let a text share the end of a longer one (such as
/// the version number).
fn forget_prefix(python: &Interpreter, library: &Path) -> Result<(), SetupError> {
    let prefix = python.prefix.to_string_lossy();
    if prefix == "/usr" || prefix == "/" {
        return Ok(());
    }
    for entry in fs::read_dir(library).map_err(SetupError::file("list", library))? {
        let path = entry.map_err(SetupError::file("list", library))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("_sysconfigdata_")
            || name.starts_with("_sysconfig_vars_")
            || name == "build-details.json"
        {
            let text = fs::read_to_string(&path).map_err(SetupError::file("read", &path))?;
            fs::write(&path, text.replace(&*prefix, "/usr")).map_err(SetupError::file("write", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_prefix_gets_a_link_where_programs_can_see_it() {
        let link = |prefix: &str| prefix_link(Path::new(prefix), "lib", 11);
        assert_eq!(link("/opt/python"), Some(PathBuf::from("opt/python/lib/python3.11")));
        assert_eq!(link("/usr/local"), Some(PathBuf::from("usr/local/lib/python3.11")));
        for prefix in [
            "/usr",
            "/",
            "/tmp/python",
            "/root/.pyenv/versions/3.11.7",
            "/home/a/python",
            "relative",
            "/opt/../usr",
        ] {
            assert_eq!(link(prefix), None, "{prefix}");
        }
    }

    #[test]
    fn leaves_out_tests_and_displays_but_no_module_of_use() {
        for path in [
            "test",
            "ctypes/test",
            "lib2to3/tests",
            "lib-dynload/_tkinter.cpython-311.so",
            "config-3.11-x86_64",
        ] {
            assert!(is_left_out(Path::new(path)), "{path}");
        }
        for path in [
            "json",
            "unittest",
            "doctest.py",
            "lib-dynload/_ssl.cpython-311.so",
            "site.py",
            "configparser.py",
        ] {
            assert!(!is_left_out(Path::new(path)), "{path}");
        }
    }
}
