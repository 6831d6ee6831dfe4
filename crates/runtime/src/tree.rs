//! File trees: copying with a filter, walking, making modes uniform.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::error::SetupError;

/// An entry of a walk.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its path, including the walk's root.
    pub path: PathBuf,
    /// Its metadata; links are not followed.
    pub metadata: fs::Metadata,
}

/// Every entry below `root`, parents before children, names in order. Links are not followed.
pub(crate) fn walk(root: &Path) -> Result<Vec<Entry>, SetupError> {
    let mut entries = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for path in list(&directory)? {
            let metadata = fs::symlink_metadata(&path).map_err(SetupError::file("examine", &path))?;
            if metadata.is_dir() {
                waiting.push(path.clone());
            }
            entries.push(Entry { path, metadata });
        }
    }
    Ok(entries)
}

/// The entries of a directory, sorted by name.
fn list(directory: &Path) -> Result<Vec<PathBuf>, SetupError> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut paths = read().map_err(SetupError::file("list", directory))?;
    paths.sort();
    Ok(paths)
}

/// Copies the directory `from` to `to`, following links, without the entries for which `is_left_out` (given
/// the path below `from`) is true. Existing files are replaced one by one. Broken links and special
/// files are skipped.
pub(crate) fn copy(from: &Path, to: &Path, is_left_out: &dyn Fn(&Path) -> bool) -> Result<(), SetupError> {
    copy_below(from, to, Path::new(""), is_left_out, &mut Vec::new())
}

fn copy_below(
    from: &Path,
    to: &Path,
    below: &Path,
    is_left_out: &dyn Fn(&Path) -> bool,
    ancestors: &mut Vec<PathBuf>,
) -> Result<(), SetupError> {
    let source = from.join(below);
    let real = fs::canonicalize(&source).map_err(SetupError::file("resolve", &source))?;
    // A link to a directory that we are in would never end.
    if ancestors.contains(&real) {
        return Ok(());
    }
    ancestors.push(real);
    let directory = to.join(below);
    fs::create_dir_all(&directory).map_err(SetupError::file("create", &directory))?;
    for path in list(&source)? {
        let name = below.join(path.file_name().expect("a listed path has a name"));
        if is_left_out(&name) {
            continue;
        }
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            copy_below(from, to, &name, is_left_out, ancestors)?;
        } else if metadata.is_file() {
            copy_file(&path, &to.join(&name))?;
        }
    }
    ancestors.pop();
    Ok(())
}

/// Copies one file with its mode, making the directories on the way.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<(), SetupError> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(SetupError::file("create", parent))?;
    }
    fs::copy(from, to).map_err(SetupError::file("copy", from))?;
    Ok(())
}

/// Makes a symbolic link, replacing any file or link.
pub(crate) fn link(target: &str, at: &Path) -> Result<(), SetupError> {
    if fs::symlink_metadata(at).is_ok() {
        fs::remove_file(at).map_err(SetupError::file("replace", at))?;
    }
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent).map_err(SetupError::file("create", parent))?;
    }
    std::os::unix::fs::symlink(target, at).map_err(SetupError::file("link", at))
}

/// Removes a directory with its contents. A missing one is fine.
pub(crate) fn remove(directory: &Path) -> Result<(), SetupError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(SetupError::File { action: "remove", path: directory.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// What [`normalise`] counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// The sum of the sizes of all files, in bytes.
    pub bytes: u64,
    /// The number of files, directories and links.
    pub entries: u64,
}

/// Gives every entry the mode that it needs and no more (directories 0755, files 0644 or 0755, no setuid),
/// and refuses a tree that contains a link out of it or a special file.
pub(crate) fn normalise(root: &Path) -> Result<Size, SetupError> {
    let mut size = Size { bytes: 0, entries: 1 };
    set_mode(root, 0o755)?;
    for Entry { path, metadata } in walk(root)? {
        size.entries += 1;
        if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(SetupError::file("read the link", &path))?;
            let below = path.strip_prefix(root).expect("a walk stays below its root");
            if !stays_inside(below, &target) {
                return Err(SetupError::LinkEscapes { link: path, target });
            }
        } else if metadata.is_dir() {
            set_mode(&path, 0o755)?;
        } else if metadata.is_file() {
            size.bytes += metadata.len();
            let is_executable = metadata.permissions().mode() & 0o111 != 0;
            set_mode(&path, if is_executable { 0o755 } else { 0o644 })?;
        } else {
            fs::remove_file(&path).map_err(SetupError::file("remove the special file", &path))?;
        }
    }
    Ok(size)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), SetupError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(SetupError::file("set the mode of", path))
}

/// Whether a relative link at `below` (a path below the root) leads to a path below the root, wherever the
/// root is.
fn stays_inside(below: &Path, target: &Path) -> bool {
    let mut depth = below.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn copies_through_links_and_leaves_out() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("pkg/test")).unwrap();
        fs::write(from.join("pkg/a.py"), "a").unwrap();
        fs::write(from.join("pkg/test/b.py"), "b").unwrap();
        symlink("a.py", from.join("pkg/c.py")).unwrap();
        symlink("nowhere", from.join("broken")).unwrap();
        symlink(".", from.join("loop")).unwrap();
        copy(&from, &to, &|path| path.ends_with("test")).unwrap();
        let mut names: Vec<_> =
            walk(&to).unwrap().into_iter().map(|e| e.path.strip_prefix(&to).unwrap().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["pkg", "pkg/a.py", "pkg/c.py"].map(PathBuf::from));
        assert!(fs::symlink_metadata(to.join("pkg/c.py")).unwrap().is_file());
    }

    #[test]
    fn modes_become_uniform_and_setuid_goes() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::write(root.join("tool"), "12345").unwrap();
        fs::set_permissions(root.join("tool"), Permissions::from_mode(0o4711)).unwrap();
        fs::write(root.join("data"), "").unwrap();
        fs::set_permissions(root.join("data"), Permissions::from_mode(0o666)).unwrap();
        let size = normalise(root).unwrap();
        let mode = |name: &str| fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("tool"), mode("data")), (0o755, 0o644));
        assert_eq!(size, Size { bytes: 5, entries: 3 });
    }

    #[test]
    fn a_link_that_leads_out_is_refused() {
        assert!(stays_inside(Path::new("etc/localtime"), Path::new("../usr/share/zoneinfo/UTC")));
        assert!(stays_inside(Path::new("bin"), Path::new("usr/bin")));
        assert!(!stays_inside(Path::new("etc/x"), Path::new("../../x")));
        assert!(!stays_inside(Path::new("x"), Path::new("/etc/passwd")));
        let directory = tempfile::tempdir().unwrap();
        symlink("../../secret", directory.path().join("out")).unwrap();
        assert!(matches!(normalise(directory.path()), Err(SetupError::LinkEscapes { .. })));
    }
}
