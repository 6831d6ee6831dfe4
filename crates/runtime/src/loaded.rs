//! A runtime that is ready for use: the prepared one, or an operator's own root file system.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::PackageList;
use crate::error::LoadError;
use crate::inputs::program_env;
use crate::manifest::{MANIFEST_NAME, Manifest, Package, ROOTFS_NAME, list_packages};

/// Directories that a sandbox mounts over; they must exist, since the tree is read-only by then.
const MOUNT_POINTS: [&str; 4] = ["proc", "dev", "sys", "tmp"];
/// Directories of an operator's tree that hold code: the interpreter, its libraries, and what either reads at
/// its start. In the others an image has files of many users.
const CODE_DIRECTORIES: [&str; 9] = ["bin", "etc", "lib", "lib32", "lib64", "libx32", "opt", "sbin", "usr"];
/// How deep a prepared tree is checked at each start: down to the entries of
/// `usr/lib/python3.X/site-packages`. A user who can write to none of them cannot change anything below
/// either, and set-up makes all of it as one user. The whole tree would take ten times as long, 50 ms for the
/// list `full`.
const PREPARED_DEPTH: usize = 5;
/// Possible paths of the interpreter, best first.
const INTERPRETERS: [&str; 4] =
    ["usr/bin/python3", "usr/local/bin/python3", "bin/python3", "opt/python/bin/python3"];

/// A root file system that programs can run in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// The tree on the host, absolute. To be mounted read-only.
    pub rootfs: PathBuf,
    /// The interpreter's path inside the tree, absolute.
    pub interpreter: String,
    /// Major, minor and micro version. For an operator's own tree the micro version is unknown and 0.
    pub python_version: (u8, u8, u8),
    /// Identifies the tree's content; `custom` for an operator's own tree.
    pub id: String,
    /// The list of packages that it was made with; `None` for an operator's own tree.
    pub list: Option<PackageList>,
    /// The environment of programs, sorted by name.
    pub env: Vec<(String, String)>,
    /// The installed packages, sorted by name.
    pub packages: Vec<Package>,
}

impl Runtime {
    /// Loads the finished runtime below `data_dir` that this version of the program would make, with any list
    /// of packages; of several, the one that a set-up last made or selected.
    ///
    /// # Errors
    /// If there is none, or it is outdated (the message says to run `python-sandbox setup`), or it cannot be
    /// read.
    pub fn load(data_dir: &Path) -> Result<Self, LoadError> {
        Self::load_list(data_dir, None)
    }

    /// The same with this list of packages.
    ///
    /// # Errors
    /// As above, and if only another list is prepared.
    pub fn load_list(data_dir: &Path, list: Option<PackageList>) -> Result<Self, LoadError> {
        let directory = runtimes_dir(data_dir);
        // What is made in it later is checked again with the path to it.
        ownership::check(&directory).map(drop).map_err(untrusted)?;
        let mut manifests = Vec::new();
        let mut damaged = None;
        for path in finished_dirs(&directory)? {
            match read_manifest(&path) {
                Ok(manifest) => manifests.push((path, manifest)),
                // Another runtime may be complete; this error is returned only if none is.
                Err(error) => damaged = Some(error),
            }
        }
        let newest = |list: Option<PackageList>| {
            manifests
                .iter()
                .filter(|(path, manifest)| manifest.is_current() && path.join(ROOTFS_NAME).is_dir())
                .filter(|(_, manifest)| list.is_none() || manifest.list() == list)
                .max_by_key(|(path, manifest)| (asked_for_at(path), manifest.created_at.clone()))
        };
        let other =
            list.map(|wanted| (wanted, wanted.other())).filter(|(_, other)| newest(Some(*other)).is_some());
        match (newest(list), damaged) {
            (Some((path, manifest)), _) => {
                check_prepared(path)?;
                Ok(Self::from_manifest(path, manifest))
            }
            (None, Some(error)) => Err(error),
            (None, None) if let Some((wanted, found)) = other => {
                Err(LoadError::OtherList { path: directory, wanted, found })
            }
            (None, None) if manifests.is_empty() => Err(LoadError::NotPrepared { path: directory }),
            (None, None) => {
                let ids: Vec<_> = manifests.iter().map(|(_, manifest)| manifest.id.as_str()).collect();
                Err(LoadError::Outdated { path: directory, found: ids.join(", ") })
            }
        }
    }

