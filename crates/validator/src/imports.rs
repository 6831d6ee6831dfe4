//! The modules that a program imports, in every form that its text shows, and those of them that the policy
//! forbids.
//!
//! The walk ([`crate::inspect`]) collects; [`Imports::check`] decides at the end, when every binding of the
//! file is known. It is flow-insensitive on purpose: a name that is also bound to something else proves
//! nothing, and then there is at most a warning.

use std::collections::{BTreeSet, HashMap};

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextSize};

use crate::fold;
use crate::modules;
use crate::policy::Policy;
use crate::remark::Remark;
use crate::report::FindingCode;

/// Functions that import the module named by their first argument.
const IMPORTERS: &[&str] = &[
    "builtins.__import__",
    "importlib.__import__",
    "importlib.import_module",
    "pkgutil.resolve_name",
    "pydoc.locate",
    "runpy.run_module",
];

/// Maximum number of steps of `a = b; b = c; …` that are followed.
const ALIAS_STEPS_MAX: u32 = 4;

/// Maximum length of a chain of attributes that is followed: the path of every link of a chain may be asked
/// for.
const LINKS_MAX: usize = 32;

/// What a name is bound to, over the whole file.
#[derive(Debug, Default)]
struct Binding<'a> {
    /// By import statements: dotted paths.
    imported: Vec<Imported>,
    /// By `name = expression`, if there is one such assignment.
    value: Option<&'a Expr>,
    /// Bindings that are not imports.
    others: u32,
}

#[derive(Debug, Clone)]
struct Imported {
    path: String,
    /// `import a` proves that it is a module; `from a import b` does not.
    is_module: bool,
}

/// Where a chain of attributes leads.
#[derive(Debug, Clone)]
struct Path {
    dotted: String,
    /// The length of the part of `dotted` that an import statement named.
    proven: usize,
    is_module: bool,
    /// The root is bound to other things as well.
    doubtful: bool,
}

/// All imports and related uses in a program.
#[derive(Debug, Default)]
pub(crate) struct Imports<'a> {
    bindings: HashMap<&'a str, Binding<'a>>,
    statements: Vec<&'a Stmt>,
    calls: Vec<&'a ast::ExprCall>,
    /// Attributes with an unmistakable name, `sys.modules[…]`, and `getattr` with a constant.
    walks: Vec<&'a Expr>,
}

