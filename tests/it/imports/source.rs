//! What the files of `src` import: every `use`, and every path that is written where it is used.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module by its names from the root of the crate, which is the empty path.
pub type Module = Vec<String>;

/// Which names lead to which: what a file has imported, its own children included.
type Names = BTreeMap<String, Vec<String>>;

/// The modules of a crate, tests left out, with what each imports.
#[derive(Default)]
pub struct Source {
    names: BTreeMap<Module, Names>,
    paths: BTreeMap<Module, Vec<Vec<String>>>,
}

impl Source {
    /// Of all files below `src`.
    pub fn read(src: &Path) -> Self {
        let mut files = Vec::new();
        collect(src, &mut files);
        let named: Vec<_> = files
            .iter()
            .map(|file| {
                (
                    module_of(file.strip_prefix(src).unwrap()),
                    fs::read_to_string(file).unwrap(),
                )
            })
            .collect();
        Self::of(named.iter().map(|(module, text)| (module.clone(), text.as_str())))
    }

    /// Of modules and their texts.
    pub fn of<'a>(files: impl IntoIterator<Item = (Module, &'a str)>) -> Self {
        let mut source = Self::default();
        for (module, text) in files {
            let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{module:?}: {error}"));
            source.add(&module, tokens.into_iter().collect());
        }
        source
    }

    fn add(&mut self, module: &Module, tokens: Vec<TokenTree>) {
        self.names.entry(module.clone()).or_default();
        let mut rest = tokens.as_slice();
        let mut colons = 0;
        while let [first, after @ ..] = rest {
            rest = after;
            let path_goes_on = colons == 2;
            colons = if is(first, ':') { colons + 1 } else { 0 };
            match first {
                TokenTree::Punct(_) if is(first, '#') => {
                    let [TokenTree::Group(attribute), after @ ..] = rest else {
                        continue;
                    };
                    rest = match attribute.stream().to_string().as_str() {
                        "cfg (test)" => behind_item(after),
                        _ => after,
                    };
                }
                TokenTree::Group(group) => self.add(module, group.stream().into_iter().collect()),
                TokenTree::Ident(word)
                    if word == "use" && !after.first().is_some_and(|next| is(next, '<')) =>
                {
                    let end = rest.iter().position(|token| is(token, ';')).unwrap_or(rest.len());
                    self.import(module, &[], &rest[..end]);
                    rest = &rest[end..];
                }
                TokenTree::Ident(word) if word == "mod" => {
                    if let [TokenTree::Ident(name), TokenTree::Group(body), after @ ..] = rest {
                        let inner = [module.as_slice(), &[name.to_string()]].concat();
                        self.add(&inner, body.stream().into_iter().collect());
                        rest = after;
                    }
                }
                TokenTree::Ident(_) if !path_goes_on => {
                    let (path, after) = path(first, rest);
                    rest = after;
                    if path.len() > 1 {
                        self.paths.entry(module.clone()).or_default().push(path);
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes what stands between `use` and `;`, or one part of what stands in braces.
    fn import(&mut self, module: &Module, prefix: &[String], tree: &[TokenTree]) {
        let mut path = prefix.to_vec();
        let mut name = None;
        let mut tokens = tree.iter();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    for part in inner
                        .split(|token| is(token, ','))
                        .filter(|part| !part.is_empty())
                    {
                        self.import(module, &path, part);
                    }
                    return;
                }
                TokenTree::Ident(word) if word == "as" => name = tokens.next().map(ToString::to_string),
                TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.to_string().trim_start_matches("r#").to_owned()),
                TokenTree::Punct(_) if is(token, '*') => {}
                _ => {}
            }
        }
        if let Some(name) = name.or_else(|| path.last().cloned()) {
            self.names
                .entry(module.clone())
                .or_default()
                .insert(name, path.clone());
        }
        self.paths.entry(module.clone()).or_default().push(path);
    }

    /// Every import: who, and the module that it leads to.
    pub fn imports(&self) -> BTreeSet<(Module, Module)> {
        let mut found = BTreeSet::new();
        for (module, paths) in &self.paths {
            for path in paths {
                if let Some(target) = self.resolve(module, path, 0) {
                    found.insert((module.clone(), target));
                }
            }
        }
        found
    }

    /// The module in which what `path` names in `module` is written; `module` itself when that is another crate, and
    /// none when it leads out of the root.
    ///
    /// A name that a module has only imported leads on to where it comes from: `pub use` hides nothing.
    fn resolve(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        assert!(depth < 20, "{module:?}: {path:?} leads to itself");
        let [first, rest @ ..] = path else {
            return Some(module.clone());
        };
        match first.as_str() {
            "crate" => self.resolve(&Vec::new(), rest, depth + 1),
            "self" => self.resolve(module, rest, depth + 1),
            "super" => self.resolve(&module[..module.len().checked_sub(1)?].to_vec(), rest, depth + 1),
            name => {
                let child = [module.as_slice(), &[name.to_owned()]].concat();
                if self.names.contains_key(&child) {
                    return self.resolve(&child, rest, depth + 1);
                }
                match self.names[module].get(name) {
                    // `use clap;` and, for a macro of the module itself, `pub(super) use polled;`.
                    Some(imported) if imported.first() == Some(first) => Some(module.clone()),
                    Some(imported) => self.resolve(module, &[imported.as_slice(), rest].concat(), depth + 1),
                    // What the module itself has, or a crate: nobody else of the house.
                    None => Some(module.clone()),
                }
            }
        }
    }
}

fn is(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// The words of a path that begins with `first`, and what follows it.
fn path<'a>(first: &TokenTree, mut rest: &'a [TokenTree]) -> (Vec<String>, &'a [TokenTree]) {
    let mut words = vec![first.to_string()];
    while let [colon, other, TokenTree::Ident(word), after @ ..] = rest
        && is(colon, ':')
        && is(other, ':')
    {
        words.push(word.to_string());
        rest = after;
    }
    (words, rest)
}

/// What follows the item that begins here: behind its `;` or its braces.
fn behind_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let end = tokens.iter().position(|token| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => is(token, ';'),
    });
    &tokens[end.map_or(tokens.len(), |end| end + 1)..]
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.file_stem().and_then(|name| name.to_str()) {
            Some("tests" | "main") => {}
            _ if path.is_dir() => collect(&path, files),
            _ => files.push(path),
        }
    }
}

/// `web/mod.rs` and `web.rs` are `web`; `lib.rs` is the root.
fn module_of(file: &Path) -> Module {
    let path = file.with_extension("");
    let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
    names
        .filter(|name| !matches!(name.as_str(), "mod" | "lib"))
        .collect()
}
