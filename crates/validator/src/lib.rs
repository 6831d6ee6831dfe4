//! Validates Python source before it runs: syntax, forbidden imports, complexity, patterns. Pure. It enforces
//! a policy and gives quick advice, but it is not a security boundary: the sandbox contains whatever it lets
//! through.
//!
//! ```
//! use validator::{Policy, render, validate};
//!
//! let report = validate("import numpy as np\nimport os.path\n", &Policy::default());
//! assert_eq!(render(&report.violations), "line 2, column 7: import of `os.path` is not allowed (`os` is forbidden)");
//! assert!(report.imports.contains("numpy"));
//! ```
//!
//! ```text
//! source -> size -> depth -> parser -> errors, with CPython's messages (cpython/) and their likely causes (mistakes)
//! -> scopes: what parses and still does not compile (symbols, semantics)
//!                                   -> one walk: imports, decision points, patterns (inspect, imports, patterns)
//! ```

mod cpython;
mod depth;
mod fold;
mod imports;
mod inspect;
mod mistakes;
mod modules;
mod patterns;
mod policy;
mod remark;
mod report;
mod semantics;
mod source;
mod symbols;
mod validate;

pub use policy::{Policy, PolicyError};
pub use report::{FINDINGS_MAX, Finding, FindingCode, LastExpression, Report, render};
pub use validate::{SOURCE_BYTES_MAX, validate};
