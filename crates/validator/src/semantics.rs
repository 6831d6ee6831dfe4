//! Errors of CPython's compiler in programs that parse: `return` outside a function, `break` outside a loop
//! and so on.
//!
//! The checks are the parser's own (`SemanticSyntaxChecker`); this file walks the tree for it and tracks the
//! scopes.

use std::cell::RefCell;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Expr, InterpolatedStringElement, PythonVersion, Stmt};
use ruff_python_parser::semantic_errors::{
    LazyImportContext, SemanticSyntaxChecker, SemanticSyntaxContext, SemanticSyntaxError,
    SemanticSyntaxErrorKind, YieldOutsideFunctionKind,
};
use ruff_text_size::{Ranged, TextRange, TextSize};

use crate::cpython::{Worded, words};

/// All errors of CPython's compiler in a program that parses, except `global` and `nonlocal`
/// (see [`crate::symbols`]).
pub(crate) fn check(body: &[Stmt], text: &str, python: (u8, u8)) -> Vec<Worded> {
    let mut walk = Walk {
        checker: SemanticSyntaxChecker::new(),
        found: RefCell::new(Vec::new()),
        text,
        python,
        scopes: vec![Scope::new(ScopeKind::Module)],
        future_annotations: false,
        format_specs: 0,
    };
    walk.visit_body(body);
    walk.found.into_inner()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScopeKind {
    Module,
    Class,
    Function {
        is_async: bool,
    },
    Lambda,
    /// A comprehension; with CPython's name for it.
    Comprehension {
        name: &'static str,
        is_async: bool,
    },
}

/// What a `break` can meet on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Loop,
    ExceptStar,
}

struct Scope {
    kind: ScopeKind,
    blocks: Vec<Block>,
}

impl Scope {
    fn new(kind: ScopeKind) -> Self {
        Self { kind, blocks: Vec::new() }
    }
}

struct Walk<'s> {
    checker: SemanticSyntaxChecker,
    /// Shared, because the checker reports through a shared reference.
    found: RefCell<Vec<Worded>>,
    text: &'s str,
    python: (u8, u8),
    /// Never empty: the module is first.
    scopes: Vec<Scope>,
    future_annotations: bool,
    /// Format specifications around the current position: `{a:{b}}` is one for `b`.
    format_specs: u32,
}

impl Walk<'_> {
    fn report(&self, at: TextSize, message: impl Into<String>) {
        self.found.borrow_mut().push(Worded::new(at, message));
    }

    fn kind(&self) -> ScopeKind {
        self.scopes.last().map_or(ScopeKind::Module, |scope| scope.kind)
    }

    fn kinds(&self) -> impl Iterator<Item = ScopeKind> {
        self.scopes.iter().rev().map(|scope| scope.kind)
    }

    fn inside(&mut self, kind: ScopeKind, visit: impl FnOnce(&mut Self)) {
        self.scopes.push(Scope::new(kind));
        visit(self);
        self.scopes.pop();
    }

    fn in_block(&mut self, block: Block, visit: impl FnOnce(&mut Self)) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.blocks.push(block);
        }
        visit(self);
        if let Some(scope) = self.scopes.last_mut() {
            scope.blocks.pop();
        }
    }

    /// `break`, `continue` and `return` may not leave an `except*` block.
    fn check_except_star(&self, stmt: &Stmt) {
        let blocks = self.scopes.last().map_or(&[][..], |scope| &scope.blocks);
        let leaves = match stmt {
            Stmt::Break(_) | Stmt::Continue(_) => blocks.last() == Some(&Block::ExceptStar),
            Stmt::Return(_) => blocks.contains(&Block::ExceptStar),
            _ => false,
        };
        if leaves {
            let message = "'break', 'continue' and 'return' cannot appear in an except* block";
            self.report(stmt.start(), message);
        }
    }

    /// Checks that the parser does not make.
    fn check_more(&self, stmt: &Stmt) {
        match stmt {
            Stmt::Expr(stmt) if stmt.value.is_starred_expr() => {
                self.report(stmt.start(), "can't use starred expression here");
            }
            // The parser's check covers the case of one target.
            Stmt::Assign(stmt) if stmt.targets.len() > 1 => {
                for target in stmt.targets.iter().filter(|target| target.is_starred_expr()) {
                    self.report(target.start(), STARRED_TARGET);
                }
            }
            Stmt::Try(stmt) => {
                let handlers = stmt.handlers.iter().rev().skip(1);
                for ast::ExceptHandler::ExceptHandler(handler) in handlers {
                    if handler.type_.is_none() {
                        self.report(handler.start(), "default 'except:' must be last");
                    }
                }
            }
            _ => {}
        }
    }

    fn comprehension(
        &mut self,
        name: &'static str,
        generators: &[ast::Comprehension],
        elements: &[Option<&Expr>],
    ) {
        // The first iterable is evaluated outside.
        if let Some(first) = generators.first() {
            self.visit_expr(&first.iter);
        }
        let is_async = generators.iter().any(|generator| generator.is_async);
        self.inside(ScopeKind::Comprehension { name, is_async }, |walk| {
            for (n, generator) in generators.iter().enumerate() {
                walk.visit_expr(&generator.target);
                if n > 0 {
                    walk.visit_expr(&generator.iter);
                }
                generator.ifs.iter().for_each(|test| walk.visit_expr(test));
            }
            elements.iter().copied().flatten().for_each(|expr| walk.visit_expr(expr));
        });
    }
}

