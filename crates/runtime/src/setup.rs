//! The set-up: makes a runtime step by step, so that an interrupted one can be resumed.
//!
//! ```text
//! find interpreter -> wait for the lock -> [already done?] -> steps in <id>.partial, each stamped -> rename
//! to <id>
//! ```
//!
//! A step may be repeated at any time: it replaces what an interrupted attempt left.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::command::{command, run};
use crate::error::SetupError;
use crate::inputs::{FONT_HOOKS, FONTS, inputs_sha256, program_env};
use crate::loaded::{Runtime, prefer, runtimes_dir};
use crate::lock::{self, WAIT_MAX};
use crate::manifest::{MANIFEST_NAME, Manifest, PythonVersion, ROOTFS_NAME, SCHEMA_VERSION, list_packages};
use crate::packages::Installer;
use crate::progress::Progress;
use crate::python::Interpreter;
use crate::{BUILDER_VERSION, PackageList, libraries, python, smoke, stdlib, system_files, tree};
use support::sha256_hex;

/// The part of a work directory that does not become part of the runtime.
const SCRATCH_NAME: &str = "scratch";

/// What to prepare, and where.
#[derive(Debug, Clone)]
pub struct SetupOptions {
    /// The service's data directory; created if it is missing.
    pub data_dir: PathBuf,
    /// The interpreter to build from; if `None`, the first usable one in `PATH`.
    pub python: Option<PathBuf>,
    /// The packages; if `None`, any finished runtime will do, and [`PackageList::DEFAULT`] is made if there
    /// is none.
    pub packages: Option<PackageList>,
    /// Builds again from the beginning even if a finished runtime exists. The service must not be running
    /// then: its sandboxes would lose their tree.
    pub force: bool,
}

/// Prepares the runtime and returns it. Returns at once if it is ready; resumes an interrupted set-up. A
/// second set-up at the same time waits for the first.
///
/// Without a named interpreter, any finished runtime for this version of the program is valid, even
/// if the interpreter that it was made from has changed or is gone.
///
/// # Errors
/// If no interpreter is usable, packages cannot be downloaded, a file operation fails, or the finished tree
/// does not work.
pub fn setup(options: &SetupOptions, progress: &mut dyn Progress) -> Result<Runtime, SetupError> {
    let ready = Runtime::load_list(&options.data_dir, options.packages);
    if let (None, false, Ok(runtime)) = (&options.python, options.force, &ready) {
        if options.packages.is_some() {
            prefer(runtime);
        }
        return Ok(runtime.clone());
    }
    // A rebuild uses the current list.
    let in_use = ready.ok().and_then(|runtime| runtime.list);
    let list = options.packages.or(in_use).unwrap_or(PackageList::DEFAULT);
    let interpreter = python::find(options.python.as_deref())?;
    let loader = libraries::check_loader(&interpreter)?;
    let id = runtime_id(&interpreter, list)?;

    let directory = runtimes_dir(&options.data_dir);
    make_directory(&directory)?;
    let setup_lock = lock::take(&directory.join("setup.lock"), WAIT_MAX, progress)?;
    let finished = directory.join(&id);
    if !options.force
        && let Ok(runtime) = Runtime::from_dir(&finished)
    {
        prefer(&runtime);
        return Ok(runtime);
    }

    let work = directory.join(format!("{id}.partial"));
    if options.force {
        tree::remove(&work)?;
    } else if let Err(refusal) = ownership::check_tree(&work, usize::MAX) {
        progress.detail(&format!("starting over: {refusal}"));
        tree::remove(&work)?;
    }
    let wheels = directory.join("wheels");
    announce(list, &directory, &interpreter, progress);
    let installer = Installer::new(&work.join(SCRATCH_NAME), &wheels, list, setup_lock);
    let build = Build { work, interpreter, loader, id, list, installer };
    build.run_all(progress)?;
    build.publish(&finished)?;
    Runtime::from_dir(&finished).map_err(|source| SetupError::Load { source })
}