    /// Uses an operator's own root file system, for example an unpacked container image.
    ///
    /// It must hold CPython 3 with its standard library and the empty directories `proc`, `dev`, `sys` and
    /// `tmp`. Nothing in it is run, and nothing is checked about its packages. The directories that hold code
    /// (`usr`, `lib`, `etc` and their like) must be writable for root and this user alone, with all that is
    /// in them.
    ///
    /// # Errors
    /// If something is missing (everything missing is named), or the tree cannot be read.
    pub fn from_rootfs(rootfs: &Path) -> Result<Self, LoadError> {
        // The path as given: a link is checked where it is. One that is missing has no canonical path.
        ownership::check(rootfs).map(drop).map_err(untrusted)?;
        let rootfs = fs::canonicalize(rootfs).map_err(|error| LoadError::Incomplete {
            rootfs: rootfs.to_owned(),
            missing: vec![format!("the directory itself ({error})")],
        })?;
        check_own_tree(&rootfs).map_err(untrusted)?;
        let mut missing: Vec<String> = MOUNT_POINTS
            .iter()
            .filter(|name| !rootfs.join(name).is_dir())
            .map(|name| format!("the directory `/{name}` (mount point)"))
            .collect();
        let interpreter = INTERPRETERS.iter().find(|path| fs::symlink_metadata(rootfs.join(path)).is_ok());
        if interpreter.is_none() {
            missing.push("`/usr/bin/python3` (the interpreter)".to_owned());
        }
        let library = find_library(&rootfs);
        if library.is_none() {
            missing.push("`/usr/lib/python3.X/os.py` (the standard library)".to_owned());
        }
        let (Some(interpreter), Some((minor, library)), true) = (interpreter, library, missing.is_empty())
        else {
            return Err(LoadError::Incomplete { rootfs, missing });
        };
        let mut packages: Vec<Package> = ["site-packages", "dist-packages"]
            .iter()
            .filter_map(|name| list_packages(&library.join(name)).ok())
            .flatten()
            .collect();
        packages.sort();
        Ok(Self {
            rootfs,
            interpreter: format!("/{interpreter}"),
            python_version: (3, minor, 0),
            id: "custom".to_owned(),
            list: None,
            env: program_env().into_iter().collect(),
            packages,
        })
    }

    /// Loads one finished runtime directory, whether current or not.
    pub(crate) fn from_dir(path: &Path) -> Result<Self, LoadError> {
        check_prepared(path)?;
        Ok(Self::from_manifest(path, &read_manifest(path)?))
    }

    fn from_manifest(path: &Path, manifest: &Manifest) -> Self {
        let python = &manifest.python;
        Self {
            rootfs: path.join(ROOTFS_NAME),
            interpreter: manifest.interpreter.clone(),
            python_version: (python.major, python.minor, python.micro),
            id: manifest.id.clone(),
            list: manifest.list(),
            env: manifest.env.clone().into_iter().collect(),
            packages: manifest.packages.clone(),
        }
    }
}

fn untrusted(source: ownership::Refusal) -> LoadError {
    LoadError::Untrusted { source }
}

/// Checks a finished runtime directory. Templates run its code with the service's privileges.
fn check_prepared(directory: &Path) -> Result<(), LoadError> {
    ownership::check(&directory.join(MANIFEST_NAME)).map(drop).map_err(untrusted)?;
    ownership::check_tree(&directory.join(ROOTFS_NAME), PREPARED_DEPTH).map_err(untrusted)
}

/// Checks an operator's tree, whose origin is unknown: all that is code.
fn check_own_tree(rootfs: &Path) -> Result<(), ownership::Refusal> {
    for name in CODE_DIRECTORIES {
        let directory = rootfs.join(name);
        // A link, such as `lib` to `usr/lib`, is resolved inside the tree.
        if fs::symlink_metadata(&directory).is_ok_and(|metadata| metadata.is_dir()) {
            ownership::check_tree(&directory, usize::MAX)?;
        }
    }
    Ok(())
}

