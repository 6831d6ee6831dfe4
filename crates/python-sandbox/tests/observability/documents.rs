//! The documents name only what there is: metrics, alerts, settings, commands, files and sections. And an operator finds every
//! alert in them.

use crate::prometheus::shipped;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names that begin like a setting and are none: wrong ones, in sentences about those.
const NO_SETTINGS: [&str; 2] = ["REQUIRE_API_KEYS", "TRUSTED_PROXY"];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents for operators and callers.
fn documents() -> Vec<PathBuf> {
    let mut found: Vec<_> =
        ["README.md", "SECURITY.md", "CHANGELOG.md", "deploy/README.md", "hosts/README.md"]
            .map(shipped)
            .into_iter()
            .chain(
                fs::read_dir(shipped("docs"))
                    .expect("it is shipped")
                    .map(|entry| entry.expect("read").path()),
            )
            .filter(|path| path.extension().is_some_and(|end| end == "md"))
            .collect();
    found.sort();
    assert!(found.len() > 15, "{found:?}");
    found
}

/// Every name and word of a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn alerts() -> Vec<String> {
    let rules = read(&shipped("deploy/prometheus/alerts.yaml"));
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

/// Those of the generated page, which a test keeps equal to the table.
fn settings() -> BTreeSet<String> {
    let page = read(&shipped("docs/settings.md"));
    let name = |line: &str| line.strip_prefix("| `")?.split('`').next().map(str::to_owned);
    let names: BTreeSet<_> = page.lines().filter_map(name).filter(|name| is_capital(name)).collect();
    assert!(names.len() > 100, "{names:?}");
    names
}

fn is_capital(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[test]
fn documents_name_only_metrics_alerts_and_settings_that_exist() {
    let (alerts, settings) = (alerts(), settings());
    let first = |name: &str| name.split('_').next().unwrap_or_default().to_owned();
    let prefixes: BTreeSet<_> = settings.iter().map(|name| first(name)).collect();
    let metric = |word: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        telemetry::METRICS.iter().any(|metric| metric.name == word || Some(metric.name) == base)
    };
    let mut wrong = Vec::new();
    for path in documents() {
        for word in words(&read(&path)) {
            let is_wrong = if word.starts_with("python_sandbox_") {
                !metric(word)
            } else if let Some(rest) = word.strip_prefix("Sandbox") {
                rest.starts_with(|c: char| c.is_ascii_uppercase())
                    && !alerts.iter().any(|alert| alert == word)
            } else {
                let looks_so =
                    is_capital(word) && word.contains('_') && !word.starts_with('_') && !word.ends_with('_');
                looks_so
                    && prefixes.contains(&first(word))
                    && !settings.contains(word)
                    && !NO_SETTINGS.contains(&word)
            };
            if is_wrong {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whoever reads what to watch sees each alert; `each_alert_has_a_section_of_its_own` looks for what to do.
#[test]
fn operations_name_every_alert() {
    let text = read(&shipped("docs/operations.md"));
    let (_, watching) = text.split_once("\n## Watching\n").expect("the section");
    let (watching, _) = watching.split_once("\n## ").expect("it ends");
    let missing: Vec<_> =
        alerts().into_iter().filter(|alert| !words(watching).any(|word| word == alert)).collect();
    assert!(missing.is_empty(), "docs/operations.md, \"Watching\": {missing:?}");
}

/// The lines of a document outside of its blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The names of a document's sections in links, as GitHub makes them.
fn sections(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let name = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c => c.is_alphanumeric().then(|| c.to_ascii_lowercase()),
        });
        kept.collect()
    };
    headings.map(name).collect()
}

#[test]
fn links_of_documents_lead_somewhere() {
    let mut count = 0;
    let mut broken = Vec::new();
    for path in documents() {
        let text = read(&path);
        for line in prose(&text) {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            for target in targets.filter(|target| !target.contains("://")) {
                count += 1;
                let (file, section) = target.split_once('#').unwrap_or((target, ""));
                let to = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
                let leads = to.exists() && (section.is_empty() || sections(&read(&to)).contains(section));
                if !leads {
                    broken.push(format!("{}: {target}", path.display()));
                }
            }
        }
    }
    assert!(count > 100, "{count} links: are they still found?");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// systemd, whose units read a file of settings, takes a comment after a value as part of the value.
#[test]
fn settings_in_documents_have_no_comment_behind_the_value() {
    let settings = settings();
    let mut count = 0;
    for path in documents() {
        for line in read(&path).lines() {
            let Some((name, value)) = line.split_once('=') else { continue };
            if settings.contains(name) {
                count += 1;
                assert!(!value.contains(" #"), "{}: {line}", path.display());
            }
        }
    }
    assert!(count > 10, "{count} lines: are they still found?");
}

/// The commands of the program in a document, in code spans and blocks.
fn commands(text: &str) -> Vec<String> {
    let mut is_block = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            found.push(line.trim());
        } else {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    let ours = |code: &str| {
        let rest = code.trim_start_matches("/usr/local/bin/").strip_prefix("python-sandbox ")?;
        // Without what is the shell's.
        let end = [" #", " |", " >", ";", " &"].iter().filter_map(|end| rest.find(end)).min();
        Some(rest[..end.unwrap_or(rest.len())].to_owned())
    };
    found.into_iter().filter_map(ours).collect()
}

fn help(path: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_python-sandbox"));
    let output = command.args(path).arg("--help").output().expect("it starts");
    assert!(output.status.success(), "{path:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What is wrong with a command, according to the program's own help.
fn problem<'a>(command: &'a str, helps: &mut BTreeMap<Vec<&'a str>, String>) -> Option<String> {
    let mut path = Vec::new();
    let mut words = command.split_whitespace();
    while let Some(word) = words.next() {
        let help = helps.entry(path.clone()).or_insert_with(|| help(&path));
        if word.starts_with("--") {
            let flag = word.split('=').next().unwrap_or_default();
            let has_it = |line: &&str| {
                line.trim_start().starts_with('-') && line.split([' ', ',']).any(|part| part == flag)
            };
            let line = help.lines().find(has_it);
            let Some(line) = line else { return Some(format!("{flag} is no option of {path:?}")) };
            if line.contains(" <") && !word.contains('=') {
                words.next();
            }
        } else if help
            .lines()
            .any(|line| line.strip_prefix("  ").and_then(|line| line.split(' ').next()) == Some(word))
        {
            path.push(word);
        } else if path.is_empty() && !word.starts_with("\"$") {
            return Some(format!("{word} is no command"));
        }
        // Else a value, with whatever else belongs to it, or options in a variable of the shell.
    }
    None
}

#[test]
fn commands_in_documents_exist_with_their_options() {
    let texts: Vec<_> = documents().into_iter().map(|path| (commands(&read(&path)), path)).collect();
    let mut helps = BTreeMap::new();
    let mut wrong = Vec::new();
    for (commands, path) in &texts {
        for command in commands {
            if let Some(problem) = problem(command, &mut helps) {
                wrong.push(format!("{}: `{command}`: {problem}", path.display()));
            }
        }
    }
    let count: usize = texts.iter().map(|(commands, _)| commands.len()).sum();
    assert!(count > 60 && helps.len() > 8, "{count} commands: are they still found?");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
