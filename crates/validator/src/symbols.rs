//! The part of CPython's symbol table that can refuse a program: `global` and `nonlocal` statements.
//!
//! Every scope keeps what it does with each name, in the order of `Python/symtable.c`. A `nonlocal` is
//! resolved at the end, because a function may bind a name after the inner function that uses it.

use std::collections::HashMap;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Expr, ExprContext, Pattern, Stmt};
use ruff_text_size::{Ranged, TextSize};

use crate::cpython::Worded;

/// The `global` and `nonlocal` statements of this program that CPython refuses, in no particular order.
pub(crate) fn check(body: &[Stmt], text: &str) -> Vec<Worded> {
    // Most programs have neither.
    if !text.contains("global") && !text.contains("nonlocal") {
        return Vec::new();
    }
    let module = Scope { kind: ScopeKind::Module, parent: 0, names: HashMap::new() };
    let mut table = Table { scopes: vec![module], current: 0, nonlocals: Vec::new(), errors: Vec::new() };
    table.visit_body(body);
    table.resolve();
    table.errors
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScopeKind {
    Module,
    Class,
    /// Also a lambda or a comprehension.
    Function,
}

/// How a scope uses a name.
#[derive(Debug, Default, Clone, Copy)]
struct Uses {
    parameter: bool,
    local: bool,
    import: bool,
    used: bool,
    annotated: bool,
    global: bool,
    nonlocal: bool,
    /// By `global` or `nonlocal`, first.
    declared_at: Option<TextSize>,
}

struct Scope<'a> {
    kind: ScopeKind,
    /// Index; the module is its own parent.
    parent: usize,
    names: HashMap<&'a str, Uses>,
}

struct Table<'a> {
    scopes: Vec<Scope<'a>>,
    current: usize,
    nonlocals: Vec<(usize, &'a str, TextSize)>,
    errors: Vec<Worded>,
}

impl<'a> Table<'a> {
    fn uses(&mut self, name: &'a str) -> &mut Uses {
        self.scopes[self.current].names.entry(name).or_default()
    }

    fn inside(&mut self, kind: ScopeKind, visit: impl FnOnce(&mut Self)) {
        let outer = self.current;
        self.scopes.push(Scope { kind, parent: outer, names: HashMap::new() });
        self.current = self.scopes.len() - 1;
        visit(self);
        self.current = outer;
    }

    fn error(&mut self, at: TextSize, message: String) {
        self.errors.push(Worded::new(at, message));
    }

    /// A `global` or `nonlocal` statement.
    fn declare(&mut self, names: &'a [ast::Identifier], at: TextSize, is_global: bool) {
        let word = if is_global { "global" } else { "nonlocal" };
        if !is_global && self.scopes[self.current].kind == ScopeKind::Module {
            self.error(at, "nonlocal declaration not allowed at module level".into());
            return;
        }
        for name in names {
            let name = name.as_str();
            let uses = *self.uses(name);
            if uses.parameter {
                self.error(at, format!("name '{name}' is parameter and {word}"));
            } else if uses.used {
                self.error(at, format!("name '{name}' is used prior to {word} declaration"));
            } else if uses.annotated {
                self.error(at, format!("annotated name '{name}' can't be {word}"));
            } else if uses.local {
                self.error(at, format!("name '{name}' is assigned to before {word} declaration"));
            } else if uses.global != uses.nonlocal && uses.global != is_global {
                let first = uses.declared_at.unwrap_or(at);
                self.error(first, format!("name '{name}' is nonlocal and global"));
            } else if !is_global {
                self.nonlocals.push((self.current, name, at));
            }
            let uses = self.uses(name);
            uses.global |= is_global;
            uses.nonlocal |= !is_global;
            uses.declared_at.get_or_insert(at);
        }
    }

    fn resolve(&mut self) {
        for (scope, name, at) in std::mem::take(&mut self.nonlocals) {
            if !self.is_bound_outside(scope, name) {
                self.error(at, format!("no binding for nonlocal '{name}' found"));
            }
        }
    }

    fn is_bound_outside(&self, scope: usize, name: &str) -> bool {
        let mut scope = self.scopes[scope].parent;
        while scope != 0 {
            let Scope { kind, parent, names } = &self.scopes[scope];
            // The compiler binds `__class__` for the methods of a class.
            if *kind == ScopeKind::Class && name == "__class__" {
                return true;
            }
            if *kind == ScopeKind::Function
                && let Some(uses) = names.get(name)
            {
                if uses.global {
                    return false;
                }
                if !uses.nonlocal && (uses.local || uses.parameter || uses.import) {
                    return true;
                }
            }
            scope = *parent;
        }
        false
    }

    /// Binds in the nearest scope that is not a comprehension, as `:=` does. Comprehensions have no
    /// statements, so a name wrongly bound in one would only be seen by a `nonlocal` in a lambda, where there
    /// can be none.
    fn bind(&mut self, name: &'a str) {
        self.uses(name).local = true;
    }

