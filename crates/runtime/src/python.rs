//! Finds the machine's CPython to build from.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::command::{CommandError, command, run};
use crate::error::{Rejected, Rejection, SetupError};

/// Prints the facts below; see the file.
const PROBE: &str = include_str!("../../../runtime/build/probe.py");
/// The names that are looked for in `PATH`, best first. The lock holds wheels for these versions.
const NAMES: [&str; 4] = ["python3.13", "python3.12", "python3.11", "python3"];
/// The oldest and the newest minor version that the lock holds wheels for.
const MINOR_VERSIONS: std::ops::RangeInclusive<u8> = 11..=14;
/// The newest Python that programs may be written for.
pub const NEWEST_PYTHON: (u8, u8, u8) = (3, *MINOR_VERSIONS.end(), 0);

/// A usable interpreter and the paths of its parts on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Interpreter {
    /// The executable itself: not a link, a shim or a virtual environment.
    pub executable: PathBuf,
    /// Major, minor and micro version.
    pub version: (u8, u8, u8),
    /// As printed by `uname -m`.
    pub machine: String,
    /// `lib`, or `lib64` on some distributions.
    pub platlibdir: String,
    /// The interpreter's installation prefix.
    pub prefix: PathBuf,
    /// The standard library, and the directory of its compiled part (mostly the same).
    pub stdlib: PathBuf,
    /// See `stdlib`.
    pub platstdlib: PathBuf,
    /// Where it looks for packages if installed below `/usr`, absolute.
    pub site_packages: String,
}

/// The output of the probe. An interpreter that is too old prints only the first two.
#[derive(Debug, Deserialize)]
struct Facts {
    implementation: String,
    version: (u8, u8, u8),
    #[serde(flatten)]
    details: Option<Details>,
}

#[derive(Debug, Deserialize)]
struct Details {
    executable: PathBuf,
    machine: String,
    platlibdir: String,
    prefix: PathBuf,
    stdlib: PathBuf,
    platstdlib: PathBuf,
    site_packages: Vec<String>,
    free_threaded: bool,
    venv: bool,
    ensurepip: bool,
}

/// Finds the interpreter: only `wanted` if it is given, else the first usable one in `PATH`.
pub(crate) fn find(wanted: Option<&Path>) -> Result<Interpreter, SetupError> {
    let candidates = match wanted {
        Some(path) => vec![path.to_owned()],
        None => NAMES.iter().map(PathBuf::from).collect(),
    };
    find_among(candidates, &std::env::var_os("PATH").unwrap_or_default())
}

/// The first usable candidate. A name without a slash is looked for in all of `search_path`.
fn find_among(candidates: Vec<PathBuf>, search_path: &std::ffi::OsStr) -> Result<Interpreter, SetupError> {
    let mut rejected = Vec::new();
    for candidate in candidates {
        // A shim that fails (pyenv has one for every version that it ever installed) must not hide the
        // interpreter behind it.
        let places: Vec<PathBuf> = if candidate.components().count() > 1 {
            vec![candidate.clone()]
        } else {
            std::env::split_paths(search_path)
                .map(|directory| directory.join(&candidate))
                .filter(|p| p.is_file())
                .collect()
        };
        if places.is_empty() {
            rejected.push(Rejected { candidate, rejection: Rejection::NotFound });
            continue;
        }
        for place in places {
            match examine(&place) {
                Ok(interpreter) => return Ok(interpreter),
                Err(rejection) => rejected.push(Rejected { candidate: place, rejection }),
            }
        }
    }
    Err(SetupError::NoPython { rejected })
}

/// Probes a candidate.
fn examine(candidate: &Path) -> Result<Interpreter, Rejection> {
    let facts = ask(candidate)?;
    let (major, minor, _) = facts.version;
    if facts.implementation != "CPython" {
        return Err(Rejection::NotCPython(facts.implementation));
    }
    if major != 3 || !MINOR_VERSIONS.contains(&minor) {
        return Err(Rejection::Version(major, minor));
    }
    let incomplete = || Rejection::DoesNotRun("the output of the probe lacks fields".to_owned());
    let base = facts.details.ok_or_else(incomplete)?.executable;
    // A virtual environment reports its own package directories; the interpreter behind it is what
    // counts.
    let facts = ask(&base)?;
    let details = facts.details.ok_or_else(incomplete)?;
    if details.free_threaded {
        return Err(Rejection::FreeThreaded);
    }
    for (module, there) in [("venv", details.venv), ("ensurepip", details.ensurepip)] {
        if !there {
            return Err(Rejection::NoVenv { module, minor });
        }
    }
    let site_packages = choose_site_packages(&details.site_packages, minor).ok_or_else(incomplete)?;
    Ok(Interpreter {
        executable: details.executable,
        version: facts.version,
        machine: details.machine,
        platlibdir: details.platlibdir,
        prefix: details.prefix,
        stdlib: details.stdlib,
        platstdlib: details.platstdlib,
        site_packages,
    })
}

