//! The rules that a program is validated against.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;

/// The rules that a program is validated against. [`Policy::default`] is the service's contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Modules that a program may not import, dotted; each also forbids everything below it. May be empty.
    pub forbidden_imports: BTreeSet<String>,
    /// Maximum length of a program, in characters (not bytes). Whatever its value, programs over
    /// [`crate::SOURCE_BYTES_MAX`] bytes are refused.
    pub max_code_length: usize,
    /// Maximum number of decision points; 0 means no limit.
    pub max_complexity: u32,
    /// The interpreter that will run the program, as (major, minor): its grammar and its messages are used.
    pub python: (u8, u8),
}

impl Policy {
    /// Modules forbidden by default.
    pub const FORBIDDEN_IMPORTS_DEFAULT: &'static str =
        "os,subprocess,socket,sys,importlib,ctypes,multiprocessing,threading,builtins";

    /// Parses a comma-separated list of dotted module names, such as `os,subprocess, concurrent.futures`.
    /// White space around names and empty entries are ignored; an empty list forbids nothing.
    ///
    /// # Errors
    /// [`PolicyError::BadModuleName`] if an entry is not a dotted Python name.
    pub fn forbidden_from_list(list: &str) -> Result<BTreeSet<String>, PolicyError> {
        list.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(|entry| {
                // Import statements are normalized before they are compared, so the list must be too.
                let name: String = entry.nfkc().collect();
                if is_dotted_name(&name) {
                    Ok(name)
                } else {
                    Err(PolicyError::BadModuleName { entry: entry.to_owned() })
                }
            })
            .collect()
    }

    /// The entry that forbids `module` (dotted), if any: the module itself or one of its parents.
    pub(crate) fn forbids<'m>(&self, module: &'m str) -> Option<&'m str> {
        let ends = module.match_indices('.').map(|(at, _)| at).chain([module.len()]);
        ends.map(|end| &module[..end]).find(|prefix| self.forbidden_imports.contains(*prefix))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            forbidden_imports: Self::FORBIDDEN_IMPORTS_DEFAULT.split(',').map(str::to_owned).collect(),
            max_code_length: 50_000,
            max_complexity: 500,
            python: (3, 11),
        }
    }
}

/// Why a policy could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// An entry of the list of forbidden imports is not the name of a module.
    #[error(
        "`{entry}` is not a module name (hint: dotted names separated by commas, such as `os,subprocess`)"
    )]
    BadModuleName {
        /// The entry as given.
        entry: String,
    },
}

/// Whether `name` is Python identifiers joined with dots.
fn is_dotted_name(name: &str) -> bool {
    name.split('.').all(is_identifier)
}

/// Whether `part` is one Python identifier.
fn is_identifier(part: &str) -> bool {
    let mut chars = part.chars();
    chars.next().is_some_and(|c| c == '_' || unicode_ident::is_xid_start(c))
        && chars.all(unicode_ident::is_xid_continue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists() {
        let set = Policy::forbidden_from_list("os,subprocess, socket ,,concurrent.futures,").unwrap();
        assert_eq!(set.into_iter().collect::<Vec<_>>(), ["concurrent.futures", "os", "socket", "subprocess"]);
        assert!(Policy::forbidden_from_list("  ").unwrap().is_empty());
        assert_eq!(Policy::forbidden_from_list("ｏｓ").unwrap().into_iter().next().as_deref(), Some("os"));
    }

    #[test]
    fn refuses_what_is_no_module() {
        for bad in ["os;sys", "a..b", ".os", "os.", "1os", "os sys", "*", "a-b"] {
            let error = Policy::forbidden_from_list(bad).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn parents_forbid_children() {
        let policy = Policy {
            forbidden_imports: Policy::forbidden_from_list("os,concurrent.futures").unwrap(),
            ..Policy::default()
        };
        assert_eq!(policy.forbids("os"), Some("os"));
        assert_eq!(policy.forbids("os.path"), Some("os"));
        assert_eq!(policy.forbids("concurrent.futures.thread"), Some("concurrent.futures"));
        assert_eq!(policy.forbids("concurrent"), None);
        assert_eq!(policy.forbids("osx"), None);
        assert_eq!(policy.forbids("x.os"), None);
    }
}
