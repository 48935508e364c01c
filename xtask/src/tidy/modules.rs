//! The modules of a crate, and which of them use which: from `mod`, `use`, and paths that begin with `crate`, `super`,
//! `self`, a child or an imported name. Code that is for tests only does not count.

use std::collections::BTreeMap;

use super::paths::{Path, mentions};
use super::source::Source;
use super::tokens::{tokens, without_tests};

/// One file of a crate.
pub(super) struct Module {
    /// Of the repository.
    pub(super) file: String,
    path: Path,
    tokens: Vec<String>,
    /// The crate's own modules and items that `use` imports, by the names that they have here.
    imports: BTreeMap<String, Path>,
}

/// The modules of each crate: those that follow from the `mod` lines of a file `lib.rs` or `main.rs`.
pub(super) fn crates(files: &[Source]) -> Vec<Vec<Module>> {
    let by_path: BTreeMap<&str, &Source> = files
        .iter()
        .map(|file| (file.path.as_str(), file))
        .collect();
    let is_root = |file: &&Source| ["lib.rs", "main.rs"].contains(&name(&file.path));
    let mut crates = Vec::new();
    for root in files.iter().filter(is_root) {
        let mut modules = Vec::new();
        let directory = root.path.strip_suffix(name(&root.path)).unwrap_or_default();
        collect(root, directory, &[], &by_path, &mut modules);
        read_imports(&mut modules);
        crates.push(modules);
    }
    crates
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `directory` is where the file's children are.
fn collect(
    file: &Source,
    directory: &str,
    path: &[String],
    files: &BTreeMap<&str, &Source>,
    modules: &mut Vec<Module>,
) {
    let tokens = without_tests(&tokens(file));
    let declared: Vec<String> = tokens
        .windows(3)
        .filter(|three| three.first().is_some_and(|word| word == "mod"))
        .filter(|three| three.last().is_some_and(|end| end == ";"))
        .filter_map(|three| three.get(1).cloned())
        .collect();
    modules.push(Module {
        file: file.path.clone(),
        path: path.to_vec(),
        tokens,
        imports: BTreeMap::new(),
    });
    for child in declared {
        let below = format!("{directory}{child}/");
        let own = [format!("{directory}{child}.rs"), format!("{below}mod.rs")];
        if let Some(file) = own.iter().find_map(|own| files.get(own.as_str())) {
            let path = [path, &[child]].concat();
            collect(file, &below, &path, files, modules);
        }
    }
}

fn read_imports(modules: &mut [Module]) {
    for at in 0..modules.len() {
        let imports = modules.get(at).map(|module| {
            let mentions = mentions(&module.tokens).into_iter();
            let imported = mentions.filter_map(|mention| Some((mention.name?, mention.path)));
            let whole =
                |(name, path): (String, Path)| Some((name, absolute(module, &path, modules)?));
            imported.filter_map(whole).collect()
        });
        if let (Some(module), Some(imports)) = (modules.get_mut(at), imports) {
            module.imports = imports;
        }
    }
}

/// For each module those that it uses. A module that only hands on what a child has (`pub use`) does not use it.
pub(super) fn uses(modules: &[Module]) -> Vec<(usize, usize)> {
    let mut edges = Vec::new();
    for (from, module) in modules.iter().enumerate() {
        for mention in mentions(&module.tokens) {
            let path = absolute(module, &mention.path, modules);
            let Some(to) = path.and_then(|path| owner(&path, modules, 0)) else {
                continue;
            };
            let hands_on = mention.public && is_above(modules, from, to);
            if from != to && !hands_on {
                edges.push((from, to));
            }
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Whether one module is the other's parent, or a parent's parent.
pub(super) fn is_above(modules: &[Module], upper: usize, lower: usize) -> bool {
    match (modules.get(upper), modules.get(lower)) {
        (Some(upper), Some(lower)) => {
            upper.path != lower.path && lower.path.starts_with(&upper.path)
        }
        _ => false,
    }
}

/// A path from the crate's root; nothing if another crate's.
fn absolute(module: &Module, path: &[String], modules: &[Module]) -> Option<Path> {
    let (first, rest) = path.split_first()?;
    let from = |base: &[String], rest: &[String]| Some([base, rest].concat());
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => from(&module.path, rest),
        "super" => {
            let up = path.iter().take_while(|name| *name == "super").count();
            let base = module.path.get(..module.path.len().checked_sub(up)?)?;
            from(base, path.get(up..)?)
        }
        name => {
            let child = [module.path.as_slice(), &[name.to_owned()]].concat();
            if modules.iter().any(|module| module.path == child) {
                return from(&child, rest);
            }
            from(module.imports.get(name)?, rest)
        }
    }
}

/// The module that has what a path names, where modules on the way hand it on.
fn owner(path: &[String], modules: &[Module], hops: u32) -> Option<usize> {
    let mut current = modules.iter().position(|module| module.path.is_empty())?;
    for (at, name) in path.iter().enumerate() {
        let inside = path.get(..=at)?;
        if let Some(child) = modules.iter().position(|module| module.path == inside) {
            current = child;
            continue;
        }
        let imported = modules.get(current)?.imports.get(name);
        return match imported.filter(|imported| *imported != path && hops < 8) {
            Some(imported) => owner(
                &[imported.as_slice(), path.get(at + 1..)?].concat(),
                modules,
                hops + 1,
            ),
            None => Some(current),
        };
    }
    Some(current)
}

#[cfg(test)]
mod tests {
    use super::super::testing::sources;
    use super::*;

    /// Pairs of files of a crate: the user and the used one.
    fn edges(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let modules = crates(&sources(files)).pop().unwrap();
        let file = |at: usize| modules[at].file.clone();
        let edges = uses(&modules).into_iter();
        edges.map(|(from, to)| (file(from), file(to))).collect()
    }

    fn check(text: &str) -> Vec<String> {
        let files = [
            ("lib.rs", "mod a;\nmod b;\n"),
            ("a.rs", text),
            ("a/c.rs", ""),
            ("b.rs", "mod d;\npub use d::D;\npub fn f() {}\n"),
            ("b/d.rs", "pub struct D;"),
        ];
        let edges = edges(&files).into_iter();
        edges
            .filter(|(from, _)| from == "a.rs")
            .map(|(_, to)| to)
            .collect()
    }

    #[test]
    fn modules_are_used_by_imports_and_by_paths() {
        for text in [
            "use crate::b::f;",
            "use super::b;",
            "use crate::{b::{f}};",
            "pub(crate) use super::b::f as g;",
            "fn g() { super::b::f() }",
            "fn g() { crate::b::f::<u8>() }",
            "mod inline { fn g() { super::super::b::f() } }",
        ] {
            assert_eq!(check(text), ["b.rs"], "{text}");
        }
        assert_eq!(check("mod c;\nfn g() { c::f() }"), ["a/c.rs"]);
        assert_eq!(check("mod c;\nfn g() { self::c::f() }"), ["a/c.rs"]);
    }

    #[test]
    fn what_is_handed_on_is_where_it_is_made() {
        assert_eq!(check("use crate::b::D;"), ["b/d.rs"]);
        assert_eq!(
            check("use crate::b;\nfn g() -> b::D { b::D }"),
            ["b.rs", "b/d.rs"]
        );
    }

    #[test]
    fn what_is_no_use_of_another_module() {
        for text in [
            "mod c;",
            "mod c;\npub use c::C;",
            "use other::b::f;",
            "// use crate::b::f;",
            "#[cfg(test)] use crate::b::f;",
            "#[cfg(test)] mod tests { use crate::b::f; }",
            "mod inline { use super::g; }",
        ] {
            assert_eq!(check(text), Vec::<String>::new(), "{text}");
        }
    }
}
