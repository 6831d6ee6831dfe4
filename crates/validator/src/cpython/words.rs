//! CPython's messages for errors of its symbol table and its compiler in a program that parses.

use ruff_python_ast::IrrefutablePatternKind;
use ruff_python_parser::semantic_errors::{
    AwaitOutsideAsyncFunctionKind, InvalidExpressionKind, SemanticSyntaxError, SemanticSyntaxErrorKind,
    WriteToDebugKind, YieldOutsideFunctionKind,
};
use ruff_text_size::Ranged;

/// The message for `error` of a program with this `text`, for an interpreter of this version.
pub(crate) fn semantic(error: &SemanticSyntaxError, text: &str, python: (u8, u8)) -> String {
    use SemanticSyntaxErrorKind as Kind;
    let snippet = || &text[error.range()];
    match &error.kind {
        Kind::LateFutureImport => "from __future__ imports must occur at the beginning of the file".into(),
        Kind::FutureFeatureNotDefined(name) if name == "braces" => "not a chance".into(),
        Kind::FutureFeatureNotDefined(name) => format!("future feature {name} is not defined"),
        Kind::NamedExpressionInComprehensionIterable => {
            "assignment expression cannot be used in a comprehension iterable expression".into()
        }
        Kind::NamedExpressionInClassBodyComprehension => {
            "assignment expression within a comprehension cannot be used in a class body".into()
        }
        Kind::ReboundComprehensionVariable => {
            let name = snippet().split([':', ' ', '\t', '\n', '\r', '\\']).next().unwrap_or_default();
            format!("assignment expression cannot rebind comprehension iteration variable '{name}'")
        }
        Kind::DuplicateTypeParameter => format!("duplicate type parameter '{}'", snippet()),
        Kind::TypeParameterDefaultOrder(name) => {
            format!("non-default type parameter '{name}' follows default type parameter")
        }
        Kind::MultipleCaseAssignment(name) => format!("multiple assignments to name '{name}' in pattern"),
        Kind::MultipleStarredNamesInSequencePattern => "multiple starred names in sequence pattern".into(),
        Kind::IrrefutableCasePattern(IrrefutablePatternKind::Name(name)) => {
            format!("name capture '{name}' makes remaining patterns unreachable")
        }
        Kind::IrrefutableCasePattern(IrrefutablePatternKind::Wildcard) => {
            "wildcard makes remaining patterns unreachable".into()
        }
        Kind::SingleStarredAssignment => "starred assignment target must be in a list or tuple".into(),
        Kind::WriteToDebug(WriteToDebugKind::Store) => "cannot assign to __debug__".into(),
        Kind::WriteToDebug(WriteToDebugKind::Delete(_)) => "cannot delete __debug__".into(),
        Kind::InvalidExpression(kind, position) => {
            let kind = match kind {
                InvalidExpressionKind::Yield => "yield expression",
                InvalidExpressionKind::NamedExpr => "named expression",
                InvalidExpressionKind::Await => "await expression",
            };
            if python < (3, 12) {
                format!("'{kind}' can not be used within an annotation")
            } else {
                format!("{kind} cannot be used within a {position}").replace("a type a", "an a")
            }
        }
        Kind::DuplicateMatchKey(key) => format!("mapping pattern checks duplicate key ({key})"),
        Kind::DuplicateMatchClassAttribute(name) => {
            format!("attribute name repeated in class pattern: {name}")
        }
        Kind::InvalidStarExpression => "can't use starred expression here".into(),
        Kind::YieldOutsideFunction(YieldOutsideFunctionKind::Await) => "'await' outside function".into(),
        Kind::YieldOutsideFunction(_) => "'yield' outside function".into(),
        Kind::ReturnOutsideFunction => "'return' outside function".into(),
        Kind::AwaitOutsideAsyncFunction(kind) => match kind {
            AwaitOutsideAsyncFunctionKind::Await => "'await' outside async function".into(),
            AwaitOutsideAsyncFunctionKind::AsyncFor => "'async for' outside async function".into(),
            AwaitOutsideAsyncFunctionKind::AsyncWith => "'async with' outside async function".into(),
            AwaitOutsideAsyncFunctionKind::AsyncComprehension => {
                "asynchronous comprehension outside of an asynchronous function".into()
            }
        },
        Kind::DuplicateParameter(name) => format!("duplicate argument '{name}' in function definition"),
        Kind::DuplicateKeywordArgument(name) => format!("keyword argument repeated: {name}"),
        Kind::YieldFromInAsyncFunction => "'yield from' inside async function".into(),
        Kind::NonModuleImportStar(_) => "import * only allowed at module level".into(),
        Kind::MultipleStarredExpressions => "multiple starred expressions in assignment".into(),
        Kind::BreakOutsideLoop => "'break' outside loop".into(),
        Kind::ContinueOutsideLoop => "'continue' not properly in loop".into(),
        Kind::DifferentMatchPatternBindings => "alternative patterns bind different names".into(),
        Kind::ReturnInGenerator => "'return' with value in async generator".into(),
        // Our own symbol table checks `global` and `nonlocal`; the rest is newer than the messages known
        // here.
        _ => error.to_string(),
    }
}
