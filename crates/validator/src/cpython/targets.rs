//! CPython's name of an expression in an invalid position: `cannot assign to function call`.

use ruff_python_ast::{Expr, UnaryOp};

/// An expression in an invalid position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    /// `_PyPegen_get_expr_name`.
    pub(super) name: &'static str,
    /// Binds at least as tightly as `|`: the grammar tries such an expression before `=` as a mistyped
    /// comparison.
    pub(super) is_tight: bool,
}

/// The name of the expression `snippet`.
pub(super) fn name(snippet: &str) -> Option<Target> {
    if snippet.starts_with('*') {
        return Some(Target { name: "starred", is_tight: false });
    }
    // With parentheses, line ends inside are valid, and so are `yield` and `:=`.
    let parsed = ruff_python_parser::parse_expression(&format!("({snippet}\n)")).ok()?;
    let expr = parsed.expr();
    let tight = |name| Target { name, is_tight: true };
    let loose = |name| Target { name, is_tight: false };
    Some(match expr {
        Expr::Attribute(_) => tight("attribute"),
        Expr::Subscript(_) => tight("subscript"),
        Expr::Starred(_) => loose("starred"),
        Expr::Name(_) => tight("name"),
        Expr::List(_) => loose("list"),
        Expr::Tuple(_) => loose("tuple"),
        Expr::Lambda(_) => loose("lambda"),
        Expr::Call(_) => tight("function call"),
        Expr::UnaryOp(unary) if unary.op == UnaryOp::Not => loose("expression"),
        Expr::BinOp(_) | Expr::UnaryOp(_) => tight("expression"),
        Expr::BoolOp(_) => loose("expression"),
        Expr::Generator(_) => loose("generator expression"),
        Expr::Yield(_) | Expr::YieldFrom(_) => tight("yield expression"),
        Expr::Await(_) => tight("await expression"),
        Expr::ListComp(_) => tight("list comprehension"),
        Expr::SetComp(_) => tight("set comprehension"),
        Expr::DictComp(_) => tight("dict comprehension"),
        Expr::Dict(_) => tight("dict literal"),
        Expr::Set(_) => tight("set display"),
        Expr::FString(_) | Expr::TString(_) => tight("f-string expression"),
        Expr::StringLiteral(_) | Expr::BytesLiteral(_) | Expr::NumberLiteral(_) => tight("literal"),
        Expr::BooleanLiteral(literal) => loose(if literal.value { "True" } else { "False" }),
        Expr::NoneLiteral(_) => loose("None"),
        Expr::EllipsisLiteral(_) => tight("ellipsis"),
        Expr::Compare(_) => loose("comparison"),
        Expr::If(_) => loose("conditional expression"),
        Expr::Named(_) => tight("named expression"),
        Expr::Slice(_) | Expr::IpyEscapeCommand(_) => return None,
    })
}
