//! Patterns worth a warning: loops without an exit, and walks over the interpreter's inner attributes.
//! A warning never refuses a program, so when in doubt there is none.

use ruff_python_ast::{self as ast, Expr, Number, Stmt};
use ruff_text_size::TextSize;

use crate::remark::Remark;
use crate::report::FindingCode;

/// Whether an attribute of this name is typical of walks from any object to the rest of the interpreter.
/// `__class__`, `__dict__` and `__name__` are common and not among them.
pub(crate) fn is_inner_attribute(name: &str) -> bool {
    matches!(
        name,
        "__subclasses__"
            | "__bases__"
            | "__base__"
            | "__mro__"
            | "__globals__"
            | "__builtins__"
            | "__code__"
            | "__closure__"
            | "__loader__"
            | "__subclasshook__"
            | "__getattribute__"
            | "f_globals"
            | "f_locals"
            | "f_builtins"
            | "f_back"
            | "gi_frame"
            | "gi_code"
            | "cr_frame"
            | "ag_frame"
            | "tb_frame"
    )
}

/// `while True`, `while 1` and the like.
pub(crate) fn is_endless_while(stmt: &ast::StmtWhile) -> bool {
    is_always_true(&stmt.test)
}

/// `for … in itertools.count()` and `itertools.cycle(…)`.
pub(crate) fn is_endless_for(stmt: &ast::StmtFor) -> bool {
    let Expr::Call(call) = &*stmt.iter else { return false };
    let Expr::Attribute(function) = &*call.func else { return false };
    let is_itertools = matches!(&*function.value, Expr::Name(name) if name.id == "itertools");
    is_itertools && matches!(function.attr.as_str(), "count" | "cycle")
}

fn is_always_true(test: &Expr) -> bool {
    match test {
        Expr::BooleanLiteral(literal) => literal.value,
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => int.as_u64() != Some(0),
            Number::Float(float) => *float != 0.0,
            Number::Complex { .. } => false,
        },
        Expr::StringLiteral(literal) => !literal.value.is_empty(),
        Expr::UnaryOp(ast::ExprUnaryOp { op: ast::UnaryOp::Not, operand, .. }) => match &**operand {
            Expr::BooleanLiteral(literal) => !literal.value,
            Expr::NoneLiteral(_) => true,
            _ => false,
        },
        _ => false,
    }
}

#[derive(Debug, Clone, Copy)]
struct Loop {
    /// Only its body can end it.
    is_endless: bool,
    has_exit: bool,
}

/// The loops around the current position of the walk, innermost last, in the current function.
#[derive(Debug, Default)]
pub(crate) struct Loops {
    open: Vec<Loop>,
    /// Surrounding `try` with handlers and `with` blocks: an exception is a way out there.
    pub(crate) protected: u32,
    pub(crate) remarks: Vec<Remark>,
}

/// The state saved by [`Loops::enter_scope`].
#[derive(Debug)]
pub(crate) struct Outer(Vec<Loop>, u32);

impl Loops {
    pub(crate) fn enter_scope(&mut self) -> Outer {
        Outer(std::mem::take(&mut self.open), std::mem::take(&mut self.protected))
    }

    pub(crate) fn leave_scope(&mut self, outer: Outer) {
        (self.open, self.protected) = (outer.0, outer.1);
    }

    pub(crate) fn enter_loop(&mut self, is_endless: bool) {
        self.open.push(Loop { is_endless, has_exit: self.protected > 0 });
    }

    pub(crate) fn leave_loop(&mut self, at: TextSize) {
        if let Some(Loop { is_endless: true, has_exit: false }) = self.open.pop() {
            let message =
                "this loop has no `break`, `return`, `raise` or exit call, so only the time limit ends it";
            self.remarks.push(Remark { at, code: FindingCode::InfiniteLoop, message: message.into() });
        }
    }

    /// This statement leaves every loop of the function.
    pub(crate) fn leave_all(&mut self) {
        // Those outside a loop that has an exit of this kind were marked together with it, but one marked by
        // `break` says nothing about the others; loops nest at most as deep as the indentation goes.
        self.open.iter_mut().for_each(|inner| inner.has_exit = true);
    }

    pub(crate) fn statement(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Break(_) => {
                if let Some(inner) = self.open.last_mut() {
                    inner.has_exit = true;
                }
            }
            Stmt::Return(_) | Stmt::Raise(_) | Stmt::Assert(_) => self.leave_all(),
            _ => {}
        }
    }

    /// `exit()` and the like leave; `next()`, `input()` and `send()` raise when there is nothing more.
    pub(crate) fn call(&mut self, call: &ast::ExprCall) {
        let name = match &*call.func {
            Expr::Name(name) => name.id.as_str(),
            Expr::Attribute(attribute) => attribute.attr.as_str(),
            _ => return,
        };
        if matches!(
            name,
            "exit" | "quit" | "_exit" | "abort" | "kill" | "execv" | "next" | "input" | "send" | "throw"
        ) {
            self.leave_all();
        }
    }
}
