//! The whole standard library of the machine's interpreter: accepted or refused as by CPython's `compile()`.

#[allow(dead_code, reason = "shared by several test binaries")]
mod common;

use std::path::{Path, PathBuf};

use validator::{Policy, validate};

fn python_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            // Installed packages are not the standard library.
            if name != "site-packages" && name != "__pycache__" {
                python_files(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "py") {
            files.push(path);
        }
    }
}

#[test]
fn agrees_with_the_interpreter() {
    let Some(root) = common::python("import sysconfig; print(sysconfig.get_path('stdlib'), end='')", "")
    else {
        return;
    };
    let mut files = Vec::new();
    python_files(Path::new(&root), &mut files);
    // Files in other encodings are not text here; empty ones are refused for being empty.
    let sources: Vec<(PathBuf, String)> = files
        .into_iter()
        .filter_map(|path| Some((path.clone(), std::fs::read_to_string(path).ok()?)))
        .filter(|(_, source)| !source.trim_start_matches('\u{feff}').trim().is_empty())
        .collect();
    assert!(sources.len() > 500, "only {} files below {root}", sources.len());

    let policy = Policy {
        forbidden_imports: Default::default(),
        max_complexity: 0,
        max_code_length: usize::MAX,
        ..Policy::default()
    };
    // `compile()` of a string does not take the mark that the runner drops.
    let texts: Vec<_> = sources.iter().map(|(_, source)| source.trim_start_matches('\u{feff}')).collect();
    let Some(answers) = common::compile_all(&texts) else { return };
    let mut differ = Vec::new();
    for ((path, source), theirs) in sources.iter().zip(&answers) {
        let ours = validate(source, &policy);
        if ours.is_accepted() != theirs.is_null() {
            differ.push(format!("{}: CPython {theirs}, ours {:?}", path.display(), ours.violations.first()));
        }
    }
    assert!(differ.is_empty(), "{} of {}:\n{}", differ.len(), sources.len(), differ.join("\n"));
}
