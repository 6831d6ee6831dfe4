//! CPython's own message for a program that does not compile.
//!
//! The parser that we use finds the errors; CPython's messages follow from the order in which CPython works,
//! which is reproduced here:
//!
//! ```text
//! tokens::scan   every error of the tokenizer, wherever it is, precedes any error of the grammar
//! explain        else the first error of the grammar, with the messages of CPython's `invalid_*` rules
//! words          else the errors of its symbol table and compiler (`'return' outside function` and the like)
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

/// An error with CPython's message, at a byte offset of the source.
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