impl<'a> Imports<'a> {
    /// Records an `import` or `from` statement.
    pub(crate) fn statement(&mut self, stmt: &'a Stmt) {
        self.statements.push(stmt);
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let module = alias.name.as_str();
                    let top = module.split('.').next().unwrap_or_default();
                    let (name, path) = match &alias.asname {
                        Some(asname) => (asname.as_str(), module),
                        None => (top, top),
                    };
                    self.import(name, Imported { path: path.to_owned(), is_module: true });
                }
            }
            Stmt::ImportFrom(from) if from.level == 0 => {
                let module = from.module.as_deref().unwrap_or_default();
                for alias in &from.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    self.import(
                        name,
                        Imported { path: format!("{module}.{}", alias.name), is_module: false },
                    );
                }
            }
            Stmt::ImportFrom(from) => from.names.iter().for_each(|alias| {
                self.bind(alias.asname.as_ref().unwrap_or(&alias.name).as_str());
            }),
            _ => {}
        }
    }

    /// Records that `name` is bound by something that is not an import.
    pub(crate) fn bind(&mut self, name: &'a str) {
        self.bindings.entry(name).or_default().others += 1;
    }

    /// Records `name = value`; the target itself is counted by [`Imports::bind`].
    pub(crate) fn assign(&mut self, name: &'a str, value: &'a Expr) {
        self.bindings.entry(name).or_default().value = Some(value);
    }

    /// Records a call that may import something.
    pub(crate) fn call(&mut self, call: &'a ast::ExprCall) {
        match &*call.func {
            Expr::Name(name) if name.id == "getattr" => {
                if let [_, attribute] | [_, attribute, _] = &*call.arguments.args
                    && fold::literal(attribute).is_some_and(|name| modules::unmistakable(&name).is_some())
                {
                    self.calls.push(call);
                }
            }
            Expr::Attribute(attribute) => {
                let name = Some(attribute.attr.as_str());
                if IMPORTERS.iter().any(|path| path.rsplit('.').next() == name) {
                    self.calls.push(call);
                }
            }
            // Any name may refer to `__import__`.
            Expr::Name(_) | Expr::Subscript(_) | Expr::Call(_) if !call.arguments.is_empty() => {
                self.calls.push(call)
            }
            _ => {}
        }
    }

    /// Records an attribute or subscript that may lead to another module.
    pub(crate) fn walk(&mut self, expr: &'a Expr) {
        self.walks.push(expr);
    }

    /// Whether `name` has its meaning in `builtins`.
    pub(crate) fn is_builtin(&self, name: &str) -> bool {
        !self.bindings.contains_key(name)
    }

    /// The imported modules, with findings about those that the policy forbids.
    pub(crate) fn check(&self, policy: &Policy, remarks: &mut Vec<Remark>) -> BTreeSet<String> {
        let mut check = ImportChecker { imports: self, policy, modules: BTreeSet::new(), remarks };
        for stmt in &self.statements {
            check.statement(stmt);
        }
        for call in &self.calls {
            check.call(call);
        }
        for expr in &self.walks {
            check.walk(expr);
        }
        check.modules
    }

    fn import(&mut self, name: &'a str, imported: Imported) {
        self.bindings.entry(name).or_default().imported.push(imported);
    }

    /// The value of a name that is assigned exactly once in the whole file, and never bound otherwise.
    fn constant(&self, name: &str) -> Option<&'a Expr> {
        let binding = self.bindings.get(name)?;
        if binding.others == 1 && binding.imported.is_empty() { binding.value } else { None }
    }

    /// A constant string, through names that are assigned once.
    fn string(&self, expr: &Expr) -> Option<String> {
        fold::string(expr, &|name| self.constant(name))
    }

    /// Where `expr` leads, if it is a chain that starts at an import or a builtin.
    fn path(&self, expr: &Expr, steps: u32) -> Option<Path> {
        let mut attributes = Vec::new();
        let mut expr = expr;
        let root = loop {
            if attributes.len() > LINKS_MAX {
                return None;
            }
            match expr {
                Expr::Attribute(attribute) => {
                    attributes.push(attribute.attr.to_string());
                    expr = &attribute.value;
                }
                Expr::Subscript(subscript) => {
                    // `__builtins__["x"]` and `vars(module)["x"]` are attributes of the module;
                    // `sys.modules["x"]` is the module.
                    let key = self.string(&subscript.slice)?;
                    if self.is_sys_modules(&subscript.value, steps) {
                        let proven = key.len();
                        break Path { dotted: key, proven, is_module: true, doubtful: false };
                    }
                    attributes.push(key);
                    expr = &subscript.value;
                    if let Expr::Attribute(dict) = expr
                        && dict.attr.as_str() == "__dict__"
                    {
                        expr = &dict.value;
                    }
                }
                Expr::Call(call) => match (&*call.func, &*call.arguments.args) {
                    (Expr::Name(name), [object, key] | [object, key, _]) if name.id == "getattr" => {
                        attributes.push(self.string(key)?);
                        expr = object;
                    }
                    (Expr::Name(name), [object]) if name.id == "vars" => expr = object,
                    _ => {
                        let module = self.imported_by(call, steps)??;
                        // `__import__("a.b")` is `a`; the others return the module itself.
                        let is_dunder = matches!(&*call.func, Expr::Name(name) if name.id == "__import__");
                        let dotted = match module.split_once('.') {
                            Some((top, _)) if is_dunder => top.to_owned(),
                            _ => module,
                        };
                        let proven = dotted.len();
                        break Path { dotted, proven, is_module: true, doubtful: false };
                    }
                },
                Expr::Name(name) => break self.root(name.id.as_str(), steps)?,
                _ => return None,
            }
        };
        let mut path = root;
        for attribute in attributes.iter().rev() {
            path.dotted.push('.');
            path.dotted.push_str(attribute);
        }
        Some(path)
    }

    /// `sys.modules`, for any name of `sys`.
    fn is_sys_modules(&self, expr: &Expr, steps: u32) -> bool {
        let Expr::Attribute(modules) = expr else { return false };
        let Expr::Name(name) = &*modules.value else { return false };
        modules.attr.as_str() == "modules"
            && self.root(name.id.as_str(), steps.saturating_sub(1)).is_some_and(|path| path.dotted == "sys")
    }

    fn root(&self, name: &str, steps: u32) -> Option<Path> {
        let builtin = |dotted: &str| {
            Some(Path { dotted: dotted.to_owned(), proven: dotted.len(), is_module: true, doubtful: false })
        };
        let Some(binding) = self.bindings.get(name) else {
            return match name {
                "__import__" => builtin("builtins.__import__"),
                "__builtins__" => builtin("builtins"),
                _ => None,
            };
        };
        if let Some(imported) = binding.imported.last() {
            let Imported { path, is_module } = imported.clone();
            let proven = path.len();
            return Some(Path { dotted: path, proven, is_module, doubtful: binding.others > 0 });
        }
        let value = self.constant(name)?;
        if steps == 0 { None } else { self.path(value, steps - 1) }
    }

    /// What `call` imports: nothing because it is no importer, `Some(None)` for a name that is not constant,
    /// else the dotted module.
    fn imported_by(&self, call: &ast::ExprCall, steps: u32) -> Option<Option<String>> {
        if steps == 0 {
            return None;
        }
        let is_dunder = matches!(&*call.func, Expr::Attribute(a) if a.attr.as_str() == "__import__");
        let path = self.path(&call.func, steps - 1);
        let is_importer =
            is_dunder || path.is_some_and(|path| IMPORTERS.contains(&path.dotted.as_str()) && !path.doubtful);
        if !is_importer {
            return None;
        }
        let argument = |position: usize, names: &[&str]| {
            let named = |name: &&str| call.arguments.find_keyword(name).map(|keyword| &keyword.value);
            call.arguments.args.get(position).or_else(|| names.iter().find_map(named))
        };
        let Some(name) = argument(0, &["name", "mod_name", "path"]).and_then(|expr| self.string(expr)) else {
            return Some(None);
        };
        // `pkgutil.resolve_name("os:system")`.
        let name = name.split(':').next().unwrap_or_default().to_owned();
        if !name.starts_with('.') {
            return Some(Some(name));
        }
        let package = argument(1, &["package"]).and_then(|expr| self.string(expr));
        Some(package.map(|package| resolve_relative(&name, &package)))
    }
}

