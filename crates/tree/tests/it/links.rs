//! Pages link to files and headings that exist, and name files of code that exist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regex::Regex;
use tree::{SourceFile, files, headings, root};

fn pages() -> Vec<SourceFile> {
    files("", &[".md"])
}

/// The name by which a heading is linked to, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = |character: &char| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_');
    heading
        .to_lowercase()
        .chars()
        .filter(kept)
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
}

/// The anchors of a page; a heading that comes again gets a number.
fn anchors(page: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let numbered = |heading: &&str| {
        let anchor = anchor(heading);
        let count = seen.entry(anchor.clone()).or_default();
        *count += 1;
        if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
    };
    headings(page).iter().map(numbered).collect()
}

/// The same place without `..`.
pub fn settled(path: &Path) -> PathBuf {
    let mut settled = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                settled.pop();
            }
            std::path::Component::CurDir => {}
            part => settled.push(part),
        }
    }
    settled
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let pages = pages();
    let anchors: BTreeMap<&Path, Vec<String>> =
        pages.iter().map(|page| (page.path.as_path(), anchors(&page.text))).collect();
    let (mut faults, mut looked_at) = (Vec::new(), 0);
    for page in &pages {
        for (number, line) in page.lines() {
            // What stands in code is no link, as patterns are.
            let words: String = line.split('`').step_by(2).collect();
            for target in link.captures_iter(&words).map(|found| found[1].to_owned()) {
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                looked_at += 1;
                let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
                let beside = page.path.parent().unwrap_or(Path::new(""));
                let file = if file.is_empty() { page.path.clone() } else { settled(&beside.join(file)) };
                let has_heading =
                    || anchors.get(file.as_path()).is_none_or(|anchors| anchors.iter().any(|anchor| anchor == heading));
                let is_there = root().join(&file).exists() && (heading.is_empty() || has_heading());
                if !is_there {
                    faults.push(format!("{}:{number}: {target}", page.path.display()));
                }
            }
        }
    }
    assert!(looked_at > 50, "{looked_at} links: where are they?");
    assert!(faults.is_empty(), "these lead nowhere:\n{}", faults.join("\n"));
}

/// The files of code that stand in code in a line of a page, by their whole path or its end. One that has a star, `its_name` or
/// a word in capitals stands for others, as in `crates/SERVICES/src/SERVICE/its_name.rs`.
fn code_files_named_in(line: &str) -> impl Iterator<Item = &str> {
    let is_code_file = |word: &&str| [".rs", ".py"].iter().any(|ending| word.ends_with(ending));
    let is_placeholder =
        |word: &str| word.contains("its_name") || word.contains(|sign: char| sign == '*' || sign.is_ascii_uppercase());
    line.split('`')
        .skip(1)
        .step_by(2)
        .flat_map(str::split_whitespace)
        .filter(is_code_file)
        .filter(move |word| !is_placeholder(word))
}

#[test]
fn files_of_code_that_are_named_are_there() {
    let code = files("", &[".rs", ".py"]);
    let (mut faults, mut looked_at) = (Vec::new(), 0);
    for page in &pages() {
        for (number, line) in page.lines() {
            for named in code_files_named_in(line) {
                looked_at += 1;
                if !code.iter().any(|file| file.path.ends_with(named)) {
                    faults.push(format!("{}:{number}: {named}", page.path.display()));
                }
            }
        }
    }
    assert!(looked_at > 10, "{looked_at} files: where are they?");
    assert!(faults.is_empty(), "there are no such files:\n{}", faults.join("\n"));
}

#[test]
fn what_names_a_file_of_code() {
    for (line, named) in [
        ("told in `metrics/tells.rs`, and `mod.rs`", vec!["metrics/tells.rs", "mod.rs"]),
        ("`tests/run quick tests/test_iam.py -k users` runs `-p oci manifest`", vec!["tests/test_iam.py"]),
        ("lifecycle.rs is no code, and [`run`](bin/src/main.rs) is a link", vec![]),
        ("`SERVICE/mod.rs`, `tables/its_name.rs`, `NNNN_name.rs` and `tests/test_ecr_contract*.py`", vec![]),
    ] {
        assert_eq!(code_files_named_in(line).collect::<Vec<_>>(), named, "{line}");
    }
}

#[test]
fn anchors_are_those_of_github() {
    let page = "# One, two (`three`)\n```\n# no heading\n```\n## Pages\n### Pages\n";
    assert_eq!(anchors(page), ["one-two-three", "pages", "pages-1"]);
}