/// When a set-up last made or selected the runtime in this directory: the mtime of its manifest.
fn asked_for_at(directory: &Path) -> SystemTime {
    let modified = fs::metadata(directory.join(MANIFEST_NAME)).and_then(|metadata| metadata.modified());
    modified.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Makes the runtime that a set-up selected the one that [`Runtime::load`] returns. Best effort: without
/// write permission the setting can be used instead.
pub(crate) fn prefer(runtime: &Runtime) {
    let manifest = runtime.rootfs.with_file_name(MANIFEST_NAME);
    if let Ok(file) = fs::File::options().append(true).open(manifest) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// The directory of the runtimes below a data directory.
pub(crate) fn runtimes_dir(data_dir: &Path) -> PathBuf {
    let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    data_dir.join("runtime")
}

/// The directories with a manifest that are finished. None if `directory` is missing.
fn finished_dirs(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let read = |source| LoadError::Read { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(read)?.path();
        // `<id>.partial` and `<id>.old` are not finished; an id has dots, so the last suffix is compared.
        let is_other = path.extension().is_some_and(|suffix| suffix == "partial" || suffix == "old");
        if !is_other && path.join(MANIFEST_NAME).is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

fn read_manifest(directory: &Path) -> Result<Manifest, LoadError> {
    let path = directory.join(MANIFEST_NAME);
    ownership::check(&path).map(drop).map_err(untrusted)?;
    let text = fs::read_to_string(&path).map_err(|source| LoadError::Read { path: path.clone(), source })?;
    serde_json::from_str(&text).map_err(|source| LoadError::Manifest { path, source })
}

/// The newest standard library in a tree: its minor version and its directory.
fn find_library(rootfs: &Path) -> Option<(u8, PathBuf)> {
    let parents = ["usr/lib", "usr/lib64", "usr/local/lib", "lib"];
    let entries =
        parents.iter().filter_map(|parent| fs::read_dir(rootfs.join(parent)).ok()).flatten().flatten();
    entries
        .filter_map(|entry| {
            let minor = entry.file_name().to_str()?.strip_prefix("python3.")?.parse::<u8>().ok()?;
            entry.path().join("os.py").is_file().then(|| (minor, entry.path()))
        })
        .max_by_key(|(minor, _)| *minor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::{sample, sample_of};

    fn write_runtime(data_dir: &Path, name: &str, manifest: &Manifest) {
        let directory = runtimes_dir(data_dir).join(name);
        fs::create_dir_all(directory.join(ROOTFS_NAME)).unwrap();
        fs::write(directory.join(MANIFEST_NAME), serde_json::to_string(manifest).unwrap()).unwrap();
    }

    #[test]
    fn an_empty_data_directory_names_the_command() {
        let directory = tempfile::tempdir().unwrap();
        let error = Runtime::load(directory.path()).unwrap_err();
        assert!(error.to_string().contains("python-sandbox setup"), "{error}");
    }

    #[test]
    fn the_newest_current_runtime_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let at = |id: &str, created_at: &str| Manifest {
            id: id.into(),
            created_at: created_at.into(),
            ..sample()
        };
        write_runtime(directory.path(), "one", &at("one", "2026-01-01T00:00:00Z"));
        write_runtime(directory.path(), "two", &at("two", "2026-02-01T00:00:00Z"));
        write_runtime(directory.path(), "three.partial", &at("three", "2026-03-01T00:00:00Z"));
        let foreign = Manifest { inputs_sha256: "0".into(), ..at("four", "2026-04-01T00:00:00Z") };
        write_runtime(directory.path(), "four", &foreign);

        let runtime = Runtime::load(directory.path()).unwrap();
        assert_eq!(runtime.id, "two");
        assert_eq!(runtime.python_version, (3, 11, 7));
        assert!(runtime.rootfs.is_absolute() && runtime.rootfs.ends_with("two/rootfs"));
        assert!(runtime.env.contains(&("MPLBACKEND".to_owned(), "Agg".to_owned())));
    }

    #[test]
    fn trees_of_both_lists_stand_side_by_side() {
        let directory = tempfile::tempdir().unwrap();
        let load = |list| Runtime::load_list(directory.path(), list).map(|runtime| runtime.list);
        write_runtime(directory.path(), "full", &sample_of(PackageList::Full));
        let error = load(Some(PackageList::Minimal)).unwrap_err().to_string();
        assert!(error.contains("setup --packages minimal") && error.contains("=full"), "{error}");
        let minimal = Manifest { created_at: "2026-02-01T00:00:00Z".into(), ..sample() };
        write_runtime(directory.path(), "minimal", &minimal);
        assert_eq!(load(Some(PackageList::Full)).unwrap(), Some(PackageList::Full));
        assert_eq!(load(Some(PackageList::Minimal)).unwrap(), Some(PackageList::Minimal));
        assert_eq!(load(None).unwrap(), Some(PackageList::Minimal), "the newest");
        prefer(&Runtime::load_list(directory.path(), Some(PackageList::Full)).unwrap());
        assert_eq!(load(None).unwrap(), Some(PackageList::Full), "the one that was asked for last");
    }

    #[test]
    fn an_outdated_runtime_is_named() {
        let directory = tempfile::tempdir().unwrap();
        write_runtime(
            directory.path(),
            "old-one",
            &Manifest { id: "old-one".into(), builder_version: 0, ..sample() },
        );
        let error = Runtime::load(directory.path()).unwrap_err();
        assert!(matches!(&error, LoadError::Outdated { found, .. } if found == "old-one"), "{error}");
    }

    #[test]
    fn a_damaged_manifest_does_not_hide_a_whole_one() {
        let directory = tempfile::tempdir().unwrap();
        let damaged = runtimes_dir(directory.path()).join("damaged");
        fs::create_dir_all(&damaged).unwrap();
        fs::write(damaged.join(MANIFEST_NAME), "{").unwrap();
        assert!(matches!(Runtime::load(directory.path()), Err(LoadError::Manifest { .. })));
        write_runtime(directory.path(), "whole", &sample());
        assert!(Runtime::load(directory.path()).is_ok());
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_runtime_that_others_can_change_is_not_loaded() {
        let directory = tempfile::tempdir().unwrap();
        write_runtime(directory.path(), "one", &sample());
        let one = runtimes_dir(directory.path()).join("one");
        let packages = one.join(ROOTFS_NAME).join("usr/lib/python3.11/site-packages");
        fs::create_dir_all(&packages).unwrap();
        fs::write(packages.join("a.pth"), "").unwrap();
        assert!(Runtime::load(directory.path()).is_ok());
        let all = [
            directory.path().to_owned(),
            runtimes_dir(directory.path()),
            one.clone(),
            one.join(MANIFEST_NAME),
            one.join(ROOTFS_NAME),
            packages.clone(),
            packages.join("a.pth"),
        ];
        for path in all {
            let before = fs::metadata(&path).unwrap().permissions();
            mode(&path, 0o777);
            let error = Runtime::load(directory.path()).unwrap_err();
            assert!(matches!(error, LoadError::Untrusted { .. }), "{path:?}: {error}");
            fs::set_permissions(&path, before).unwrap();
            assert!(Runtime::load(directory.path()).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn an_own_tree_that_others_can_change_is_not_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let deep = root.join("usr/lib/python3.12/site-packages/x/y/z");
        for path in ["proc", "dev", "sys", "tmp", "usr/bin", "home/somebody"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        fs::create_dir_all(&deep).unwrap();
        fs::write(root.join("usr/lib/python3.12/os.py"), "").unwrap();
        fs::write(root.join("usr/bin/python3"), "").unwrap();
        fs::write(deep.join("code.py"), "").unwrap();
        mode(&root.join("tmp"), 0o1777);
        mode(&root.join("home/somebody"), 0o777);
        assert!(Runtime::from_rootfs(root).is_ok());
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("tree");
        std::os::unix::fs::symlink(root, &link).unwrap();
        assert!(Runtime::from_rootfs(&link).is_ok());
        mode(elsewhere.path(), 0o777);
        assert!(matches!(Runtime::from_rootfs(&link), Err(LoadError::Untrusted { .. })), "the link's place");
        for path in [root.to_owned(), root.join("usr/bin/python3"), deep.join("code.py")] {
            mode(&path, 0o777);
            let error = Runtime::from_rootfs(root).unwrap_err();
            assert!(matches!(error, LoadError::Untrusted { .. }), "{path:?}: {error}");
            mode(&path, 0o755);
        }
        assert!(Runtime::from_rootfs(root).is_ok());
    }

    #[test]
    fn an_own_tree_must_be_complete() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let LoadError::Incomplete { missing, .. } = Runtime::from_rootfs(root).unwrap_err() else { panic!() };
        assert_eq!(missing.len(), MOUNT_POINTS.len() + 2, "{missing:?}");
        let nowhere = Runtime::from_rootfs(&root.join("nowhere")).unwrap_err().to_string();
        assert!(nowhere.contains("RUNTIME_ROOTFS") && nowhere.contains("nowhere"), "{nowhere}");

        for name in ["proc", "dev", "sys", "tmp", "usr/bin", "usr/lib/python3.12/site-packages/x-1.dist-info"]
        {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("usr/lib/python3.12/os.py"), "").unwrap();
        // Links in another tree are resolved inside it, so they may dangle outside.
        std::os::unix::fs::symlink("/etc/alternatives/nowhere", root.join("usr/bin/python3")).unwrap();
        let runtime = Runtime::from_rootfs(root).unwrap();
        assert_eq!(runtime.python_version, (3, 12, 0));
        assert_eq!(runtime.interpreter, "/usr/bin/python3");
        assert_eq!(runtime.packages.len(), 1);
    }
}