/// Reports the cost of the set-up before it begins.
fn announce(list: PackageList, directory: &Path, python: &Interpreter, progress: &mut dyn Progress) {
    let (cost, other) = (list.cost(), list.other());
    progress.detail(&format!(
        "packages `{list}`: {} MB to download, {} MB on disk, about {} s plus the download",
        cost.download_mb, cost.disk_mb, cost.seconds
    ));
    progress.detail(&format!(
        "the other list is `{other}`, {} MB on disk: --packages {other}",
        other.cost().disk_mb
    ));
    progress.detail(&format!("from {}", python.executable.display()));
    progress.detail(&format!("into {}", directory.display()));
}

/// Derives the runtime's id from all of its inputs.
fn runtime_id(python: &Interpreter, list: PackageList) -> Result<String, SetupError> {
    let executable = fs::read(&python.executable).map_err(SetupError::file("read", &python.executable))?;
    let (major, minor, micro) = python.version;
    let version = format!("{major}.{minor}.{micro}");
    let inputs = format!(
        "{BUILDER_VERSION}\n{version}\n{}\n{}\n{}\n",
        python.machine,
        sha256_hex(&executable),
        inputs_sha256(list)
    );
    Ok(format!("cpython-{version}-{list}-{}", &sha256_hex(inputs.as_bytes())[..12]))
}

/// Creates the directory of the runtimes, and those above it, readable for all and writable only for this
/// user, whatever the umask; then checks the path to it, which others may have made.
fn make_directory(directory: &Path) -> Result<(), SetupError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .map_err(SetupError::file("create", directory))?;
    ownership::check(directory).map(drop).map_err(|source| SetupError::Untrusted { source })
}

/// A step: its stamp, its description for the user, its code.
type Step = (&'static str, &'static str, fn(&Build, &mut dyn Progress) -> Result<(), SetupError>);

/// All steps in order. A stamp names a step for ever: if its effect changes, [`BUILDER_VERSION`] is
/// raised.
const STEPS: [Step; 9] = [
    ("venv", "preparing the package installer", |build, _| build.installer.prepare(&build.interpreter)),
    ("wheels", "downloading the packages", |build, progress| build.installer.download(progress)),
    ("stdlib", "copying the interpreter and its standard library", |build, _| build.copy_interpreter()),
    ("packages", "installing the packages", |build, _| {
        build.installer.install(&build.interpreter, &build.rootfs())?;
        stdlib::link_prefix(&build.interpreter, &build.rootfs())
    }),
    ("fonts", "preparing the fonts", |build, progress| build.prepare_fonts(progress)),
    ("libraries", "collecting the shared libraries", |build, progress| {
        libraries::collect(&build.interpreter, &build.loader, &build.rootfs(), progress)
    }),
    ("compile", "compiling the modules", |build, progress| build.compile(progress)),
    ("finish", "finishing the file tree", |build, _| build.write_manifest()),
    ("smoke", "checking the result", |build, progress| build.check(progress)),
];

/// Runs every step (stamp and name) that has no stamp in the directory `stamps` yet, and stamps it. Once one
/// runs, all later ones do: they build on it.
fn run_unstamped(
    stamps: &Path,
    steps: &[(&str, &str)],
    progress: &mut dyn Progress,
    mut action: impl FnMut(usize, &mut dyn Progress) -> Result<(), SetupError>,
) -> Result<(), SetupError> {
    fs::create_dir_all(stamps).map_err(SetupError::file("create", stamps))?;
    let mut is_resuming = true;
    for (index, (stamp, name)) in steps.iter().enumerate() {
        progress.step(index + 1, steps.len(), name);
        let stamp = stamps.join(stamp);
        is_resuming &= stamp.exists();
        if is_resuming {
            progress.detail("already done");
            continue;
        }
        action(index, progress)?;
        fs::write(&stamp, "").map_err(SetupError::file("write", &stamp))?;
    }
    Ok(())
}

/// One set-up in progress.
struct Build {
    work: PathBuf,
    interpreter: Interpreter,
    loader: PathBuf,
    id: String,
    list: PackageList,
    installer: Installer,
}

