//! Comments cite facts by page and section of `docs/reference`, and other pages by their path: all of them exist.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use tree::{SourceFile, files, headings, root};

/// The pages of facts, with the numbers of their sections.
fn sections() -> BTreeMap<String, Vec<String>> {
    let number = Regex::new(r"^(\d+)\. ").expect("a pattern");
    let of = |page: &SourceFile| {
        headings(&page.text).iter().filter_map(|heading| Some(number.captures(heading)?[1].to_owned())).collect()
    };
    files("docs/reference", &[".md"])
        .iter()
        .map(|page| (page.path.file_name().expect("a file").to_string_lossy().into_owned(), of(page)))
        .collect()
}

/// A page, with the path to it and the sections that are named after it.
static CITATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?<path>[\w./-]*?)(?<name>[\w-]+\.md\b)(?: (?<sections>\d+(?:(?:, | and )\d+)*))?").expect("a pattern")
});
static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d+").expect("a pattern"));

/// What is wrong with what one line cites.
fn faults_of(line: &str, sections: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    // What is included is found by the compiler, from where the file is.
    if !line.contains(".md") || line.contains("include_str!") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for cited in CITATION.captures_iter(line) {
        let (path, name) = (&cited["path"], &cited["name"]);
        if path != "reference/" {
            if !root().join(path).join(name).exists() {
                faults.push(format!("there is no {path}{name}"));
            }
            continue;
        }
        let Some(known) = sections.get(name) else {
            faults.push(format!("there is no docs/reference/{name}"));
            continue;
        };
        let cited = cited.name("sections").map_or("", |sections| sections.as_str());
        for section in NUMBER.find_iter(cited).map(|section| section.as_str()) {
            if !known.iter().any(|known| known == section) {
                faults.push(format!("docs/reference/{name} has no section {section}"));
            }
        }
    }
    faults
}

#[test]
fn what_is_cited_is_in_the_tree() {
    let sections = sections();
    let mut faults = Vec::new();
    let mut looked_at = 0;
    for folder in ["bench", "bin", "crates", "deploy", "tests"] {
        for file in files(folder, &[".rs", ".py", ".toml", ".sql"]) {
            // The examples below cite what is not there.
            if file.path.ends_with("tree/tests/it/citations.rs") {
                continue;
            }
            for (number, line) in file.lines() {
                looked_at += usize::from(line.contains("reference/"));
                faults.extend(
                    faults_of(line, &sections)
                        .into_iter()
                        .map(|fault| format!("{}:{number}: {fault}", file.path.display())),
                );
            }
        }
    }
    assert!(looked_at > 100, "{looked_at} citations: where are they?");
    assert!(faults.is_empty(), "what these cite is not in the tree:\n{}", faults.join("\n"));
}

#[test]
fn wrong_citations_are_found() {
    let sections = sections();
    let cases = [
        ("/// See reference/access.md 5.", 0),
        ("/// See reference/access.md 1, 4 and 5; docs/access.md has it for people.", 0),
        ("/// See reference/access.md 1, 4 and 99.", 1),
        ("/// See reference/acess.md 1.", 1),
        ("/// See access.md 5.", 1),
        ("/// See docs/nowhere.md.", 1),
        ("/// README.md and docs/operations.md", 0),
        ("/// dpkg has sums.md5sums", 0),
    ];
    for (line, faults) in cases {
        assert_eq!(faults_of(line, &sections).len(), faults, "{line}");
    }
}