fn ask(candidate: &Path) -> Result<Facts, Rejection> {
    let answer = run(command(candidate).args(["-I", "-c", PROBE])).map_err(|error| match error {
        CommandError::Start { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Rejection::NotFound
        }
        CommandError::Start { source, .. } => Rejection::DoesNotRun(source.to_string()),
        CommandError::Failed { status, output, .. } => {
            Rejection::DoesNotRun(format!("{status}, {}", output.lines().next().unwrap_or("no output")))
        }
    })?;
    serde_json::from_str(answer.trim())
        .map_err(|error| Rejection::DoesNotRun(format!("the output of the probe is invalid: {error}")))
}

/// The directory beside the standard library that distributions which move the usual one (Debian) also
/// search.
fn choose_site_packages(places: &[String], minor: u8) -> Option<String> {
    let beside =
        |place: &&String| place.starts_with("/usr/lib") && place.contains(&format!("/python3.{minor}/"));
    places.iter().find(beside).cloned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A script that prints `answer` when probed.
    fn fake(directory: &Path, name: &str, script: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn answering(directory: &Path, name: &str, version: &str, extra: &str) -> PathBuf {
        let path = directory.join(name);
        let answer = format!(
            r#"{{"implementation": "CPython", "version": {version}, "executable": "{}", "machine": "x86_64",
            "platlibdir": "lib", "prefix": "/usr", "stdlib": "/usr/lib/python3.12", "platstdlib": "/usr/lib/python3.12",
            "site_packages": ["/usr/local/lib/python3.12/dist-packages", "/usr/lib/python3/dist-packages",
            "/usr/lib/python3.12/dist-packages"], "free_threaded": false, {extra}}}"#,
            path.display()
        );
        fake(directory, name, &format!("cat <<'END'\n{answer}\nEND"))
    }

    #[test]
    fn every_rejected_candidate_is_explained() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fake(path, "python3.13", "echo 'shim: no such version' >&2; exit 127");
        fake(path, "python3.12", r#"echo '{"implementation": "PyPy", "version": [3, 12, 1]}'"#);
        fake(path, "python3", r#"echo '{"implementation": "CPython", "version": [3, 9, 2]}'"#);
        let candidates = NAMES.iter().map(PathBuf::from).collect();
        let text = find_among(candidates, path.as_os_str()).unwrap_err().to_string();
        for part in
            ["shim: no such version", "is PyPy, not CPython", "`python3.11` not found", "is Python 3.9, but"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_missing_venv_names_the_package_to_install() {
        let directory = tempfile::tempdir().unwrap();
        let python =
            answering(directory.path(), "python3.12", "[3, 12, 4]", r#""venv": true, "ensurepip": false"#);
        let text = find_among(vec![python], "".as_ref()).unwrap_err().to_string();
        assert!(
            text.contains("no `ensurepip`") && text.contains("apt-get install python3.12-venv"),
            "{text}"
        );
    }

    #[test]
    fn the_first_usable_one_is_taken_also_behind_a_shim() {
        let directory = tempfile::tempdir().unwrap();
        let (shims, real) = (directory.path().join("shims"), directory.path().join("real"));
        std::fs::create_dir_all(&shims).unwrap();
        std::fs::create_dir_all(&real).unwrap();
        fake(&shims, "python3.12", "exit 127");
        let python = answering(&real, "python3.12", "[3, 12, 4]", r#""venv": true, "ensurepip": true"#);
        let search = std::env::join_paths([&shims, &real]).unwrap();
        let found = find_among(vec!["python3.12".into()], &search).unwrap();
        assert_eq!(found.executable, python);
        assert_eq!(found.version, (3, 12, 4));
        assert_eq!(found.site_packages, "/usr/lib/python3.12/dist-packages");
    }
}
