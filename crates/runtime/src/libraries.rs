//! Collects the shared libraries that the interpreter, the standard library and the packages need.
//!
//! All of them go to one directory, the one where the C library was found: it is a default of that loader, so
//! neither a cache nor a configuration is needed inside. Libraries bundled with a package (`numpy.libs`) are
//! already in the tree and stay there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::elf::{Needed, is_elf, loader_of, needed_by};
use crate::error::SetupError;
use crate::progress::Progress;
use crate::python::Interpreter;
use crate::{stdlib, tree};

/// Loaded by name at run time, so no file lists the dependency: ending a thread, looking up users
/// (before glibc 2.34).
const LOADED_BY_NAME: [&str; 2] = ["libgcc_s.so.1", "libnss_files.so.2"];
/// The only locale of programs. glibc has it as a file only.
const LOCALE_NAMES: [&str; 2] = ["C.utf8", "C.UTF-8"];

/// The dynamic loader of the interpreter, if wheels can work with it.
pub(crate) fn check_loader(python: &Interpreter) -> Result<PathBuf, SetupError> {
    let executable = &python.executable;
    let refuse = |reason| SetupError::Interpreter { path: executable.clone(), reason };
    let loader = loader_of(executable)
        .map_err(SetupError::file("read", executable))?
        .ok_or_else(|| refuse("it is not a dynamically linked 64-bit program, so it cannot load packages"))?;
    let is_musl = loader.to_string_lossy().contains("ld-musl");
    if is_musl { Err(refuse("it is built for musl, the packages are built for glibc")) } else { Ok(loader) }
}

/// Copies the loader and every library into the tree.
pub(crate) fn collect(
    python: &Interpreter,
    loader: &Path,
    rootfs: &Path,
    progress: &mut dyn Progress,
) -> Result<(), SetupError> {
    let mut found = BTreeMap::new();
    add_needs_of(loader, &python.executable, rootfs, &mut found)?;
    let directory = found
        .iter()
        .find(|(name, _)| name.starts_with("libc.so"))
        .and_then(|(_, path): (_, &PathBuf)| path.parent())
        .map(Path::to_owned)
        .ok_or_else(|| SetupError::Interpreter {
            path: python.executable.clone(),
            reason: "its loader names no C library",
        })?;

    for (inside, original) in compiled_files(python, rootfs)? {
        match add_needs_of(loader, &original, rootfs, &mut found) {
            // A module of the standard library that does not load on this machine either.
            Err(SetupError::LibraryMissing { library, .. }) if inside != original => {
                progress.detail(&format!("without {}: no {library} here", file_name(&inside)));
                fs::remove_file(&inside).map_err(SetupError::file("remove", &inside))?;
            }
            other => other?,
        }
    }
    for name in LOADED_BY_NAME {
        let path = directory.join(name);
        if path.is_file() {
            found.entry(name.to_owned()).or_insert(path);
        }
    }

    let inside = rootfs.join(below_root(&directory));
    for (name, path) in &found {
        tree::copy_file(path, &inside.join(name))?;
    }
    // The kernel starts the loader under the path that the executable names.
    let named = rootfs.join(below_root(loader));
    tree::copy_file(loader, &named)?;
    copy_locale(rootfs)?;
    progress.detail(&format!("{} shared libraries", found.len()));
    Ok(())
}

/// Adds the dependencies of `file` to `found`, by name. The first path wins: the interpreter's own libraries
/// come first.
fn add_needs_of(
    loader: &Path,
    file: &Path,
    rootfs: &Path,
    found: &mut BTreeMap<String, PathBuf>,
) -> Result<(), SetupError> {
    let needed = needed_by(loader, file).map_err(SetupError::command("resolve shared libraries"))?;
    for item in needed {
        match item {
            Needed::Missing { name } => {
                return Err(SetupError::LibraryMissing { library: name, needed_by: file.to_owned() });
            }
            Needed::Found { name, path } => {
                let real = fs::canonicalize(&path).map_err(SetupError::file("resolve", &path))?;
                if !real.starts_with(rootfs) {
                    found.entry(name).or_insert(path);
                }
            }
        }
    }
    Ok(())
}

/// Every compiled module in the tree, with the file to resolve: for the standard library that is the
/// original, as its search path may be relative to its own path.
fn compiled_files(python: &Interpreter, rootfs: &Path) -> Result<Vec<(PathBuf, PathBuf)>, SetupError> {
    let library = rootfs.join(stdlib::destination(python));
    let packages = rootfs.join(python.site_packages.trim_start_matches('/'));
    let mut files = Vec::new();
    for top in [&library, &packages] {
        for tree::Entry { path, metadata } in tree::walk(top)? {
            let is_seen = top == &library && path.starts_with(&packages);
            // A bundled library is found through the search path of the module that needs it, not
            // through its own.
            let is_bundled = path.parent().is_some_and(|parent| file_name(parent).ends_with(".libs"));
            if !metadata.is_file()
                || is_seen
                || is_bundled
                || !file_name(&path).contains(".so")
                || !is_elf(&path)
            {
                continue;
            }
            let original = match path.strip_prefix(&library) {
                Ok(below) if !path.starts_with(&packages) => [&python.platstdlib, &python.stdlib]
                    .iter()
                    .map(|from| from.join(below))
                    .find(|from| from.is_file()),
                _ => None,
            };
            files.push((path.clone(), original.unwrap_or(path)));
        }
    }
    Ok(files)
}

/// A path of the machine as a path below the root, where `/lib` and the like are links to `/usr/lib` and so
/// on.
fn below_root(path: &Path) -> PathBuf {
    let below = path.strip_prefix("/").unwrap_or(path);
    match below.components().next().and_then(|first| first.as_os_str().to_str()) {
        Some("lib" | "lib64" | "bin" | "sbin") => Path::new("usr").join(below),
        _ => below.to_owned(),
    }
}

/// Copies the C.UTF-8 locale, without which programs that set their locale from the environment fail.
fn copy_locale(rootfs: &Path) -> Result<(), SetupError> {
    let locales = Path::new("/usr/lib/locale");
    match LOCALE_NAMES.iter().map(|name| locales.join(name)).find(|path| path.is_dir()) {
        Some(from) => tree::copy(&from, &rootfs.join("usr/lib/locale/C.utf8"), &|_| false),
        None => Ok(()),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_top_directories_are_below_usr() {
        assert_eq!(below_root(Path::new("/lib64/ld.so")), Path::new("usr/lib64/ld.so"));
        assert_eq!(below_root(Path::new("/usr/lib/x/libc.so.6")), Path::new("usr/lib/x/libc.so.6"));
        assert_eq!(below_root(Path::new("/opt/lib/libx.so")), Path::new("opt/lib/libx.so"));
    }

    #[test]
    fn needs_are_collected_once_and_not_from_inside() {
        let own = std::env::current_exe().unwrap();
        let loader = loader_of(&own).unwrap().unwrap();
        let mut found = BTreeMap::new();
        add_needs_of(&loader, &own, Path::new("/nonexistent"), &mut found).unwrap();
        assert!(found.keys().any(|name| name.starts_with("libc.so")), "{found:?}");
        let mut none = BTreeMap::new();
        add_needs_of(&loader, &own, Path::new("/"), &mut none).unwrap();
        assert!(none.is_empty());
    }
}