impl Build {
    fn rootfs(&self) -> PathBuf {
        self.work.join(ROOTFS_NAME)
    }

    fn stamps(&self) -> PathBuf {
        self.work.join("stamps")
    }

    fn run_all(&self, progress: &mut dyn Progress) -> Result<(), SetupError> {
        let names = STEPS.map(|(stamp, name, _)| (stamp, name));
        run_unstamped(&self.stamps(), &names, progress, |index, progress| STEPS[index].2(self, progress))
    }

    fn copy_interpreter(&self) -> Result<(), SetupError> {
        let rootfs = self.rootfs();
        tree::remove(&rootfs)?;
        system_files::make_top(&rootfs)?;
        stdlib::install(&self.interpreter, &rootfs)
    }

    /// Runs matplotlib from the new tree with the machine's interpreter.
    fn prepare_fonts(&self, progress: &mut dyn Progress) -> Result<(), SetupError> {
        let rootfs = self.rootfs();
        let scratch = self.work.join(SCRATCH_NAME).join("fonts");
        fs::create_dir_all(&scratch).map_err(SetupError::file("create", &scratch))?;
        for (name, text) in FONT_HOOKS {
            let path = scratch.join(name);
            fs::write(&path, text).map_err(SetupError::file("write", path))?;
        }
        let mut fonts = command(&self.interpreter.executable);
        fonts.args(["-I", "-S", "-B", "-c", FONTS]).arg(&rootfs).arg(self.site_packages()).arg(&scratch);
        // It also makes a cache of the machine's own fonts, which is removed with the rest.
        fonts.env("MPLCONFIGDIR", &scratch).env("MPLBACKEND", "Agg");
        let count = run(&mut fonts).map_err(SetupError::command("prepare the fonts"))?;
        progress.detail(&format!("{} font names", count.trim()));
        Ok(())
    }

    /// Compiles all modules. The tree is read-only later, so the caches need no check against the sources
    /// ("unchecked").
    fn compile(&self, progress: &mut dyn Progress) -> Result<(), SetupError> {
        let rootfs = self.rootfs();
        let mut compile = command(&self.interpreter.executable);
        compile.args([
            "-I",
            "-m",
            "compileall",
            "-q",
            "-f",
            "-j",
            "0",
            "--invalidation-mode",
            "unchecked-hash",
        ]);
        // Tracebacks must show the path inside, not that of the build.
        compile.arg("-s").arg(&rootfs).args(["-p", "/"]);
        compile.arg(rootfs.join(stdlib::destination(&self.interpreter))).arg(self.site_packages());
        if let Err(error) = run(&mut compile) {
            // A file that is not valid in this version does no harm: the check will show whether anything
            // needs it.
            progress.detail(&format!("some modules do not compile: {error}"));
        }
        Ok(())
    }

    fn site_packages(&self) -> PathBuf {
        self.rootfs().join(self.interpreter.site_packages.trim_start_matches('/'))
    }

    fn write_manifest(&self) -> Result<(), SetupError> {
        let rootfs = self.rootfs();
        system_files::write_etc(&self.interpreter, &rootfs)?;
        let size = tree::normalise(&rootfs)?;
        let site_packages = self.site_packages();
        let (major, minor, micro) = self.interpreter.version;
        let manifest = Manifest {
            schema_version: SCHEMA_VERSION,
            id: self.id.clone(),
            builder_version: BUILDER_VERSION,
            packages_list: self.list.name().to_owned(),
            inputs_sha256: inputs_sha256(self.list),
            python: PythonVersion { implementation: "CPython".to_owned(), major, minor, micro },
            machine: self.interpreter.machine.clone(),
            interpreter: "/usr/bin/python3".to_owned(),
            site_packages: self.interpreter.site_packages.clone(),
            env: program_env(),
            packages: list_packages(&site_packages).map_err(SetupError::file("list", &site_packages))?,
            size_bytes: size.bytes,
            entries_count: size.entries,
            created_at: jiff::Timestamp::now().to_string(),
        };
        let path = self.work.join(MANIFEST_NAME);
        let text = serde_json::to_string_pretty(&manifest).expect("a manifest has only strings and numbers");
        fs::write(&path, text + "\n").map_err(SetupError::file("write", path))
    }

