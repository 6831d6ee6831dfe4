//! The sources of settings, for the fuzz targets in `fuzz/`. Exists only with `--cfg fuzzing`.

use crate::dotenv;
use crate::error::Source;
use crate::resolve::check;
use crate::sources::{Given, Givens, read_dotenv, read_flag, read_toml};
use crate::table::SETTINGS;
use std::path::Path;

/// The longest message about one problem, in bytes. The longest list of allowed values has some 500.
const MESSAGE_BYTES_MAX: usize = 2000;

/// A TOML file, a `.env` file and the lines of `--set`, separated by NUL.
///
/// # Panics
/// If a valid value is printed as another one, a message is not a short line, or a value of `.env` is not
/// read back as it was.
pub fn sources(text: &str) {
    let mut parts = text.splitn(3, '\0');
    let mut next = || parts.next().unwrap_or_default();
    let (toml, env_file, flags) = (next(), next(), next());
    let (mut givens, mut problems) = (Givens::new(), Vec::new());
    read_toml(toml, Path::new("a.toml"), &mut givens, &mut problems);
    read_dotenv(env_file, Path::new(".env"), &mut givens, &mut problems);
    for flag in flags.lines() {
        read_flag("--set", flag, &mut givens, &mut problems);
    }
    for entry in SETTINGS {
        let Some(given) = givens.remove(entry.name) else { continue };
        match check(entry, given) {
            Ok((value, _)) if !entry.kind.is_secret() => {
                let text = value.display();
                let printed = Given { text: text.clone(), origin: Source::Default };
                let again = check(entry, printed).expect("the printed value is valid").0;
                assert_eq!(again.display(), text, "{}", entry.name);
            }
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
    }
    for problem in problems {
        let message = problem.to_string();
        assert!(message.len() <= MESSAGE_BYTES_MAX && !message.contains(char::is_control), "{message:?}");
    }
    for line in dotenv::parse(env_file).0 {
        let value = line.value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let (lines, bad) = dotenv::parse(&format!("{}=\"{value}\"", line.name));
        assert_eq!(bad, []);
        assert!(lines.len() == 1 && lines[0].name == line.name && lines[0].value == line.value, "{value:?}");
    }
}
