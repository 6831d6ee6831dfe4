//! What CPython itself would say about a program that does not compile.
//!
//! The parser we use finds the errors; CPython's own words for them come from CPython's own order of work, which is
//! followed here:
//!
//! ```text
//! tokens::scan   every error of the tokenizer, wherever it is, goes before any error of the grammar
//! explain        else the first error of the grammar, in the words of CPython's `invalid_*` rules
//! words          else what its symbol table and compiler refuse (`'return' outside function` and the like)
//! ```
//!
//! Source of the rules: CPython 3.11, `Parser/tokenizer.c`, `Grammar/python.gram`, `Parser/pegen_errors.c`,
//! `Python/symtable.c`, `Python/compile.c`. Compared with the real interpreter in `tests/wording.rs`.

mod context;
pub(crate) mod cursor;
mod escapes;
pub(crate) mod explain;
mod fstring;
mod number;
mod targets;
pub(crate) mod tokens;
pub(crate) mod words;

use ruff_text_size::TextSize;

/// An error as CPython words it, at a byte offset of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Worded {
    pub(crate) at: TextSize,
    pub(crate) message: String,
}

impl Worded {
    pub(crate) fn new(at: TextSize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}
