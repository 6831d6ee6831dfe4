//! A runtime with an added module, to test what code can do that a template imports.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// An overlay on a prepared root file system, mounted until this is dropped. Needs root.
#[derive(Debug)]
pub struct Planted {
    /// The root file system with the module.
    pub rootfs: PathBuf,
}

impl Planted {
    /// Mounts one in an empty directory.
    ///
    /// # Errors
    /// If there is no root file system, or no overlay can be mounted.
    pub fn new(directory: &Path, below: &Path, module: &str, text: &str) -> io::Result<Self> {
        let [upper, work, rootfs] = ["upper", "work", "rootfs"].map(|name| directory.join(name));
        for path in [&upper, &work, &rootfs] {
            fs::create_dir(path)?;
        }
        let packages = site_packages(below)?;
        let packages = upper.join(packages.strip_prefix(below).map_err(io::Error::other)?);
        fs::create_dir_all(&packages)?;
        fs::write(packages.join(format!("{module}.py")), text)?;
        let options =
            format!("lowerdir={},upperdir={},workdir={}", below.display(), upper.display(), work.display());
        let mut mount = Command::new("mount");
        let status = mount.args(["-t", "overlay", "overlay", "-o", &options]).arg(&rootfs).status()?;
        if status.success() {
            Ok(Self { rootfs })
        } else {
            Err(io::Error::other("the overlay cannot be mounted"))
        }
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.rootfs).status();
    }
}

fn site_packages(rootfs: &Path) -> io::Result<PathBuf> {
    let libraries = fs::read_dir(rootfs.join("usr/lib"))?.flatten().map(|entry| entry.path());
    let mut found = libraries.map(|path| path.join("site-packages"));
    found.find(|path| path.is_dir()).ok_or_else(|| io::Error::other("no site-packages"))
}