    fn check(&self, progress: &mut dyn Progress) -> Result<(), SetupError> {
        let path = self.work.join(MANIFEST_NAME);
        let text = fs::read_to_string(&path).map_err(SetupError::file("read", &path))?;
        let manifest = serde_json::from_str(&text)
            .map_err(|source| SetupError::Load { source: crate::LoadError::Manifest { path, source } })?;
        smoke::check(&self.rootfs(), &manifest, progress)
    }

    /// Removes the scratch files and gives the directory its final name. An existing one (`force`)
    /// is moved away first, so at no time does the name show half a tree.
    fn publish(&self, finished: &Path) -> Result<(), SetupError> {
        // The stamps go first: without them an interrupted attempt starts again rather than with half an
        // installer.
        tree::remove(&self.stamps())?;
        tree::remove(&self.work.join(SCRATCH_NAME))?;
        // After a power failure the name must not show files without content. Best effort: the rename itself
        // is atomic anyway.
        let _ = run(command("sync").arg("--file-system").arg(&self.work));
        let old = finished.with_file_name(format!("{}.old", self.id));
        tree::remove(&old)?;
        if finished.exists() {
            fs::rename(finished, &old).map_err(SetupError::file("move away", finished))?;
        }
        fs::rename(&self.work, finished).map_err(SetupError::file("publish", finished))?;
        tree::remove(&old)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::Silent;

    #[test]
    fn an_interrupted_run_goes_on_where_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let stamps = directory.path().join("stamps");
        let steps = [("a", "first"), ("b", "second"), ("c", "third")];
        let mut ran = Vec::new();
        let mut run = |fails_at: Option<usize>| {
            ran.clear();
            let result = run_unstamped(&stamps, &steps, &mut Silent, |index, _| {
                ran.push(index);
                if fails_at == Some(index) {
                    return Err(SetupError::File {
                        action: "test",
                        path: PathBuf::new(),
                        source: std::io::ErrorKind::Other.into(),
                    });
                }
                Ok(())
            });
            (ran.clone(), result.is_ok())
        };
        assert_eq!(run(Some(1)), (vec![0, 1], false));
        assert_eq!(run(None), (vec![1, 2], true));
        assert_eq!(run(None), (vec![], true));
        // Every step after a repeated one is repeated too.
        fs::remove_file(stamps.join("b")).unwrap();
        assert_eq!(run(None), (vec![1, 2], true));
    }

    #[test]
    fn a_data_directory_that_others_can_change_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("data");
        fs::create_dir(&data_dir).unwrap();
        fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o777)).unwrap();
        let error = make_directory(&data_dir.join("runtime")).unwrap_err();
        assert!(matches!(error, SetupError::Untrusted { .. }), "{error}");
        fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o755)).unwrap();
        make_directory(&data_dir.join("a/b")).unwrap();
        let mode = fs::metadata(data_dir.join("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o022, 0, "{mode:o}");
    }

    #[test]
    fn a_ready_runtime_needs_no_interpreter() {
        let directory = tempfile::tempdir().unwrap();
        let finished = runtimes_dir(directory.path()).join("ready");
        fs::create_dir_all(finished.join(ROOTFS_NAME)).unwrap();
        let manifest = serde_json::to_string(&crate::manifest::tests::sample()).unwrap();
        fs::write(finished.join(MANIFEST_NAME), manifest).unwrap();
        let options = SetupOptions {
            data_dir: directory.path().to_owned(),
            python: None,
            packages: None,
            force: false,
        };
        assert_eq!(setup(&options, &mut Silent).unwrap().rootfs, finished.join(ROOTFS_NAME));

        let nowhere = SetupOptions { python: Some("/nonexistent/python3".into()), ..options };
        let error = setup(&nowhere, &mut Silent).unwrap_err().to_string();
        assert!(error.contains("`/nonexistent/python3` not found"), "{error}");
    }
}
