//! Environment variables of a request that CPython itself reads, and how each is handled. Pure.
//!
//! The interpreter of a sandbox has started, isolated (`-I -B -X utf8`), before a request comes: this
//! protects it, since a request cannot influence anything that runs before the program. So a variable that is
//! read only at the start would be silently ignored. Each one is listed here: it works, since the runner does
//! afterwards what the start would have done (`_obey` in `runtime/runner/environment.py`), or it changes
//! nothing for a script in this sandbox, or it is refused with the reason.
//!
//! An empty value counts as unset, as for CPython. Names that CPython does not know belong to the program.
//! Source: the manual's "Environment variables" of 3.11 to 3.14, `Python/initconfig.c`, `Python/preconfig.c`.

/// How a variable is handled.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// The runner applies it, with any value.
    Works,
    /// It works with a whole number in these bounds, or with zero if that is allowed.
    WorksFor { zero: bool, least: u32, most: u32 },
    /// It works with these values, in lower or upper case.
    WorksOnlyFor(&'static [&'static str], &'static str),
    /// Whatever its value, it has no effect on a script in this sandbox.
    NoEffect,
    /// These values match what the interpreter does anyway; others come too late, and the text says what to
    /// do instead.
    Only(&'static [&'static str], &'static str),
    /// It comes too late, and the text says what to do instead.
    Never(&'static str),
}

use Rule::{Never, NoEffect, Only, Works, WorksFor, WorksOnlyFor};

const OUTPUT_IS_UTF8: &str = "output is read as UTF-8; write other encodings to a file";
const DEBUG_BUILD: &str = "only a debug build of the interpreter has it";
const RUNS_CHILD: &str = "start a child interpreter with it through `subprocess`";

/// Every variable that CPython reads.
const RULES: &[(&str, Rule)] = &[
    ("PYTHONPATH", Works),
    ("PYTHONWARNINGS", Works),
    ("PYTHONBREAKPOINT", Works),
    ("PYTHONFAULTHANDLER", Works),
    ("PYTHONTRACEMALLOC", WorksFor { zero: true, least: 1, most: 65_535 }),
    ("PYTHONINTMAXSTRDIGITS", WorksFor { zero: true, least: 640, most: i32::MAX.unsigned_abs() }),
    (
        "PYTHONIOENCODING",
        WorksOnlyFor(
            &[
                "utf-8",
                "utf8",
                "utf-8:strict",
                "utf8:strict",
                "utf-8:ignore",
                "utf8:ignore",
                "utf-8:replace",
                "utf8:replace",
                "utf-8:backslashreplace",
                "utf8:backslashreplace",
                "utf-8:surrogateescape",
                "utf8:surrogateescape",
            ],
            OUTPUT_IS_UTF8,
        ),
    ),
    // Read by `site` on demand.
    ("PYTHONUSERBASE", NoEffect),
    // The interpreter writes no bytecode and has no user site directory. Buffered output is not lost when the
    // program is killed.
    ("PYTHONDONTWRITEBYTECODE", NoEffect),
    ("PYTHONPYCACHEPREFIX", NoEffect),
    ("PYTHONUNBUFFERED", NoEffect),
    ("PYTHONNOUSERSITE", NoEffect),
    // For interactive use only.
    ("PYTHONSTARTUP", NoEffect),
    ("PYTHON_HISTORY", NoEffect),
    ("PYTHON_BASIC_REPL", NoEffect),
    // For other systems only, or for a locale that is not UTF-8.
    ("PYTHONCASEOK", NoEffect),
    ("PYTHONEXECUTABLE", NoEffect),
    ("PYTHONLEGACYWINDOWSFSENCODING", NoEffect),
    ("PYTHONLEGACYWINDOWSSTDIO", NoEffect),
    ("PYTHONCOERCECLOCALE", NoEffect),
    // No process can debug another one's interpreter here.
    ("PYTHON_DISABLE_REMOTE_DEBUG", NoEffect),
    // Release builds have no such output of the parser.
    ("PYTHONDEBUG", NoEffect),
    (
        "PYTHONHASHSEED",
        Only(
            &["random"],
            "the interpreter already has its seed; sort if the order must be the same each time, or start a child \
             interpreter with it through `subprocess`",
        ),
    ),
    ("PYTHONUTF8", Only(&["1"], OUTPUT_IS_UTF8)),
    ("PYTHONOPTIMIZE", Only(&["0"], RUNS_CHILD)),
    ("PYTHONINSPECT", Only(&["0"], "there is no interactive session; print what you want to see")),
    ("PYTHONVERBOSE", Only(&["0"], RUNS_CHILD)),
    ("PYTHONDEVMODE", Only(&["0"], "use PYTHONWARNINGS=default and PYTHONFAULTHANDLER=1, which work")),
    ("PYTHONMALLOC", Only(&["default", "pymalloc"], RUNS_CHILD)),
    ("PYTHONPERFSUPPORT", Only(&["0"], "profile with `cProfile`")),
    ("PYTHON_PERF_JIT_SUPPORT", Only(&["0"], "profile with `cProfile`")),
    ("PYTHON_CPU_COUNT", Only(&["default"], "the number of CPUs is the sandbox's")),
    ("PYTHON_FROZEN_MODULES", Only(&["on"], RUNS_CHILD)),
    ("PYTHON_COLORS", Only(&["0"], "the output is not a terminal")),
    ("PYTHON_GIL", Only(&["1"], RUNS_CHILD)),
    ("PYTHON_JIT", Only(&["0"], RUNS_CHILD)),
    ("PYTHON_TLBC", Only(&["1"], RUNS_CHILD)),
    ("PYTHON_THREAD_INHERIT_CONTEXT", Only(&["0"], "pass the context to the thread")),
    ("PYTHON_CONTEXT_AWARE_WARNINGS", Only(&["0"], RUNS_CHILD)),
    ("PYTHONASYNCIODEBUG", Never("call `asyncio.run(main(), debug=True)`")),
    ("PYTHONWARNDEFAULTENCODING", Never(RUNS_CHILD)),
    ("PYTHONNODEBUGRANGES", Never(RUNS_CHILD)),
    ("PYTHONMALLOCSTATS", Never("measure with PYTHONTRACEMALLOC, which works")),
    ("PYTHONPROFILEIMPORTTIME", Never(RUNS_CHILD)),
    ("PYTHONSAFEPATH", Never("modules beside the program can be imported; remove it from `sys.path`")),
    ("PYTHONHOME", Never("the interpreter already has its standard library")),
    ("PYTHONPLATLIBDIR", Never("the interpreter already has its standard library")),
    ("PYTHONDUMPREFS", Never(DEBUG_BUILD)),
    ("PYTHONDUMPREFSFILE", Never(DEBUG_BUILD)),
    ("PYTHONTHREADDEBUG", Never(DEBUG_BUILD)),
    ("PYTHON_PRESITE", Never(DEBUG_BUILD)),
];