impl SemanticSyntaxContext for Walk<'_> {
    fn future_annotations_or_stub(&self) -> bool {
        self.future_annotations
    }

    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        match self.kind() {
            ScopeKind::Function { .. } => Some(LazyImportContext::Function),
            ScopeKind::Class => Some(LazyImportContext::Class),
            _ => None,
        }
    }

    fn python_version(&self) -> PythonVersion {
        PythonVersion { major: self.python.0, minor: self.python.1 }
    }

    fn source(&self) -> &str {
        self.text
    }

    // Our own symbol table checks `global` and `nonlocal` (`crate::symbols`), so this reports nothing.
    fn global(&self, _name: &str) -> Option<TextRange> {
        None
    }

    fn has_nonlocal_binding(&self, _name: &str) -> bool {
        true
    }

    fn is_bound_parameter(&self, _name: &str) -> bool {
        false
    }

    fn in_async_context(&self) -> bool {
        self.kinds()
            .find(|kind| !matches!(kind, ScopeKind::Comprehension { .. }))
            .is_some_and(|kind| kind == ScopeKind::Function { is_async: true })
    }

    fn in_await_allowed_context(&self) -> bool {
        for kind in self.kinds() {
            match kind {
                ScopeKind::Class | ScopeKind::Module => return false,
                ScopeKind::Function { .. } | ScopeKind::Lambda => return true,
                ScopeKind::Comprehension { name, .. } if name == GENERATOR => return true,
                ScopeKind::Comprehension { .. } => {}
            }
        }
        false
    }

    fn in_yield_allowed_context(&self) -> bool {
        matches!(self.kind(), ScopeKind::Function { .. } | ScopeKind::Lambda)
    }

    fn in_sync_comprehension(&self) -> bool {
        self.kinds().any(|kind| matches!(kind, ScopeKind::Comprehension { is_async: false, .. }))
    }

    fn in_class_body_comprehension(&self) -> bool {
        self.kinds().find(|kind| !matches!(kind, ScopeKind::Comprehension { .. })) == Some(ScopeKind::Class)
    }

    fn in_module_scope(&self) -> bool {
        self.kind() == ScopeKind::Module
    }

    fn in_function_scope(&self) -> bool {
        matches!(self.kind(), ScopeKind::Function { .. } | ScopeKind::Lambda)
    }

    fn in_generator_context(&self) -> bool {
        self.kinds().any(|kind| matches!(kind, ScopeKind::Comprehension { name: GENERATOR, .. }))
    }

    fn in_notebook(&self) -> bool {
        false
    }

    fn in_loop_context(&self) -> bool {
        // An `except*` block in the way has its own error.
        self.scopes.last().is_some_and(|scope| !scope.blocks.is_empty())
    }

    fn report_semantic_error(&self, error: SemanticSyntaxError) {
        use SemanticSyntaxErrorKind as Kind;
        let mut message = words::semantic(&error, self.text, self.python);
        match (&error.kind, self.kind()) {
            (
                Kind::YieldOutsideFunction(
                    YieldOutsideFunctionKind::Yield | YieldOutsideFunctionKind::YieldFrom,
                ),
                ScopeKind::Comprehension { name, .. },
            ) => message = format!("'yield' inside {name}"),
            (Kind::InvalidStarExpression, _)
                if self.text[..error.start().to_usize()].trim_end().ends_with("for") =>
            {
                message = STARRED_TARGET.into();
            }
            // `await` outside any function is reported as just that.
            (Kind::AwaitOutsideAsyncFunction(_), _)
                if self.found.borrow().last().is_some_and(|w| w.at == error.start()) =>
            {
                return;
            }
            _ => {}
        }
        self.report(error.start(), message);
    }
}

/// Maximum number of clauses of a comprehension and of type parameters that are checked. The parser's checks
/// compare each with all before it, and real programs have fewer; the interpreter checks the rest itself.
const COMPARED_MAX: usize = 100;