    fn comprehension(&mut self, generators: &'a [ast::Comprehension], elements: &[Option<&'a Expr>]) {
        let mut named = NamedTargets::default();
        for expr in elements.iter().copied().flatten() {
            named.visit_expr(expr);
        }
        for generator in generators {
            generator.ifs.iter().for_each(|test| named.visit_expr(test));
        }
        for name in named.0 {
            self.bind(name);
        }
        if let Some(first) = generators.first() {
            self.visit_expr(&first.iter);
        }
        self.inside(ScopeKind::Function, |table| {
            for (n, generator) in generators.iter().enumerate() {
                table.visit_expr(&generator.target);
                if n > 0 {
                    table.visit_expr(&generator.iter);
                }
                generator.ifs.iter().for_each(|test| table.visit_expr(test));
            }
            elements.iter().copied().flatten().for_each(|expr| table.visit_expr(expr));
        });
    }
}

/// Names bound by `:=` in an expression, without those of lambdas and inner comprehensions: the latter are
/// found when they are visited.
#[derive(Default)]
struct NamedTargets<'a>(Vec<&'a str>);

impl<'a> Visitor<'a> for NamedTargets<'a> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Lambda(_)
            | Expr::ListComp(_)
            | Expr::SetComp(_)
            | Expr::DictComp(_)
            | Expr::Generator(_) => {}
            Expr::Named(named) => {
                if let Expr::Name(name) = &*named.target {
                    self.0.push(name.id.as_str());
                }
                self.visit_expr(&named.value);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }
}

impl<'a> Visitor<'a> for Table<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Global(global) => self.declare(&global.names, global.start(), true),
            Stmt::Nonlocal(nonlocal) => self.declare(&nonlocal.names, nonlocal.start(), false),
            Stmt::FunctionDef(function) => {
                self.bind(function.name.as_str());
                function.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                self.visit_parameters(&function.parameters);
                if let Some(returns) = &function.returns {
                    self.visit_expr(returns);
                }
                self.inside(ScopeKind::Function, |table| {
                    for parameter in &*function.parameters {
                        table.uses(parameter.name().as_str()).parameter = true;
                    }
                    table.visit_body(&function.body);
                });
            }
            Stmt::ClassDef(class) => {
                self.bind(class.name.as_str());
                class.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                self.inside(ScopeKind::Class, |table| table.visit_body(&class.body));
            }
            Stmt::AnnAssign(assign) => {
                if let Expr::Name(name) = &*assign.target
                    && assign.simple
                {
                    let is_module = self.scopes[self.current].kind == ScopeKind::Module;
                    let uses = self.uses(name.id.as_str());
                    uses.annotated = true;
                    uses.local |= assign.value.is_some();
                    let word = if uses.global { "global" } else { "nonlocal" };
                    if (uses.global || uses.nonlocal) && !is_module {
                        self.error(assign.start(), format!("annotated name '{}' can't be {word}", name.id));
                    }
                } else {
                    self.visit_expr(&assign.target);
                }
                self.visit_expr(&assign.annotation);
                assign.value.iter().for_each(|value| self.visit_expr(value));
            }
            Stmt::Import(ast::StmtImport { names, .. })
            | Stmt::ImportFrom(ast::StmtImportFrom { names, .. }) => {
                for alias in names {
                    let bound = match &alias.asname {
                        Some(asname) => asname.as_str(),
                        None => alias.name.as_str().split('.').next().unwrap_or_default(),
                    };
                    self.uses(bound).import = true;
                }
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => {
                let uses = self.uses(name.id.as_str());
                match name.ctx {
                    ExprContext::Load => uses.used = true,
                    _ => uses.local = true,
                }
            }
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    self.visit_parameters(parameters);
                }
                self.inside(ScopeKind::Function, |table| {
                    for parameter in lambda.parameters.iter().flat_map(|parameters| parameters.iter()) {
                        table.uses(parameter.name().as_str()).parameter = true;
                    }
                    table.visit_expr(&lambda.body);
                });
            }
            Expr::ListComp(comp) => self.comprehension(&comp.generators, &[Some(&comp.elt)]),
            Expr::SetComp(comp) => self.comprehension(&comp.generators, &[Some(&comp.elt)]),
            Expr::Generator(comp) => self.comprehension(&comp.generators, &[Some(&comp.elt)]),
            Expr::DictComp(comp) => {
                self.comprehension(&comp.generators, &[comp.key.as_deref(), Some(&comp.value)]);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ast::ExceptHandler) {
        let ast::ExceptHandler::ExceptHandler(inner) = handler;
        if let Some(name) = &inner.name {
            self.bind(name.as_str());
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(inner) => inner.name.as_ref(),
            Pattern::MatchStar(inner) => inner.name.as_ref(),
            Pattern::MatchMapping(inner) => inner.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.bind(name.as_str());
        }
        visitor::walk_pattern(self, pattern);
    }
}
