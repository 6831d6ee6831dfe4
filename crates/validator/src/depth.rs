//! The nesting depth of a program, checked before anything recursive touches it.
//!
//! One pass over the tokens (the parser's own lexer, no recursion) bounds the depth of the tree; a program
//! deeper than any interpreter compiles is refused before it is parsed. Programs with syntax errors can be
//! deeper than this bound, since the parser invents missing operands; for them the stack is large enough
//! (`validate.rs`), so a wrong bound is not unsafe.
//!
//! The bound is the sum, over the open brackets, of what can nest without brackets at that level:
//!
//! | what | nests until |
//! |---|---|
//! | `lambda`, `x if c else y`, `yield`, `:=` | a comma or the end of the statement |
//! | `a + b + c` and the other binary operators, `not` | also `and`, `or`, a comparison |
//! | `-x`, `await x`, `a ** b ** c`, `a.b`, `a()`, `a[]` | also a binary operator |
//!
//! plus the indentation. `elif`, `and`, `or`, comparisons, commas, assignments and decorators do not nest.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

use crate::cpython::tokens::{BRACKETS_MAX, INDENTS_MAX};

/// Maximum depth of the tree. CPython 3.11 compiles about 2,990 levels, so nothing it accepts is refused
/// here, even where the bound counts a level for more than one.
pub(crate) const DEPTH_MAX: u32 = 12_500;

/// Why a program is not even parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooDeep {
    /// More than [`BRACKETS_MAX`] open brackets.
    Brackets,
    /// [`INDENTS_MAX`] levels of indentation or more.
    Indentation,
    /// A bound over [`DEPTH_MAX`].
    Tree {
        /// Logical lines before the one that is too deep. The lexer does not report its position.
        lines_before: usize,
    },
}

/// Refuses a text that nests deeper than an interpreter compiles.
///
/// # Errors
/// The first limit that it exceeds.
pub(crate) fn check(text: &str) -> Result<(), TooDeep> {
    let mut lexer = lexer::lex(text, Mode::Module);
    let mut open = Vec::with_capacity(32);
    let mut level = Level::default();
    let (mut below, mut indents, mut deepest) = (0_u32, 0_usize, 0_u32);
    let (mut brackets, mut lines_before) = (0_usize, 0_usize);
    loop {
        let kind = lexer.next_token();
        match kind {
            TokenKind::EndOfFile => return Ok(()),
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                if !matches!(kind, TokenKind::FStringStart | TokenKind::TStringStart) {
                    brackets += 1;
                    if brackets > BRACKETS_MAX {
                        return Err(TooDeep::Brackets);
                    }
                }
                // A call or a subscript is one level itself, and its arguments are another two.
                level.tight += 1;
                below += level.sum() + 3;
                open.push(std::mem::take(&mut level));
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => {
                if !matches!(kind, TokenKind::FStringEnd | TokenKind::TStringEnd) {
                    brackets = brackets.saturating_sub(1);
                }
                if let Some(outer) = open.pop() {
                    level = outer;
                    below = below.saturating_sub(level.sum() + 3);
                }
            }
            TokenKind::Indent => {
                indents += 1;
                if indents >= INDENTS_MAX {
                    return Err(TooDeep::Indentation);
                }
            }
            TokenKind::Dedent => indents = indents.saturating_sub(1),
            // The statement has ended for certain: the lexer counts brackets itself. With a bracket closed
            // wrongly, our count could be higher than the parser's, never lower.
            TokenKind::Newline => {
                open.clear();
                lines_before += 1;
                (level, below, brackets) = (Level::default(), 0, 0);
            }
            _ => level.take(kind),
        }
        let indents_depth = u32::try_from(indents).unwrap_or(DEPTH_MAX) * 2;
        deepest = deepest.max(below + level.sum() + indents_depth);
        if deepest > DEPTH_MAX {
            return Err(TooDeep::Tree { lines_before });
        }
    }
}

/// What nests without brackets inside one pair of them.
#[derive(Debug, Default, Clone, Copy)]
struct Level {
    loose: u32,
    binary: u32,
    tight: u32,
    /// Lambdas whose colon has not come yet: commas between their parameters end nothing.
    lambdas_open: u32,
}

impl Level {
    fn sum(&self) -> u32 {
        self.loose + self.binary + self.tight
    }

    fn take(&mut self, kind: TokenKind) {
        match kind {
            TokenKind::Lambda => {
                self.loose += 1;
                self.lambdas_open += 1;
            }
            TokenKind::Colon => self.lambdas_open = self.lambdas_open.saturating_sub(1),
            TokenKind::If | TokenKind::Else | TokenKind::Yield | TokenKind::ColonEqual => self.loose += 1,
            TokenKind::Not => self.binary += 1,
            TokenKind::Plus
            | TokenKind::Minus
            | TokenKind::Star
            | TokenKind::Slash
            | TokenKind::DoubleSlash
            | TokenKind::Percent
            | TokenKind::At
            | TokenKind::Vbar
            | TokenKind::Amper
            | TokenKind::CircumFlex
            | TokenKind::LeftShift
            | TokenKind::RightShift => {
                self.binary += 1;
                self.tight = 0;
            }
            TokenKind::Tilde
            | TokenKind::DoubleStar
            | TokenKind::Await
            | TokenKind::Dot
            | TokenKind::Async => self.tight += 1,
            TokenKind::And
            | TokenKind::Or
            | TokenKind::In
            | TokenKind::Is
            | TokenKind::Less
            | TokenKind::Greater
            | TokenKind::LessEqual
            | TokenKind::GreaterEqual
            | TokenKind::EqEqual
            | TokenKind::NotEqual => (self.binary, self.tight) = (0, 0),
            TokenKind::Comma | TokenKind::Equal | TokenKind::For if self.lambdas_open == 0 => {
                *self = Self::default();
            }
            TokenKind::Semi => *self = Self::default(),
            _ => {}
        }
    }
}
