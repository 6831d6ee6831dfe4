//! Which template a program's interpreter is forked from.
//!
//! A template with all packages would serve every program, but a fork copies its page tables: the more a
//! template has imported, the more each fork costs. So there are several, and the program's imports choose.

use crate::Hints;
use std::sync::Arc;

/// A template: an interpreter that has imported these modules, besides [`COMMON`], ready to be forked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSpec {
    /// Its name in settings and messages.
    pub name: String,
    /// Modules.
    pub preload: Vec<String>,
}

/// The template that every executor with templates has; programs without packages are forked from it.
pub const LEAN: &str = "lean";

/// Modules of the standard library that most programs use and that add little to a fork: every template has
/// them.
pub const COMMON: [&str; 16] = [
    "collections",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "functools",
    "itertools",
    "json",
    "math",
    "random",
    "re",
    "statistics",
    "time",
    "typing",
];

/// Packages whose import consists mostly of another's: a program that imports the first benefits from a
/// template that has the second.
const BUILT_ON: [(&str, &str); 8] = [
    ("scipy", "numpy"),
    ("pandas", "numpy"),
    ("matplotlib", "numpy"),
    ("mpl_toolkits", "matplotlib"),
    ("seaborn", "pandas"),
    ("sklearn", "numpy"),
    ("statsmodels", "pandas"),
    // pandas imports it where it is installed.
    ("pyarrow", "pandas"),
];

/// One of an executor's templates: its position in [`Templates`]. An executor without templates has the first
/// one only, and programs of that get a fresh interpreter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TemplateId(u16);

impl TemplateId {
    /// Its position, for a table with one entry per template.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The template at this position.
    #[must_use]
    pub const fn at(index: u16) -> Self {
        Self(index)
    }

    /// The first `count` of them.
    pub fn first(count: usize) -> impl Iterator<Item = Self> {
        (0..u16::MAX).take(count).map(Self)
    }
}

/// All templates, the lean one first.
#[derive(Debug, Clone)]
pub struct Templates {
    all: Vec<TemplateSpec>,
    /// Their names; that of no template where there are none.
    names: Vec<Arc<str>>,
}

/// Where there are no templates.
const FRESH: &str = "fresh";

impl Templates {
    /// The lean one and `more`; none if every program gets a fresh interpreter.
    #[must_use]
    pub fn new(more: Option<&[TemplateSpec]>) -> Self {
        let lean = || TemplateSpec { name: LEAN.to_owned(), preload: Vec::new() };
        let all = more.map(|more| [&[lean()], more].concat()).unwrap_or_default();
        let mut names: Vec<Arc<str>> = all.iter().map(|spec| spec.name.as_str().into()).collect();
        if names.is_empty() {
            names.push(FRESH.into());
        }
        Self { all, names }
    }

    /// Everything that a template imports.
    #[must_use]
    pub fn preload(&self, id: TemplateId) -> Vec<String> {
        let Some(spec) = self.all.get(id.index()) else { return Vec::new() };
        COMMON.iter().map(|module| (*module).to_owned()).chain(spec.preload.iter().cloned()).collect()
    }

    /// Their ids; the first one also where there are no templates.
    pub fn ids(&self) -> impl Iterator<Item = TemplateId> + use<> {
        TemplateId::first(self.count())
    }

