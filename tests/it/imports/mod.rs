//! The map of `src/lib.rs` is true: folders import what its table allows, and files of a folder go round in no circle.

mod circles;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use circles::{circles, neighbours};
use source::{Module, Source};

type Table = BTreeMap<String, BTreeSet<String>>;

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The table under "Imports" of the crate's documentation: module, and what it may import.
fn table(lib: &str) -> Table {
    let documentation = lib.lines().map_while(|line| line.strip_prefix("//!"));
    let section = documentation
        .skip_while(|line| line.trim() != "# Imports")
        .skip(1);
    let rows = section
        .map(str::trim)
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix('|'));
    rows.skip(2)
        .flat_map(|row| {
            let (modules, allowed) = row.trim_end_matches('|').split_once('|').expect("two cells");
            let allowed = words(allowed);
            words(modules)
                .into_iter()
                .map(move |module| (module, allowed.clone()))
        })
        .collect()
}

fn words(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What the modules of the root import and may not, and what they may and do not.
fn wrong(table: &Table, imports: &BTreeSet<(Module, Module)>) -> Vec<String> {
    let mut problems = Vec::new();
    let roots = neighbours(imports).remove(&Vec::new()).unwrap_or_default();
    for (module, imported) in &roots {
        let allowed = table.get(module).cloned().unwrap_or_default();
        for other in imported.difference(&allowed) {
            let files = imports
                .iter()
                .filter(|(from, to)| from.first() == Some(module) && to.first() == Some(other))
                .map(|(from, to)| format!("{} -> {}", from.join("::"), to.join("::")));
            problems.push(format!(
                "{module} may not import {other}: {}",
                files.collect::<Vec<_>>().join(", ")
            ));
        }
    }
    for (module, allowed) in table {
        let imported = roots.get(module).cloned().unwrap_or_default();
        for other in allowed.difference(&imported) {
            problems.push(format!(
                "{module} does not import {other}: take it out of the table"
            ));
        }
    }
    problems
}

#[test]
fn folders_import_what_the_table_allows() {
    let table = table(&fs::read_to_string(src().join("lib.rs")).unwrap());
    let problems = wrong(&table, &Source::read(&src()).imports());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn no_files_go_round_in_a_circle() {
    let found = circles(&Source::read(&src()).imports());
    assert!(found.is_empty(), "circles: {found:#?}");
}

// === that a wrong import and a circle are found ===

fn source(files: &[(&str, &str)]) -> BTreeSet<(Module, Module)> {
    let module = |path: &str| {
        path.split('/')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    Source::of(files.iter().map(|(path, text)| (module(path), *text))).imports()
}

#[test]
fn an_import_that_the_table_does_not_have_is_found() {
    let lib = "//! # Imports\n//!\n//! | module | may import |\n//! |---|---|\n//! | `web`, `pages` | `view` |\n\
               //! | `view`, `cloud` | |\n//!\n//! # Next\n//! | `web` | `cloud` |\n";
    let table = table(lib);
    for wrong_text in [
        "use crate::cloud::Client;",
        "use crate::{view::View, cloud};",
        "use crate::cloud as sky;",
        "pub(crate) use crate::cloud::Client;",
        "fn f() -> crate::cloud::Client { todo!() }",
        "fn f() { println!(\"{}\", crate::cloud::now()); }",
        "mod inner { use super::super::cloud::Client; }",
        "use crate::view::Client;",
        "use crate::view; fn f(c: view::Client) {}",
    ] {
        let imports = source(&[
            ("", ""),
            ("web", wrong_text),
            ("pages", "use crate::view::View;"),
            ("view", "pub use crate::cloud::Client; pub struct View;"),
            ("cloud", "pub struct Client;"),
        ]);
        let problems = wrong(&table, &imports);
        assert!(
            problems
                .iter()
                .any(|line| line.starts_with("web may not import cloud: ")),
            "{wrong_text}: {problems:?}"
        );
    }
    for right_text in [
        "use crate::view::View;",
        "use crate::view::View; #[cfg(test)] mod tests { use crate::cloud::Client; }",
        "use crate::view::View; #[cfg(test)] use crate::cloud::Client;",
        "/// Not [`crate::cloud::Client`].\nuse crate::view::View; // crate::cloud::Client",
        "use crate::view::View; const TEXT: &str = \"crate::cloud::Client\";",
    ] {
        let imports = source(&[
            ("", ""),
            ("web", right_text),
            ("pages", "use crate::view::View;"),
            ("view", "pub struct View;"),
            ("cloud", "pub struct Client;"),
        ]);
        assert_eq!(wrong(&table, &imports), [""; 0], "{right_text}");
    }
    let imports = source(&[
        ("", ""),
        ("web", ""),
        ("pages", "use crate::view::View;"),
        ("view", ""),
    ]);
    assert_eq!(
        wrong(&table, &imports),
        ["web does not import view: take it out of the table"]
    );
}

#[test]
fn a_circle_is_found() {
    let circle = |modules: &[&str]| {
        let modules = modules.iter().map(|module| (*module).to_owned()).collect();
        BTreeSet::from([(String::from("room"), modules)])
    };
    // The door knows the rooms, and the rooms the door.
    let door = (
        "room",
        "mod a; mod b; mod c; pub use a::A; pub use b::B; pub struct Door;",
    );
    let files = |a, b, c| {
        source(&[
            ("", ""),
            door,
            ("room/a", a),
            ("room/b", b),
            ("room/c/deep", c),
            ("room/c", ""),
        ])
    };

    let none = files("use super::{Door, b::B};", "use super::Door; pub struct B;", "");
    assert_eq!(circles(&none), BTreeSet::new());
    let two = files("use super::b::B;", "use super::a::A;", "");
    assert_eq!(circles(&two), circle(&["a", "b"]));
    let by_the_door = files("use super::B;", "fn f(a: crate::room::A) {}", "");
    assert_eq!(circles(&by_the_door), circle(&["a", "b"]));
    let three = files(
        "use super::b::B;",
        "use super::c::deep::C;",
        "use super::super::a::A;",
    );
    assert_eq!(circles(&three), circle(&["a", "b", "c"]));
}
