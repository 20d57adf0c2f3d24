//! Leaks that are planted to see that the model of who reads which layer finds them: each patch still fits the code.

use std::fs;

use tree::{files, root};

/// What the hunks of a patch expect of each file: the lines before the change, in one piece for each hunk.
fn expected(patch: &str) -> Vec<(String, Vec<String>)> {
    let mut expected: Vec<(String, Vec<String>)> = Vec::new();
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            expected.push((path.to_owned(), Vec::new()));
        } else if line.starts_with("@@ ") {
            if let Some((_, hunks)) = expected.last_mut() {
                hunks.push(String::new());
            }
        } else if let Some(line) = line.strip_prefix([' ', '-']).filter(|_| !line.starts_with("--- "))
            && let Some(hunk) = expected.last_mut().and_then(|(_, hunks)| hunks.last_mut())
        {
            hunk.push_str(line);
            hunk.push('\n');
        }
    }
    expected
}

#[test]
fn planted_leaks_fit_the_code() {
    let (mut faults, mut count) = (Vec::new(), 0);
    for patch in files("tests/planted_leaks", &[".patch"]) {
        for (path, hunks) in expected(&patch.text) {
            let text = fs::read_to_string(root().join(&path)).unwrap_or_default();
            count += hunks.len();
            if hunks.iter().any(|hunk| !text.contains(hunk.as_str())) {
                faults.push(format!("{}: what it changes is not in {path} any more", patch.path.display()));
            }
        }
    }
    assert!(count >= 5, "{count} leaks: where are they?");
    assert!(faults.is_empty(), "plant these leaks in the code as it is now:\n{}", faults.join("\n"));
}

#[test]
fn what_a_patch_expects() {
    let patch = "It leaks.\n\n--- a/x.rs\n+++ b/x.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+three\n four\n";
    assert_eq!(expected(patch), [("x.rs".to_owned(), vec!["one\ntwo\nfour\n".to_owned()])]);
}
