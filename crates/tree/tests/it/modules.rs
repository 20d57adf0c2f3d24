//! Each file of Rust is part of its crate: one that no `mod` names is never compiled, and what it tests is never tried.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;
use tree::files;

/// The files in which a module may be declared that lies in `path`: its folder's own, or the top of the crate.
fn parents(path: &Path) -> Vec<PathBuf> {
    let folder = if path.ends_with("mod.rs") { path.parent().and_then(Path::parent) } else { path.parent() };
    let Some(folder) = folder else { return Vec::new() };
    let tops = ["mod.rs", "lib.rs", "main.rs"].map(|name| folder.join(name));
    tops.into_iter().chain([folder.with_extension("rs")]).collect()
}

fn module(path: &Path) -> Option<String> {
    let named = if path.ends_with("mod.rs") { path.parent()? } else { path };
    Some(named.file_stem()?.to_string_lossy().into_owned())
}

#[test]
fn each_file_is_part_of_its_crate() {
    let all: Vec<_> = ["crates", "bin", "bench"].iter().flat_map(|folder| files(folder, &[".rs"])).collect();
    let declared = Regex::new(r"(?m)^\s*(?:pub(?:\([a-z ]+\))? )?mod (\w+);").expect("a pattern");
    // One that says itself in which file it is.
    let elsewhere = Regex::new(r#"#\[path = "(\w+)\.rs"\]"#).expect("a pattern");
    let mut named = BTreeSet::new();
    for file in &all {
        named.extend(declared.captures_iter(&file.text).map(|found| (file.path.clone(), found[1].to_owned())));
        let beside = file.path.with_file_name("lib.rs");
        named.extend(elsewhere.captures_iter(&file.text).map(|found| (beside.clone(), found[1].to_owned())));
    }
    let is_top = |path: &Path| {
        ["lib.rs", "main.rs", "build.rs"].iter().any(|name| path.ends_with(name))
            || path.parent().is_some_and(|folder| folder.ends_with("fuzz_targets"))
    };
    let missing: Vec<String> = all
        .iter()
        .filter(|file| !is_top(&file.path))
        .filter(|file| {
            module(&file.path).is_none_or(|name| {
                !parents(&file.path).into_iter().any(|parent| named.contains(&(parent, name.clone())))
            })
        })
        .map(|file| file.path.display().to_string())
        .collect();
    assert!(named.len() > 500, "{} modules: where are they?", named.len());
    assert!(missing.is_empty(), "no `mod` names these files:\n{}", missing.join("\n"));
}

#[test]
fn where_a_file_is_named() {
    assert_eq!(module(Path::new("a/src/b/mod.rs")).as_deref(), Some("b"));
    assert_eq!(module(Path::new("a/src/c.rs")).as_deref(), Some("c"));
    assert!(parents(Path::new("a/src/b/c.rs")).contains(&PathBuf::from("a/src/b.rs")));
    assert!(parents(Path::new("a/src/b/mod.rs")).contains(&PathBuf::from("a/src/lib.rs")));
}
