//! One walk over the tree for the whole policy: imports, decision points, suspicious patterns.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Expr, ExprContext, Pattern, Stmt};
use ruff_text_size::{Ranged, TextSize};

use crate::imports::Imports;
use crate::modules;
use crate::patterns::{self, Loops};
use crate::policy::Policy;
use crate::remark::Remark;
use crate::report::FindingCode;

/// The results of the walk.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) remarks: Vec<Remark>,
    pub(crate) imports: BTreeSet<String>,
    pub(crate) complexity: u32,
}

/// Position of the last statement, and whether it is a call, if it is an expression with a value worth
/// showing.
pub(crate) fn last_expression(body: &[Stmt]) -> Option<(TextSize, bool)> {
    let Some(Stmt::Expr(last)) = body.last() else { return None };
    match &*last.value {
        // A docstring, a placeholder, or nothing to show.
        Expr::StringLiteral(_) | Expr::BytesLiteral(_) | Expr::EllipsisLiteral(_) | Expr::NoneLiteral(_) => {
            None
        }
        Expr::Call(_) | Expr::Await(_) => Some((last.start(), true)),
        Expr::Yield(_) | Expr::YieldFrom(_) | Expr::Named(_) => None,
        _ => Some((last.start(), false)),
    }
}

/// Walks the program once.
pub(crate) fn inspect(body: &[Stmt], policy: &Policy) -> Inspection {
    let mut walk = Walk {
        imports: Imports::default(),
        loops: Loops::default(),
        complexity: 0,
        complexity_max: policy.max_complexity,
        too_complex_at: None,
        evaluations: Vec::new(),
        dunder_at: None,
        remarks: Vec::new(),
    };
    walk.visit_body(body);

    let mut remarks = walk.remarks;
    remarks.append(&mut walk.loops.remarks);
    for (at, name) in walk.evaluations {
        // `from re import compile` is another matter.
        if walk.imports.is_builtin(name) {
            let message = format!("`{name}` runs code that was not checked");
            remarks.push(Remark { at, code: FindingCode::DynamicCode, message });
        }
    }
    if let Some(at) = walk.too_complex_at {
        let (count, max) = (walk.complexity, policy.max_complexity);
        let message =
            format!("too complex: {count} decision points, at most {max} are allowed (exceeded here)");
        remarks.push(Remark { at, code: FindingCode::TooComplex, message });
    }
    let imports = walk.imports.check(policy, &mut remarks);
    Inspection { remarks, imports, complexity: walk.complexity }
}

struct Walk<'a> {
    imports: Imports<'a>,
    loops: Loops,
    complexity: u32,
    complexity_max: u32,
    too_complex_at: Option<TextSize>,
    /// Calls of `eval` and related functions.
    evaluations: Vec<(TextSize, &'a str)>,
    /// Start of the last reported walk: a chain is one finding, not one for each link.
    dunder_at: Option<TextSize>,
    remarks: Vec<Remark>,
}

impl<'a> Walk<'a> {
    fn decide(&mut self, at: TextSize, points: usize) {
        self.complexity = self.complexity.saturating_add(u32::try_from(points).unwrap_or(u32::MAX));
        let is_over = self.complexity_max > 0 && self.complexity > self.complexity_max;
        if is_over && self.too_complex_at.is_none() {
            self.too_complex_at = Some(at);
        }
    }

    fn dunder(&mut self, at: TextSize, name: &str) {
        if patterns::is_inner_attribute(name) && self.dunder_at != Some(at) {
            self.dunder_at = Some(at);
            let message = format!("`{name}` accesses internal objects of the interpreter");
            self.remarks.push(Remark { at, code: FindingCode::DunderWalk, message });
        }
    }

    fn call(&mut self, call: &'a ast::ExprCall) {
        self.imports.call(call);
        self.loops.call(call);
        if let Expr::Name(name) = &*call.func {
            match name.id.as_str() {
                name @ ("eval" | "exec" | "compile") => self.evaluations.push((call.start(), name)),
                "getattr" => {
                    if let Some(Expr::StringLiteral(attribute)) = call.arguments.args.get(1) {
                        self.dunder(call.start(), attribute.value.to_str());
                    }
                }
                _ => {}
            }
        }
    }

    fn comprehension(&mut self, generators: &'a [ast::Comprehension]) {
        for generator in generators {
            self.decide(generator.start(), 1 + generator.ifs.len());
        }
    }

