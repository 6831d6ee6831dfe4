//! Finds files of a crate that use each other in a circle.
//!
//! A text search, not a compiler: it follows paths that begin with `crate`, `super` or `self`, also through
//! `pub use`. Between a module and those inside it only the direction from the outer to the inner one counts:
//! an inner file that uses its own parent makes no circle, or every `mod.rs` with a type in it would. Test
//! code is skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module by its path inside the crate; the root is empty.
type Module = Vec<String>;

/// The source of each file of a crate.
pub(super) struct Sources(BTreeMap<Module, String>);

impl Sources {
    /// Reads all files below `src`.
    pub(super) fn read(src: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut pending = vec![(src.to_owned(), Module::new())];
        while let Some((directory, parent)) = pending.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let module = |name: &str| parent.iter().cloned().chain([name.to_owned()]).collect();
                if entry.path().is_dir() && name != "tests" {
                    pending.push((entry.path(), module(&name)));
                } else if let Some(stem) = name.strip_suffix(".rs").filter(|stem| *stem != "tests") {
                    let is_parent = stem == "mod" || parent.is_empty() && ["lib", "main"].contains(&stem);
                    let module = if is_parent { parent.clone() } else { module(stem) };
                    files.insert(module, code(&fs::read_to_string(entry.path()).unwrap()));
                }
            }
        }
        Self(files)
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let module =
            |path: &str| path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Self(files.iter().map(|(path, text)| (module(path), code(text))).collect())
    }

    /// Each circle, as the names of its modules such as `local::objects`.
    pub(super) fn circles(&self) -> BTreeSet<BTreeSet<String>> {
        let edges: BTreeMap<&Module, BTreeSet<&Module>> =
            self.0.keys().map(|module| (module, self.used_by(module))).collect();
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            edges.keys().map(|module| (*module, reachable(&edges, module))).collect();
        let name = |module: &&Module| module.join("::");
        let circle = |module: &&Module| {
            let both_ways = |other: &&&Module| reached[**other].contains(*module);
            reached[module].iter().filter(both_ways).map(name).collect::<BTreeSet<String>>()
        };
        reached.keys().map(circle).filter(|circle| circle.len() > 1).collect()
    }

    /// The files that this one uses, and those of its own inner modules.
    fn used_by(&self, module: &Module) -> BTreeSet<&Module> {
        let paths = paths(&self.0[module]);
        let used = paths.iter().filter_map(|path| self.file_of(module, path, 0));
        let inner =
            self.0.keys().filter(|other| other.len() == module.len() + 1 && other.starts_with(module));
        used.chain(inner).filter(|other| !module.starts_with(other)).collect()
    }

    /// The file that defines what this path names.
    fn file_of(&self, from: &Module, path: &[String], depth: usize) -> Option<&Module> {
        /// Bound on chained re-exports, more than occur in practice.
        const DEPTH_MAX: usize = 5;
        let mut rest = path;
        let mut at = from.clone();
        while let Some((first, more)) = rest.split_first() {
            match first.as_str() {
                "crate" => at.clear(),
                "super" => drop(at.pop()),
                "self" => {}
                _ => break,
            }
            rest = more;
        }
        while let Some((first, more)) = rest.split_first() {
            let inner: Module = at.iter().cloned().chain([first.clone()]).collect();
            if self.0.contains_key(&inner) {
                (at, rest) = (inner, more);
                continue;
            }
            let exported = self.0.get(&at).map(|code| exports(code)).unwrap_or_default();
            return match exported.into_iter().find(|path| path.last() == Some(first)) {
                Some(mut path) if at != *from && depth < DEPTH_MAX => {
                    path.extend(more.iter().cloned());
                    self.file_of(&at, &path, depth + 1)
                }
                _ => break,
            };
        }
        self.0.get_key_value(&at).map(|(module, _)| module)
    }
}

fn reachable<'a>(edges: &BTreeMap<&'a Module, BTreeSet<&'a Module>>, from: &Module) -> BTreeSet<&'a Module> {
    let mut found = BTreeSet::new();
    let mut pending: Vec<&Module> = edges[from].iter().copied().collect();
    while let Some(module) = pending.pop() {
        if found.insert(module) {
            pending.extend(&edges[module]);
        }
    }
    found
}

/// The text without comments, up to the first `#[cfg(test)]` before a module.
fn code(text: &str) -> String {
    let text = match text.split_once("\n#[cfg(test)]\n") {
        Some((code, test)) if test.contains("mod ") => code,
        _ => text,
    };
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every path that begins with `crate`, `super` or `self`, in `use` and elsewhere.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | ':')) {
                tree(&code[at..], &[], &mut found);
            }
        }
    }
    found
}

/// The paths that a file re-exports: `pub use` in every visibility.
fn exports(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for item in code.split(';') {
        let Some((before, path)) = item.rsplit_once("use ") else { continue };
        if before
            .trim_end()
            .rsplit('\n')
            .next()
            .is_some_and(|visibility| visibility.trim_start().starts_with("pub"))
        {
            tree(path, &[], &mut found);
        }
    }
    found
}

/// Reads `a::b::{c, d::e}` and returns the text after it.
fn tree<'a>(text: &'a str, before: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if rest.is_empty() || rest.starts_with('}') {
                return rest.get(1..).unwrap_or_default();
            }
            rest = tree(rest, before, found);
            // `as other` may follow a name.
            rest = &rest[rest.find([',', '}']).unwrap_or(rest.len())..];
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut path = before.to_vec();
    path.extend((!name.is_empty()).then(|| name.to_owned()));
    match rest.strip_prefix("::") {
        Some(rest) => tree(rest, &path, found),
        None => {
            found.push(path);
            rest
        }
    }
}

#[test]
fn circles_are_found_however_they_are_written() {
    let circle = |files| Sources::of(files).circles().into_iter().flatten().collect::<Vec<_>>().join(" ");
    assert_eq!(circle(&[("a", "use crate::b::B;"), ("b", "use super::a::A;")]), "a b");
    assert_eq!(
        circle(&[("a", "use crate::{\n    c, b::{B as C, D},\n};"), ("b", "fn f() { crate::a::g() }")]),
        "a b"
    );
    assert_eq!(circle(&[("", "pub use b::B;"), ("a", "use crate::B;"), ("b", "use crate::a::A;")]), "a b");
    let folder = [("a", "use crate::b::B;"), ("b", ""), ("b::c", "use crate::a::A;")];
    assert_eq!(circle(&folder), "a b b::c");
    assert_eq!(
        circle(&[("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "use crate::a::A;")]),
        "a b c"
    );
}

#[test]
fn what_is_no_circle_is_left_alone() {
    let files = [
        ("", "mod a;\nuse a::A;\npub struct Root;"),
        ("a", "use crate::Root;\nuse super::b::B;\n// use crate::a::A;"),
        ("b", "/// See [`crate::a`].\nfn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}"),
    ];
    assert_eq!(Sources::of(&files).circles(), BTreeSet::new());
}
