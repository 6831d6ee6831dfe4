//! Copies the interpreter and its standard library, without what a sandbox has no use for.

use std::fs;
use std::path::Path;

use crate::error::SetupError;
use crate::python::Interpreter;
use crate::tree;

/// Modules that are of no use without a display, a network or a shell, or that are the tests of others.
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

/// Where the standard library goes, below the root: `usr/lib/python3.X`.
pub(crate) fn destination(python: &Interpreter) -> String {
    format!("usr/{}/python3.{}", python.platlibdir, python.version.1)
}

/// Copies both into the tree. `/usr` becomes the interpreter's prefix: it finds its library from its own
/// place.
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
    forget_prefix(python, &library)
}

/// Whether a path below the standard library is left out.
fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_library_of_no_use = name.starts_with("_tkinter.")
        || name.starts_with("_test")
        || name.starts_with("_ctypes_test")
        || name.starts_with("_xxtestfuzz")
        || name.starts_with("xxlimited")
        // The yellow pages bring in half of Kerberos.
        || name.starts_with("nis.");
    // `config-3.11-x86_64-linux-gnu` holds the static library and the Makefile.
    let is_build_part = name.starts_with("config-") || name.ends_with(".a") || name.ends_with(".pyc");
    LEFT_OUT.contains(&name) || is_library_of_no_use || is_build_part
}

/// Replaces the machine's prefix by `/usr` in the build-time variables, which `sysconfig` shows and programs
/// go by.
///
/// Compiled files keep it, as their search path for libraries and as a fall-back that is never reached:
/// overwriting it there damages other texts, since linkers let a text share the end of a longer one (the
/// version number is such a one).
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
