//! `docs/decisions` is read in order: each has a number, a title and three parts, and the list has them all.

use tree::{files, headings};

const FOLDER: &str = "docs/decisions";

#[test]
fn decisions_are_numbered_and_listed() {
    let pages = files(FOLDER, &[".md"]);
    let name = |path: &std::path::Path| path.file_name().expect("a file").to_string_lossy().into_owned();
    let (lists, decisions): (Vec<_>, Vec<_>) = pages.iter().partition(|page| page.path.ends_with("README.md"));
    let list = &lists.first().expect("the list").text;
    let mut faults = Vec::new();
    for (number, page) in (1..).zip(&decisions) {
        let file = name(&page.path);
        if !file.starts_with(&format!("{number:04}-")) {
            faults.push(format!("{FOLDER}/{file} should begin with {number:04}-"));
        }
        let found = headings(&page.text);
        let title = found.first().and_then(|title| title.strip_prefix(&format!("{number}. ")));
        let Some(title) = title else {
            faults.push(format!("{FOLDER}/{file} should begin with '# {number}. Its title'"));
            continue;
        };
        if found[1..] != ["Context", "Decision", "Consequences"] {
            faults.push(format!("{FOLDER}/{file} should have the parts Context, Decision and Consequences: {found:?}"));
        }
        let line = format!("{number}. [{title}]({file})");
        if !list.lines().any(|listed| listed == line) {
            faults.push(format!("the list in {FOLDER} has no line '{line}'"));
        }
    }
    let listed = list.lines().filter(|line| line.contains("](0")).count();
    assert_eq!(listed, decisions.len(), "the list in {FOLDER} has as many as there are");
    assert!(decisions.len() > 10, "{} decisions: where are they?", decisions.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
