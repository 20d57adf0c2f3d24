//! What is in a list of its kind: operations and kinds of jobs, which nobody would miss in the code until somebody calls one.

use regex::Regex;
use tree::{SourceFile, files};

use super::imports::code;

/// The files that implement or list what is in lists, as the compiler sees them without tests.
fn sources() -> Vec<SourceFile> {
    let is_test = |file: &SourceFile| {
        file.path.iter().any(|part| part == "tests" || part.to_string_lossy().ends_with("_tests.rs"))
    };
    let is_about = |text: &str| {
        ["impl Operation for", "impl Job for", "impl Follower for", "of::<"].iter().any(|part| text.contains(part))
    };
    let sources = files("crates", &[".rs"]).into_iter().filter(|file| !is_test(file) && is_about(&file.text));
    sources.map(|file| SourceFile { text: code(&file.text), ..file }).collect()
}

/// What of the sources implements a trait, and is not in any list of entries.
fn unlisted(sources: &[SourceFile], of: &str) -> (usize, Vec<String>) {
    let implemented = Regex::new(&format!(r"(?m)^impl {of} for (\w+)")).expect("a pattern");
    let (mut count, mut unlisted) = (0, Vec::new());
    for file in sources {
        for name in implemented.captures_iter(&file.text).map(|found| found[1].to_owned()) {
            count += 1;
            let entry = Regex::new(&format!(r"\bof::<(?:\w+::)*{name}(?:, _)?>\(")).expect("a pattern");
            if !sources.iter().any(|file| entry.is_match(&file.text)) {
                unlisted.push(format!("{}: {name}", file.path.display()));
            }
        }
    }
    (count, unlisted)
}

#[test]
fn each_operation_and_job_is_in_a_list() {
    let (sources, mut faults) = (sources(), Vec::new());
    for (of, list, least) in [
        ("Operation", "Entry::of::<…>() in the OPERATIONS of its service", 100),
        ("Job", "Handler::of::<…, _>(app) in the handlers", 10),
    ] {
        let (count, unlisted) = unlisted(&sources, of);
        assert!(count >= least, "{count} of {of}: where are they?");
        faults.extend(unlisted.iter().map(|name| format!("{name}: add a line {list}")));
    }
    assert!(faults.is_empty(), "nobody can reach these:\n{}", faults.join("\n"));
}

#[test]
fn each_follower_is_in_a_list() {
    const LISTS: [&str; 2] = ["crates/registry/src/followers.rs", "crates/scanning/src/followers.rs"];
    let is_list = |file: &&SourceFile| LISTS.iter().any(|list| file.path.ends_with(list));
    let lists: Vec<String> =
        files("crates", &["followers.rs"]).iter().filter(is_list).map(|file| code(&file.text)).collect();
    assert_eq!(lists.len(), LISTS.len(), "the lists");
    let implemented = Regex::new(r"(?m)^impl Follower for (\w+)").expect("a pattern");
    let mut followers = Vec::new();
    for file in sources() {
        followers.extend(implemented.captures_iter(&file.text).map(|found| found[1].to_owned()));
    }
    let missing: Vec<_> =
        followers.iter().filter(|name| !lists.iter().any(|list| list.contains(name.as_str()))).collect();
    assert!(followers.len() >= 3, "{followers:?}: where are they?");
    assert!(
        missing.is_empty(),
        "nobody tells these of changes: add their lines to `all` in one of {LISTS:?}: {missing:?}"
    );
}

/// The names in the lists of operations of a file, each list by itself.
fn operations(code: &str) -> Vec<Vec<String>> {
    let list = Regex::new(r"(?ms)const OPERATIONS: &\[Entry\] =\s*&\[(.*?)\];").expect("a pattern");
    let entry = Regex::new(r"Entry::of::<(?:\w+::)*(\w+)>").expect("a pattern");
    let names = |list: &str| entry.captures_iter(list).map(|found| found[1].to_owned()).collect();
    list.captures_iter(code).map(|found| names(&found[1])).collect()
}

#[test]
fn operations_are_in_order() {
    let mut count = 0;
    for file in sources() {
        for names in operations(&file.text) {
            count += 1;
            let mut sorted = names.clone();
            sorted.sort();
            assert_eq!(
                names,
                sorted,
                "{} lists operations in another order than that of their names",
                file.path.display()
            );
        }
    }
    assert!(count > 10, "{count} lists: where are they?");
}

#[test]
fn what_is_in_a_list() {
    let file = |text: &str| SourceFile { path: "a.rs".into(), text: text.to_owned() };
    let sources = [
        file(
            "impl Job for Listed {\n}\nimpl Job for Forgotten {\n}\nimpl Job for More {\n}\nimpl Operation for Other {\n}\n",
        ),
        file("let handlers = [Handler::of::<a::b::Listed, _>(app), Handler::of::<More, _>(app)];"),
    ];
    assert_eq!(unlisted(&sources, "Job"), (3, vec!["a.rs: Forgotten".to_owned()]));
    let code = "pub const OPERATIONS: &[Entry] = &[\n    Entry::of::<b::B>(),\n    Entry::of::<A>(),\n];\n";
    assert_eq!(operations(code), [["B", "A"]]);
}
