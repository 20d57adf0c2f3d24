//! The table of actions against the code: what is in it is asked for somewhere.

use std::collections::HashSet;
use std::path::Path;

use regex::Regex;
use tree::files;

use super::imports::code;

/// The table.
const TABLE: &str = "crates/access/src/action.rs";
/// Actions that nothing asks for, and why they are in the table all the same: whoever asks about them is not told that they
/// are misspelt.
const NOT_ASKED_FOR: [(&str, &str); 2] = [
    (
        "EcrGetImageCopyStatus",
        "docs/reference/access.md 1: a permission without an operation, which a policy of AWS's allows",
    ),
    (
        "StsGetServiceBearerToken",
        "docs/reference/around.md 3: a permission without an operation, which ECR Public asks for",
    ),
];

/// The variants of the table.
fn variants(table: &str) -> Vec<&str> {
    let row = Regex::new(r#"(?m)^        (\w+) = "\w+",$"#).expect("a pattern");
    row.captures_iter(table).filter_map(|row| row.get(1)).map(|variant| variant.as_str()).collect()
}

#[test]
fn each_action_is_asked_for() {
    let mut sources = files("crates", &[".rs"]);
    sources.retain(|file| {
        !file.path.iter().any(|part| part == "tests" || part.to_string_lossy().ends_with("_tests.rs"))
            && file.text.contains("Action")
    });
    let table = sources.iter().position(|file| file.path == Path::new(TABLE)).expect("the table");
    let table = sources.swap_remove(table);
    let variants = variants(&table.text);
    assert!(variants.len() > 200, "{} actions: where are they?", variants.len());
    let codes: Vec<String> = sources.iter().map(|file| code(&file.text)).collect();
    let word = Regex::new(r"\w+").expect("a pattern");
    let words: HashSet<&str> = codes.iter().flat_map(|code| word.find_iter(code)).map(|word| word.as_str()).collect();
    let not_asked_for: Vec<&str> = variants.into_iter().filter(|variant| !words.contains(variant)).collect();
    let listed: Vec<&str> = NOT_ASKED_FOR.iter().map(|(variant, _)| *variant).collect();
    assert_eq!(not_asked_for, listed, "nothing asks for these: take them out of {TABLE}, or say here why they stay");
}

#[test]
fn what_is_a_row() {
    let table = "actions! {\n    \"ecr\" {\n        EcrPutImage = \"PutImage\",\n    }\n}\n    let other = \"no\";\n";
    assert_eq!(variants(table), ["EcrPutImage"]);
}
