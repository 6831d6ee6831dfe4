//! The table as text: `check-config`, `.env.example`, `docs/settings.md`.

use super::kind::{Kind, Value, size_display};
use super::resolve::Resolved;
use super::table::{Entry, Group, Preset, SETTINGS};

/// All settings with value and source, one per line.
#[must_use]
pub fn report(resolved: &Resolved) -> String {
    let rows: Vec<(&str, String, String)> = SETTINGS
        .iter()
        .map(|entry| {
            let (value, origin) = resolved.get(entry.name);
            let shown = match (value, entry.kind) {
                (Value::Number(bytes), Kind::Size { .. } | Kind::OptionalSize { .. }) => size_display(*bytes),
                _ => value.display(),
            };
            (entry.name, shown, origin.to_string())
        })
        .collect();
    let width_of = |column: fn(&(&str, String, String)) -> usize| rows.iter().map(column).max().unwrap_or(0);
    let name_width = width_of(|row| row.0.len());
    // A long list must not push every source off the screen.
    let value_width = width_of(|row| row.1.chars().count()).min(40);
    rows.iter()
        .map(|(name, value, origin)| format!("{name:name_width$}  {value:value_width$}  {origin}\n"))
        .collect()
}

/// `.env.example`: every setting with its default, commented out.
#[must_use]
pub fn env_example() -> String {
    let mut text = String::from(
        "# Settings of python-sandbox. Copy to `.env` and uncomment what you change.\n\
         # Precedence: command line (--set NAME=VALUE), environment, .env, python-sandbox.toml, these defaults.\n\
         # Generated from the table in crates/settings/src/table.rs by `make generate`.\n",
    );
    for group in Group::ALL {
        text.push_str(&format!("\n# --- {} ---\n", group.title()));
        for entry in SETTINGS.iter().filter(|entry| entry.group == group) {
            text.push_str(&format!("\n# {}\n", entry.doc));
            if !matches!(entry.kind, Kind::Text | Kind::OptionalText | Kind::Secret | Kind::Path) {
                text.push_str(&format!("# Allowed: {}.\n", allowed(entry)));
            }
            match entry.default {
                Preset::Fixed(default) => text.push_str(&format!("#{}={default}\n", entry.name)),
                Preset::Computed(phrase) => {
                    text.push_str(&format!("# Default: {phrase}.\n#{}=\n", entry.name));
                }
            }
        }
    }
    text
}

/// `docs/settings.md`: the same as tables.
#[cfg(test)]
pub(super) fn settings_page() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         Generated from the table in `crates/settings/src/table.rs` by `make generate`; a test keeps them equal.\n\n\
         The first of these that sets a setting applies: the command line (`--set NAME=VALUE`, `--host`, `--port`), the environment, \
         `.env` in the working directory (or `--env-file FILE`), a TOML file (`--config FILE`, or `python-sandbox.toml` in \
         the working directory), the default. In TOML, names may be lower case and lists may be arrays.\n\n\
         The files in the working directory are read only if no user except root and the one who starts the program can \
         change or replace them, or a directory above them (owner and mode of each; a group counts as \
         the user's own if it has no other member). Otherwise startup stops and reports who can. `--env-file FILE` and \
         `--config FILE` read a file anyway, with a warning; `--no-env-file` and `--no-config` read none.\n\n\
         Startup stops on a value that is not allowed, on an unknown name in `.env` or in the TOML file, and on an unknown \
         name with one of our prefixes in the environment, or one that is a misspelt name of a setting for API keys, TLS, proxies or limits of callers (except `REDIS_…`, which is a warning). All problems are reported at once, with file and line. \
         `python-sandbox check-config` prints every value with its source; values of secrets are never printed.\n",
    );
    for group in Group::ALL {
        text.push_str(&format!(
            "\n## {}\n\n| name | default | allowed | description |\n|---|---|---|---|\n",
            group.title()
        ));
        for entry in SETTINGS.iter().filter(|entry| entry.group == group) {
            let default = match entry.default {
                Preset::Fixed("") => "empty".to_owned(),
                Preset::Fixed(default) => format!("`{default}`"),
                Preset::Computed(phrase) => phrase.to_owned(),
            };
            let doc = entry.doc;
            text.push_str(&format!("| `{}` | {default} | {} | {doc} |\n", entry.name, allowed(entry)));
        }
    }
    text
}

fn allowed(entry: &Entry) -> String {
    entry.kind.allowed(entry.unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Compares a file with its expected content; with `UPDATE_GOLDEN=1` writes it.
    fn golden(relative: &str, expected: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(relative);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, expected).expect("the checkout is writable");
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "{relative} does not match the table; run `make generate`");
    }

    #[test]
    fn the_example_file_is_the_table() {
        golden(".env.example", &env_example());
    }

    #[test]
    fn the_settings_page_is_the_table() {
        golden("docs/settings.md", &settings_page());
    }

    #[test]
    fn the_example_file_is_itself_a_good_env_file() {
        let (lines, bad) = crate::dotenv::parse(&env_example());
        assert!(lines.is_empty(), "every default is commented out");
        assert_eq!(bad, []);
    }
}