    /// Decision points and bindings of a statement, before its children.
    fn enter(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::If(stmt) => {
                self.decide(stmt.start(), 1);
                for clause in stmt.elif_else_clauses.iter().filter(|clause| clause.test.is_some()) {
                    self.decide(clause.start(), 1);
                }
            }
            Stmt::For(_) | Stmt::While(_) => self.decide(stmt.start(), 1),
            Stmt::Import(_) | Stmt::ImportFrom(_) => self.imports.statement(stmt),
            Stmt::FunctionDef(function) => self.imports.bind(function.name.as_str()),
            Stmt::ClassDef(class) => self.imports.bind(class.name.as_str()),
            Stmt::Assign(assign) => {
                if let [Expr::Name(name)] = &*assign.targets {
                    self.imports.assign(name.id.as_str(), &assign.value);
                }
            }
            Stmt::AnnAssign(ast::StmtAnnAssign { target, value: Some(value), .. }) => {
                if let Expr::Name(name) = &**target {
                    self.imports.assign(name.id.as_str(), value);
                }
            }
            _ => {}
        }
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        self.enter(stmt);
        self.loops.statement(stmt);
        match stmt {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {
                let outer = self.loops.enter_scope();
                visitor::walk_stmt(self, stmt);
                self.loops.leave_scope(outer);
            }
            Stmt::While(inner) => {
                self.visit_expr(&inner.test);
                self.loops.enter_loop(patterns::is_endless_while(inner));
                self.visit_body(&inner.body);
                self.loops.leave_loop(stmt.start());
                self.visit_body(&inner.orelse);
            }
            Stmt::For(inner) => {
                self.visit_expr(&inner.iter);
                self.visit_expr(&inner.target);
                self.loops.enter_loop(patterns::is_endless_for(inner));
                self.visit_body(&inner.body);
                self.loops.leave_loop(stmt.start());
                self.visit_body(&inner.orelse);
            }
            Stmt::Try(inner) if !inner.handlers.is_empty() => {
                self.loops.protected += 1;
                self.visit_body(&inner.body);
                self.loops.protected -= 1;
                inner.handlers.iter().for_each(|handler| self.visit_except_handler(handler));
                self.visit_body(&inner.orelse);
                self.visit_body(&inner.finalbody);
            }
            Stmt::With(_) => {
                self.loops.protected += 1;
                visitor::walk_stmt(self, stmt);
                self.loops.protected -= 1;
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::BoolOp(op) => self.decide(op.start(), op.values.len() - 1),
            Expr::If(_) => self.decide(expr.start(), 1),
            Expr::ListComp(comp) => self.comprehension(&comp.generators),
            Expr::SetComp(comp) => self.comprehension(&comp.generators),
            Expr::DictComp(comp) => self.comprehension(&comp.generators),
            Expr::Generator(comp) => self.comprehension(&comp.generators),
            Expr::Name(name) => match name.ctx {
                ExprContext::Load => {
                    if name.id == "__builtins__" {
                        self.dunder(name.start(), "__builtins__");
                    }
                }
                _ => self.imports.bind(name.id.as_str()),
            },
            Expr::Call(call) => self.call(call),
            Expr::Attribute(attribute) => {
                let name = attribute.attr.as_str();
                if modules::unmistakable(name).is_some() {
                    self.imports.walk(expr);
                }
                self.dunder(attribute.start(), name);
            }
            Expr::Subscript(subscript) => {
                if matches!(&*subscript.value, Expr::Attribute(inner) if inner.attr.as_str() == "modules") {
                    self.imports.walk(expr);
                }
            }
            Expr::Yield(_) | Expr::YieldFrom(_) | Expr::Await(_) => self.loops.leave_all(),
            Expr::Lambda(_) => {
                let outer = self.loops.enter_scope();
                visitor::walk_expr(self, expr);
                self.loops.leave_scope(outer);
                return;
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }

    fn visit_parameter(&mut self, parameter: &'a ast::Parameter) {
        self.imports.bind(parameter.name.as_str());
        visitor::walk_parameter(self, parameter);
    }

    fn visit_except_handler(&mut self, handler: &'a ast::ExceptHandler) {
        self.decide(handler.start(), 1);
        let ast::ExceptHandler::ExceptHandler(inner) = handler;
        if let Some(name) = &inner.name {
            self.imports.bind(name.as_str());
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_match_case(&mut self, case: &'a ast::MatchCase) {
        self.decide(case.start(), 1 + usize::from(case.guard.is_some()));
        visitor::walk_match_case(self, case);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(inner) => inner.name.as_ref(),
            Pattern::MatchStar(inner) => inner.name.as_ref(),
            Pattern::MatchMapping(inner) => inner.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.imports.bind(name.as_str());
        }
        visitor::walk_pattern(self, pattern);
    }
}