/// `importlib.util.resolve_name`: one dot is the package itself, each further one its parent.
fn resolve_relative(name: &str, package: &str) -> String {
    let rest = name.trim_start_matches('.');
    let up = name.len() - rest.len() - 1;
    let kept = package.split('.').count().saturating_sub(up);
    let base = package.split('.').take(kept).collect::<Vec<_>>().join(".");
    if rest.is_empty() { base } else { format!("{base}.{rest}") }
}

struct ImportChecker<'j, 'a> {
    imports: &'j Imports<'a>,
    policy: &'j Policy,
    modules: BTreeSet<String>,
    remarks: &'j mut Vec<Remark>,
}

impl ImportChecker<'_, '_> {
    fn remark(&mut self, at: TextSize, code: FindingCode, message: String) {
        self.remarks.push(Remark { at, code, message });
    }

    /// Records the import of `module` and reports it if it is forbidden; true if it is.
    fn import(&mut self, at: TextSize, module: &str, how: &str) -> bool {
        self.modules.insert(module.to_owned());
        let Some(entry) = self.policy.forbids(module) else { return false };
        let entry = entry.to_owned();
        self.forbid(at, module, &entry, how);
        true
    }

    fn forbid(&mut self, at: TextSize, module: &str, entry: &str, how: &str) {
        let below = if entry == module { String::new() } else { format!(" (`{entry}` is forbidden)") };
        self.remark(
            at,
            FindingCode::ForbiddenImport,
            format!("import of `{module}` is not allowed{below}{how}"),
        );
    }