/// Why the variable is refused with this value, as the problem and what is allowed; `None` if it is accepted.
/// Neither repeats the value; the name is one of CPython's, so it is no secret.
pub(crate) fn refusal(name: &str, value: &str) -> Option<(String, String)> {
    if value.is_empty() {
        return None;
    }
    let (name, rule) = RULES.iter().find(|(known, _)| *known == name)?;
    let is_of = |values: &[&str]| values.iter().any(|known| known.eq_ignore_ascii_case(value));
    let too_late =
        format!("has `{name}`, which the interpreter reads at startup, before the request arrives");
    match rule {
        Works | NoEffect => None,
        WorksFor { zero, least, most } => {
            let number: Option<u32> = value.parse().ok();
            let good = number.is_some_and(|n| (*zero && n == 0) || (*least..=*most).contains(&n));
            let allowed = format!("{}{least} to {most}", if *zero { "0, or " } else { "" });
            (!good).then(|| (format!("has `{name}` with a value that CPython refuses"), allowed))
        }
        WorksOnlyFor(values, _) | Only(values, _) if is_of(values) => None,
        WorksOnlyFor(_, reason) => {
            let allowed = format!("utf-8, alone or with a handler such as utf-8:replace; {reason}");
            Some((format!("has `{name}` with another encoding"), allowed))
        }
        Only(values, instead) => {
            Some((too_late, format!("{} or leave it out; {instead}", values.join(", "))))
        }
        Never(instead) => Some((too_late, format!("leave it out; {instead}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_there_once() {
        let mut names: Vec<_> = RULES.iter().map(|(name, _)| *name).collect();
        assert!(names.iter().all(|name| name.starts_with("PYTHON")));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn what_works_or_changes_nothing_passes_and_the_rest_says_why_not() {
        for (name, value) in [
            ("PYTHONPATH", "lib"),
            ("PYTHONWARNINGS", "ignore"),
            ("PYTHONUNBUFFERED", "1"),
            ("PYTHONUTF8", "1"),
            ("PYTHONIOENCODING", "UTF-8"),
            ("PYTHONHASHSEED", "random"),
            ("PYTHONHASHSEED", ""),
            ("PYTHONTRACEMALLOC", "25"),
            ("PYTHONINTMAXSTRDIGITS", "0"),
            ("PYTHON_VERSION", "3.11"),
            ("PYTHONANYTHING", "x"),
            ("LD_PRELOAD", "x"),
        ] {
            assert_eq!(refusal(name, value), None, "{name}={value}");
        }
        for (name, value, word) in [
            ("PYTHONHASHSEED", "0", "seed"),
            ("PYTHONHASHSEED", "canary", "subprocess"),
            ("PYTHONUTF8", "0", "UTF-8"),
            ("PYTHONIOENCODING", "latin-1", "UTF-8"),
            ("PYTHONOPTIMIZE", "1", "child"),
            ("PYTHONTRACEMALLOC", "canary", "65535"),
            ("PYTHONINTMAXSTRDIGITS", "639", "640"),
            ("PYTHONHOME", "canary", "leave it out"),
            ("PYTHONASYNCIODEBUG", "1", "asyncio.run"),
        ] {
            let (problem, allowed) = refusal(name, value).unwrap();
            assert!(problem.contains(name) && allowed.contains(word), "{name}: {problem}; {allowed}");
            assert!(!problem.contains("canary") && !allowed.contains("canary"));
        }
    }
}
