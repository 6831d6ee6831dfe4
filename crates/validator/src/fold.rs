//! Constant strings, as far as they are cheap to evaluate: `"o" + "s"`, `f"{'o'}s"`, `"so"[::-1]`,
//! `"".join(["o", "s"])`, `chr(111)`. A name can always be hidden on purpose; this is for programs that do so
//! without intent.

use ruff_python_ast::{self as ast, Expr, FStringPart, InterpolatedStringElement, Number, Operator};

/// Maximum length of a constant in bytes, and maximum number of steps to evaluate it. Module names are short.
const CONSTANT_BYTES_MAX: usize = 256;
const STEPS_MAX: u32 = 64;

/// The string value of `expr`, without looking up names.
pub(crate) fn literal(expr: &Expr) -> Option<String> {
    string(expr, &|_| None)
}

/// The string value of `expr`; `lookup` returns the only value of a name.
pub(crate) fn string<'e>(expr: &'e Expr, lookup: &dyn Fn(&str) -> Option<&'e Expr>) -> Option<String> {
    let mut steps = STEPS_MAX;
    fold(expr, lookup, &mut steps)
}

fn fold<'e>(expr: &'e Expr, lookup: &dyn Fn(&str) -> Option<&'e Expr>, steps: &mut u32) -> Option<String> {
    // Bounds the recursion, also of names that refer to each other.
    *steps = steps.checked_sub(1)?;
    let value = match expr {
        Expr::StringLiteral(literal) if literal.value.len() <= CONSTANT_BYTES_MAX => {
            literal.value.to_str().to_owned()
        }
        Expr::Name(name) => fold(lookup(name.id.as_str())?, lookup, steps)?,
        Expr::BinOp(ast::ExprBinOp { left, op: Operator::Add, right, .. }) => {
            fold(left, lookup, steps)? + &fold(right, lookup, steps)?
        }
        Expr::FString(fstring) => {
            let mut value = String::new();
            for part in &fstring.value {
                match part {
                    FStringPart::Literal(literal) => value.push_str(literal),
                    FStringPart::FString(fstring) => {
                        for element in &fstring.elements {
                            match element {
                                InterpolatedStringElement::Literal(literal) => value.push_str(literal),
                                InterpolatedStringElement::Interpolation(hole)
                                    if hole.format_spec.is_none() =>
                                {
                                    value.push_str(&fold(&hole.expression, lookup, steps)?);
                                }
                                InterpolatedStringElement::Interpolation(_) => return None,
                            }
                        }
                    }
                }
            }
            value
        }
        Expr::Subscript(subscript) => {
            let Expr::Slice(ast::ExprSlice { lower: None, upper: None, step: Some(step), .. }) =
                &*subscript.slice
            else {
                return None;
            };
            let Expr::UnaryOp(ast::ExprUnaryOp { op: ast::UnaryOp::USub, operand, .. }) = &**step else {
                return None;
            };
            if small_number(operand) != Some(1) {
                return None;
            }
            fold(&subscript.value, lookup, steps)?.chars().rev().collect()
        }
        Expr::Call(call) if call.arguments.keywords.is_empty() => folded_call(call, lookup, steps)?,
        _ => return None,
    };
    (value.len() <= CONSTANT_BYTES_MAX).then_some(value)
}

fn folded_call<'e>(
    call: &'e ast::ExprCall,
    lookup: &dyn Fn(&str) -> Option<&'e Expr>,
    steps: &mut u32,
) -> Option<String> {
    match (&*call.func, &*call.arguments.args) {
        (Expr::Name(name), [code]) if name.id == "chr" => {
            char::from_u32(small_number(code)?).map(String::from)
        }
        (Expr::Name(name), [value]) if name.id == "str" => fold(value, lookup, steps),
        (Expr::Attribute(method), []) => {
            let value = fold(&method.value, lookup, steps)?;
            match method.attr.as_str() {
                "lower" => Some(value.to_lowercase()),
                "strip" => Some(value.trim().to_owned()),
                _ => None,
            }
        }
        (Expr::Attribute(method), [items]) if method.attr.as_str() == "join" => {
            let separator = fold(&method.value, lookup, steps)?;
            let items = match items {
                Expr::List(list) => &list.elts,
                Expr::Tuple(tuple) => &tuple.elts,
                _ => return None,
            };
            let parts: Option<Vec<_>> = items.iter().map(|item| fold(item, lookup, steps)).collect();
            Some(parts?.join(&separator))
        }
        _ => None,
    }
}

fn small_number(expr: &Expr) -> Option<u32> {
    match expr {
        Expr::NumberLiteral(ast::ExprNumberLiteral { value: Number::Int(int), .. }) => {
            u32::try_from(int.as_i64()?).ok()
        }
        _ => None,
    }
}
