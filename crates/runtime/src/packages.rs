//! Installs the pinned packages: downloads the wheels once, then installs them into the tree without
//! network access.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::PackageList;
use crate::command::{command, run};
use crate::error::SetupError;
use crate::progress::Progress;
use crate::python::Interpreter;
use crate::tree;

/// Arguments of every pip call: only wheels in the lock, and nothing built from source (that would run
/// its code).
const PIP_ARGUMENTS: [&str; 6] =
    ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input"];

/// A temporary virtual environment, whose pip does the work.
#[derive(Debug)]
pub(crate) struct Installer {
    venv: PathBuf,
    lock: PathBuf,
    wheels: PathBuf,
    list: PackageList,
    /// The empty file whose lock the set-up holds. Our children have it as their input and so hold the lock
    /// too: if we are killed, the next set-up waits until a pip that goes on without us has ended.
    setup_lock: File,
}

impl Installer {
    /// Sets the paths of an installer below `scratch`; `wheels` outlives it.
    pub(crate) fn new(scratch: &Path, wheels: &Path, list: PackageList, setup_lock: File) -> Self {
        let venv = scratch.join("venv");
        Self { venv, lock: scratch.join("packages.lock"), wheels: wheels.to_owned(), list, setup_lock }
    }

    /// Makes the virtual environment.
    pub(crate) fn prepare(&self, python: &Interpreter) -> Result<(), SetupError> {
        tree::remove(&self.venv)?;
        let mut make = self.helper(&python.executable)?;
        run(make.args(["-I", "-m", "venv"]).arg(&self.venv))
            .map_err(SetupError::command("make a virtual environment"))?;
        fs::write(&self.lock, self.list.lock()).map_err(SetupError::file("write", &self.lock))
    }

    /// Downloads every wheel of the lock into the wheel directory. Existing ones (from an earlier set-up,
    /// or put there by hand on a machine without network) are checked and kept.
    pub(crate) fn download(&self, progress: &mut dyn Progress) -> Result<(), SetupError> {
        fs::create_dir_all(&self.wheels).map_err(SetupError::file("create", &self.wheels))?;
        let mut offline = self.pip("download")?;
        if run(offline.arg("--no-index").arg("--dest").arg(&self.wheels)).is_ok() {
            progress.detail("all wheels are already downloaded");
            return Ok(());
        }
        run(self.pip("download")?.arg("--dest").arg(&self.wheels))
            .map_err(SetupError::command("download the packages"))?;
        Ok(())
    }

    /// Installs the wheels into the tree.
    pub(crate) fn install(&self, python: &Interpreter, rootfs: &Path) -> Result<(), SetupError> {
        let target = rootfs.join(python.site_packages.trim_start_matches('/'));
        tree::remove(&target)?;
        let mut install = self.pip("install")?;
        // What pip compiles would contain paths of the host.
        install
            .args(["--no-index", "--no-compile", "--no-user", "--no-warn-script-location", "--target"])
            .arg(&target);
        run(&mut install).map_err(SetupError::command("install the packages"))?;
        thin_out(&target)
    }

    fn pip(&self, verb: &str) -> Result<Command, SetupError> {
        let mut pip = self.helper(&self.venv.join("bin/python"))?;
        pip.args(["-I", "-m", "pip", verb]).args(PIP_ARGUMENTS).arg("--find-links").arg(&self.wheels);
        pip.arg("--requirement").arg(&self.lock);
        Ok(pip)
    }

    /// A command that holds the lock as long as it runs.
    fn helper(&self, program: &Path) -> Result<Command, SetupError> {
        let lock = self.setup_lock.try_clone().map_err(SetupError::file("share the lock with", program))?;
        let mut helper = command(program);
        helper.stdin(lock);
        Ok(helper)
    }
}

/// Directories that no program imports: start scripts (they name the host's interpreter), manual pages, files
/// for a compiler or a notebook's web page.
const LEFT_OUT: [&str; 5] = ["bin", "share", "pyarrow/include", "pyarrow/includes", "plotly/labextension"];
/// Parts of pyarrow that need a network (50 of its 160 MB), by prefixes of their names. It works without
/// them.
const NETWORK_PARTS: [&str; 6] =
    ["libarrow_flight.", "libarrow_python_flight.", "_flight.", "libarrow_s3.", "_s3fs.", "_gcsfs."];

/// Removes what no program imports, and also tests and static libraries.
fn thin_out(site_packages: &Path) -> Result<(), SetupError> {
    for name in LEFT_OUT {
        tree::remove(&site_packages.join(name))?;
    }
    for tree::Entry { path, metadata } in tree::walk(site_packages)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if metadata.is_dir() && name == "tests" {
            tree::remove(&path)?;
        } else if metadata.is_file() && (name.ends_with(".a") || is_network_part(&path, name)) {
            // It may have been removed with the tests around it.
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

fn is_network_part(path: &Path, name: &str) -> bool {
    let is_pyarrow = path.parent().is_some_and(|parent| parent.ends_with("pyarrow"));
    is_pyarrow && NETWORK_PARTS.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use std::fs::TryLockError;

    use super::*;

    #[test]
    fn a_helper_that_outlives_us_holds_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("setup.lock");
        let open =
            || File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        let lock = open();
        lock.lock().unwrap();
        let installer = Installer::new(directory.path(), directory.path(), PackageList::Minimal, lock);
        let mut helper = installer.helper(Path::new("sleep")).unwrap();
        let mut child = helper.arg("60").spawn().unwrap();
        drop((installer, helper));
        assert!(matches!(open().try_lock(), Err(TryLockError::WouldBlock)));
        child.kill().unwrap();
        child.wait().unwrap();
        open().try_lock().unwrap();
    }

    #[test]
    fn only_what_programs_import_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for name in ["bin", "numpy/tests", "numpy/testing", "numpy/lib", "pyarrow"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in
            ["bin/f2py", "numpy/tests/test_a.py", "numpy/tests/x.a", "numpy/lib/libnpymath.a", "numpy/a.py"]
                .into_iter()
                .chain(["pyarrow/lib.so", "pyarrow/libarrow_s3.so.1", "pyarrow/_flight.so"])
        {
            fs::write(root.join(name), "").unwrap();
        }
        thin_out(root).unwrap();
        let mut left: Vec<_> = tree::walk(root).unwrap().into_iter().map(|entry| entry.path).collect();
        left.sort();
        let expected = ["numpy", "numpy/a.py", "numpy/lib", "numpy/testing", "pyarrow", "pyarrow/lib.so"]
            .map(|name| root.join(name));
        assert_eq!(left, expected);
    }
}
