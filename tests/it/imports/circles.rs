//! Circles: modules of one folder that import each other, straight or through others.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Module;

/// Who imports whom among the modules of each folder; what is below a module counts as the module.
///
/// A folder's own `mod.rs` is its door, which knows all rooms and is known to them: it is no part of a circle.
pub fn neighbours(
    imports: &BTreeSet<(Module, Module)>,
) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
    let mut folders: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (from, to) in imports {
        let common = from
            .iter()
            .zip(to)
            .take_while(|(one, other)| one == other)
            .count();
        if let (Some(one), Some(other)) = (from.get(common), to.get(common)) {
            let folder = folders.entry(from[..common].to_vec()).or_default();
            folder.entry(one.clone()).or_default().insert(other.clone());
        }
    }
    folders
}

/// Every circle: its folder, and all of its modules.
pub fn circles(imports: &BTreeSet<(Module, Module)>) -> BTreeSet<(String, Vec<String>)> {
    let mut found = BTreeSet::new();
    for (folder, imports) in neighbours(imports) {
        let reached: BTreeMap<_, _> = imports
            .keys()
            .map(|one| (one, reachable(one, &imports)))
            .collect();
        for (one, others) in &reached {
            let circle: Vec<_> = others
                .iter()
                .filter(|other| reached.get(other).is_some_and(|back| back.contains(*one)))
                .cloned()
                .collect();
            if !circle.is_empty() {
                found.insert((folder.join("/"), circle));
            }
        }
    }
    found
}

fn reachable(from: &str, imports: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(one) = next.pop() {
        for other in imports.get(&one).into_iter().flatten() {
            if seen.insert(other.clone()) {
                next.push(other.clone());
            }
        }
    }
    seen
}