    fn statement(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.import(alias.start(), alias.name.as_str(), "");
                }
            }
            Stmt::ImportFrom(from) if from.level > 0 => self.relative(from),
            Stmt::ImportFrom(from) => {
                let module = from.module.as_deref().unwrap_or_default();
                if self.import(from.start(), module, "") {
                    return;
                }
                for alias in &from.names {
                    self.imported_name(alias, module);
                }
            }
            _ => {}
        }
    }

    /// `from module import name`: the name may be a forbidden submodule, or another module that `module`
    /// imported.
    fn imported_name(&mut self, alias: &ast::Alias, module: &str) {
        let name = alias.name.as_str();
        let path = format!("{module}.{name}");
        if let Some(entry) = self.policy.forbids(&path) {
            let entry = entry.to_owned();
            self.forbid(alias.start(), &path, &entry, "");
        } else if let Some(target) = self.forbidden_attribute(name)
            && !modules::is_namesake(&path)
        {
            self.reached(alias.start(), &path, &target, modules::is_known(module));
        }
    }

    fn relative(&mut self, from: &ast::StmtImportFrom) {
        let module = from.module.as_deref().unwrap_or_default();
        // With `__package__` set, `from . import x` can be made to import any module.
        let names = from.names.iter().map(|alias| (alias.start(), alias.name.as_str()));
        let candidates: Vec<_> =
            if module.is_empty() { names.collect() } else { vec![(from.start(), module)] };
        let mut found = false;
        for (at, name) in candidates {
            if let Some(entry) = self.policy.forbids(name) {
                let entry = entry.to_owned();
                self.forbid(at, name, &entry, "");
                found = true;
            }
        }
        if !found {
            let message = "relative import: a program has no parent package, so this raises ImportError";
            self.remark(from.start(), FindingCode::RelativeImport, message.into());
        }
    }

    fn call(&mut self, call: &ast::ExprCall) {
        if matches!(&*call.func, Expr::Name(name) if name.id == "getattr") {
            if let Some(path) =
                call.arguments.args.first().and_then(|expr| self.imports.path(expr, ALIAS_STEPS_MAX))
                && let Some(name) = call.arguments.args.get(1).and_then(|expr| self.imports.string(expr))
            {
                self.attribute(call.start(), path, &name);
            }
            return;
        }
        match self.imports.imported_by(call, ALIAS_STEPS_MAX) {
            None => {}
            Some(Some(module)) => {
                self.import(call.start(), &module, "");
            }
            Some(None) => {
                let message = "the module imported here is known only at run time";
                self.remark(call.start(), FindingCode::DynamicImport, message.into());
            }
        }
    }

    fn walk(&mut self, expr: &Expr) {
        match expr {
            Expr::Attribute(attribute) => {
                if let Some(path) = self.imports.path(&attribute.value, ALIAS_STEPS_MAX) {
                    self.attribute(attribute.start(), path, attribute.attr.as_str());
                }
            }
            Expr::Subscript(subscript) => {
                if self.imports.is_sys_modules(&subscript.value, ALIAS_STEPS_MAX)
                    && let Some(module) = self.imports.string(&subscript.slice)
                    && let Some(entry) = self.policy.forbids(&module)
                {
                    let entry = entry.to_owned();
                    self.forbid(subscript.start(), &module, &entry, " (through `sys.modules`)");
                }
            }
            _ => {}
        }
    }

    /// The attribute `name` of what `path` leads to.
    fn attribute(&mut self, at: TextSize, path: Path, name: &str) {
        let Some(target) = self.forbidden_attribute(name) else { return };
        let full = format!("{}.{name}", path.dotted);
        let is_itself = self.policy.forbids(&path.dotted[..path.proven]).is_some();
        if is_itself || modules::is_namesake(&full) || self.modules.contains(&full) {
            return;
        }
        // A class or a function that was imported by name may have any attribute.
        let last = path.dotted[..path.proven].rsplit('.').next().unwrap_or_default();
        let may_be_object = !path.is_module && last.starts_with(char::is_uppercase);
        self.reached(at, &full, &target, !path.doubtful && !may_be_object && modules::is_known(&path.dotted));
    }

    /// The forbidden module that an attribute of this name would be.
    fn forbidden_attribute(&self, name: &str) -> Option<String> {
        let target = modules::unmistakable(name)?;
        self.policy.forbidden_imports.contains(target).then(|| target.to_owned())
    }

    fn reached(&mut self, at: TextSize, path: &str, target: &str, is_certain: bool) {
        if is_certain {
            let message = format!("`{path}` is the module `{target}`, which may not be imported");
            self.remark(at, FindingCode::ForbiddenImport, message);
        } else {
            let message = format!("`{path}` may be the module `{target}`, which may not be imported");
            self.remark(at, FindingCode::SuspectAttribute, message);
        }
    }
}