    /// Number of ids.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len().max(1)
    }

    /// The template's number in the launcher's list; `None` where there are no templates.
    #[must_use]
    pub fn number(&self, id: TemplateId) -> Option<u32> {
        self.all.get(id.index()).map(|_| u32::from(id.0))
    }

    /// Its name, for messages; `fresh` where there are no templates.
    #[must_use]
    pub fn name(&self, id: TemplateId) -> &str {
        self.names.get(id.index()).map_or(FRESH, |name| name)
    }

    /// The same, to be kept without a copy.
    #[must_use]
    pub fn shared_name(&self, id: TemplateId) -> Arc<str> {
        self.names.get(id.index()).map_or_else(|| FRESH.into(), Arc::clone)
    }

    /// The one for a program: the template with most of its imports, and of those the one with the fewest
    /// modules. A program that sets environment variables gets the lean one: packages read theirs when they
    /// are imported.
    #[must_use]
    pub fn choose(&self, hints: &Hints) -> TemplateId {
        if hints.sets_environment {
            return TemplateId::default();
        }
        let fitness = |spec: &TemplateSpec| hints.imports.iter().map(|name| saving(spec, name)).sum::<u32>();
        let best = |(id, spec): &(TemplateId, &TemplateSpec)| {
            (fitness(spec), std::cmp::Reverse(spec.preload.len()), std::cmp::Reverse(id.0))
        };
        let ids = (0u16..).map(TemplateId);
        ids.zip(&self.all).max_by_key(best).map(|(id, _)| id).unwrap_or_default()
    }
}

/// How much a template saves for this import: all of it, a part, nothing.
fn saving(spec: &TemplateSpec, import: &str) -> u32 {
    let package = top(import);
    let preloads = |wanted: &str| spec.preload.iter().any(|module| top(module) == wanted);
    if preloads(package) {
        2
    } else {
        u32::from(BUILT_ON.iter().any(|(built, base)| *built == package && preloads(base)))
    }
}

fn top(module: &str) -> &str {
    module.split('.').next().unwrap_or(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates() -> Templates {
        let spec = |name: &str, preload: &[&str]| TemplateSpec {
            name: name.to_owned(),
            preload: preload.iter().map(|module| (*module).to_owned()).collect(),
        };
        Templates::new(Some(&[
            spec("data", &["numpy", "pandas", "matplotlib.pyplot"]),
            spec("numbers", &["numpy"]),
            spec("web", &["requests"]),
            spec("science", &["numpy", "pandas", "matplotlib.pyplot", "seaborn", "sklearn.ensemble"]),
        ]))
    }

    fn chosen(imports: &[&str]) -> String {
        let imports = imports.iter().map(|name| (*name).to_owned()).collect();
        let hints = Hints { imports, ..Hints::default() };
        let templates = templates();
        templates.name(templates.choose(&hints)).to_owned()
    }

    #[test]
    fn the_imports_choose_the_smallest_template_that_has_most_of_them() {
        assert_eq!(chosen(&[]), LEAN);
        assert_eq!(chosen(&["json", "os.path"]), LEAN);
        assert_eq!(chosen(&["numpy"]), "numbers");
        assert_eq!(chosen(&["numpy.linalg", "pandas"]), "data");
        assert_eq!(chosen(&["matplotlib"]), "data");
        assert_eq!(chosen(&["scipy.stats"]), "numbers", "scipy is built on numpy");
        assert_eq!(chosen(&["requests", "json"]), "web");
        assert_eq!(
            chosen(&["pandas", "matplotlib.pyplot"]),
            "data",
            "a program does not pay for what it does not need"
        );
        assert_eq!(chosen(&["pandas", "sklearn.svm"]), "science");
        assert_eq!(chosen(&["pyarrow.parquet"]), "data", "pandas imports pyarrow");
    }

    #[test]
    fn a_program_with_an_environment_starts_lean() {
        let imports = ["pandas".to_owned()].into();
        let hints = Hints { imports, sets_environment: true, ..Hints::default() };
        assert_eq!(templates().choose(&hints), TemplateId(0));
    }

    #[test]
    fn without_templates_there_is_one_sort_and_it_has_none() {
        let fresh = Templates::new(None);
        assert_eq!(
            (fresh.count(), fresh.number(TemplateId(0)), fresh.choose(&Hints::default())),
            (1, None, TemplateId(0))
        );
        assert!(fresh.preload(TemplateId(0)).is_empty());
    }

    #[test]
    fn every_template_has_the_common_modules() {
        assert_eq!(templates().preload(TemplateId(0)).len(), COMMON.len());
        assert!(templates().preload(TemplateId(1)).contains(&"json".to_owned()));
    }
}