fn has_many_clauses(expr: &Expr) -> bool {
    let generators = match expr {
        Expr::ListComp(comp) => &comp.generators,
        Expr::SetComp(comp) => &comp.generators,
        Expr::DictComp(comp) => &comp.generators,
        Expr::Generator(comp) => &comp.generators,
        _ => return false,
    };
    generators.len() > COMPARED_MAX
}

fn has_many_type_parameters(stmt: &Stmt) -> bool {
    let parameters = match stmt {
        Stmt::FunctionDef(stmt) => stmt.type_params.as_deref(),
        Stmt::ClassDef(stmt) => stmt.type_params.as_deref(),
        Stmt::TypeAlias(stmt) => stmt.type_params.as_deref(),
        _ => None,
    };
    parameters.is_some_and(|parameters| parameters.type_params.len() > COMPARED_MAX)
}

const STARRED_TARGET: &str = "starred assignment target must be in a list or tuple";
const GENERATOR: &str = "generator expression";

impl<'a> Visitor<'a> for Walk<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if !has_many_type_parameters(stmt) {
            let mut checker = std::mem::take(&mut self.checker);
            checker.visit_stmt(stmt, self);
            self.checker = checker;
        }
        self.check_except_star(stmt);
        self.check_more(stmt);
        match stmt {
            Stmt::ImportFrom(import) if import.module.as_deref() == Some("__future__") => {
                self.future_annotations |=
                    import.names.iter().any(|alias| alias.name.as_str() == "annotations");
            }
            Stmt::FunctionDef(function) => {
                function.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                function.type_params.iter().for_each(|params| self.visit_type_params(params));
                self.visit_parameters(&function.parameters);
                function.returns.iter().for_each(|returns| self.visit_annotation(returns));
                let kind = ScopeKind::Function { is_async: function.is_async };
                self.inside(kind, |walk| walk.visit_body(&function.body));
            }
            Stmt::ClassDef(class) => {
                class.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                class.type_params.iter().for_each(|params| self.visit_type_params(params));
                class.arguments.iter().for_each(|arguments| self.visit_arguments(arguments));
                self.inside(ScopeKind::Class, |walk| walk.visit_body(&class.body));
            }
            Stmt::For(stmt) => {
                self.visit_expr(&stmt.iter);
                self.visit_expr(&stmt.target);
                self.in_block(Block::Loop, |walk| walk.visit_body(&stmt.body));
                self.visit_body(&stmt.orelse);
            }
            Stmt::While(stmt) => {
                self.visit_expr(&stmt.test);
                self.in_block(Block::Loop, |walk| walk.visit_body(&stmt.body));
                self.visit_body(&stmt.orelse);
            }
            Stmt::Try(stmt) if stmt.is_star => {
                self.visit_body(&stmt.body);
                for handler in &stmt.handlers {
                    self.in_block(Block::ExceptStar, |walk| walk.visit_except_handler(handler));
                }
                self.visit_body(&stmt.orelse);
                self.visit_body(&stmt.finalbody);
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_interpolated_string_element(&mut self, element: &'a InterpolatedStringElement) {
        let InterpolatedStringElement::Interpolation(hole) = element else { return };
        let outer = self.format_specs;
        if self.python < (3, 12) && outer > 1 {
            self.report(hole.start(), "f-string: expressions nested too deeply");
        }
        if hole.expression.is_starred_expr() {
            let prefix = if self.python < (3, 12) { "f-string: cannot" } else { "can't" };
            self.report(hole.start(), format!("{prefix} use starred expression here"));
        }
        // An f-string inside the braces starts again.
        self.format_specs = 0;
        self.visit_expr(&hole.expression);
        self.format_specs = outer + 1;
        let specs = hole.format_spec.iter().flat_map(|spec| spec.elements.iter());
        specs.for_each(|element| self.visit_interpolated_string_element(element));
        self.format_specs = outer;
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if !has_many_clauses(expr) {
            let mut checker = std::mem::take(&mut self.checker);
            checker.visit_expr(expr, self);
            self.checker = checker;
        }
        match expr {
            Expr::Lambda(lambda) => {
                lambda.parameters.iter().for_each(|parameters| self.visit_parameters(parameters));
                self.inside(ScopeKind::Lambda, |walk| walk.visit_expr(&lambda.body));
            }
            Expr::ListComp(comp) => {
                self.comprehension("list comprehension", &comp.generators, &[Some(&comp.elt)]);
            }
            Expr::SetComp(comp) => {
                self.comprehension("set comprehension", &comp.generators, &[Some(&comp.elt)])
            }
            Expr::DictComp(comp) => self.comprehension(
                "dict comprehension",
                &comp.generators,
                &[comp.key.as_deref(), Some(&comp.value)],
            ),
            Expr::Generator(comp) => self.comprehension(GENERATOR, &comp.generators, &[Some(&comp.elt)]),
            _ => visitor::walk_expr(self, expr),
        }
    }
}
