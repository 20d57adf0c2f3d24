//! Pages link from the names of functions, types and constants to the files that define them: `` [`name`](path.rs) ``, or
//! `` [`Type::function`](path.rs) ``. What moves takes its line in the pages along.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use tree::{SourceFile, files, root};

/// A name that links to a file of code.
pub struct Named {
    /// The page and the line that it stands in.
    pub at: String,
    /// As it is written: `function`, `Type::function`, `Type` or `CONSTANT`.
    pub name: String,
    /// The file, below the root of the tree.
    pub file: PathBuf,
}

static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\[`(?<name>[A-Za-z_:][A-Za-z0-9_:]*)`\]\((?<file>[^)\s]+\.(?:rs|py))\)").expect("a pattern")
});

/// The names in a line of a page that link to files of code.
pub fn named_in(page: &Path, number: usize, line: &str) -> Vec<Named> {
    let beside = page.parent().unwrap_or(Path::new(""));
    NAMED
        .captures_iter(line)
        .map(|found| Named {
            at: format!("{}:{number}", page.display()),
            name: found["name"].to_owned(),
            file: super::links::settled(&beside.join(&found["file"])),
        })
        .collect()
}

/// Whether the code of a file defines the name.
pub fn defines(code: &str, name: &str) -> bool {
    let has = |code: &str, pattern: &str| Regex::new(pattern).expect("a pattern").is_match(code);
    let function = |name: &str| format!(r"(?m)^ *(?:pub(?:\([a-z]+\))? )?(?:const )?(?:async )?(?:fn|def) {name}\b");
    match name.rsplit_once("::") {
        Some((owner, name)) => {
            let block = format!(r"(?ms)^(?:pub(?:\([a-z]+\))? )?(?:impl|trait)\b[^{{]*\b{owner}\b.*?^\}}");
            let blocks = Regex::new(&block).expect("a pattern");
            blocks.find_iter(code).any(|block| has(block.as_str(), &function(name)))
        }
        None if name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_') => {
            has(code, &format!(r"(?m)^ *(?:pub(?:\([a-z]+\))? )?(?:const|static) {name}\b"))
        }
        None if name.starts_with(|letter: char| letter.is_ascii_uppercase()) => {
            has(code, &format!(r"(?m)^ *(?:pub(?:\([a-z]+\))? )?(?:struct|enum|trait|type|class) {name}\b"))
        }
        None => has(code, &function(name)),
    }
}

#[test]
fn names_that_link_to_a_file_are_defined_there() {
    let (mut faults, mut looked_at) = (Vec::new(), 0);
    for page in files("", &[".md"]) {
        for named in page.lines().flat_map(|(number, line)| named_in(&page.path, number, line)) {
            looked_at += 1;
            let text = std::fs::read_to_string(root().join(&named.file)).unwrap_or_default();
            if !defines(&text, &named.name) {
                faults.push(format!("{}: {} does not define {}", named.at, named.file.display(), named.name));
            }
        }
    }
    assert!(looked_at > 80, "{looked_at} names: where are they?");
    assert!(faults.is_empty(), "these names are somewhere else now:\n{}", faults.join("\n"));
}

#[test]
fn what_defines_a_name() {
    let code = "
pub const OPERATIONS: &[Entry] = &[];
pub(super) async fn free() {}
pub struct Held;
impl<T: Clone> Held for Other<T>
where
    T: Copy,
{
    pub const fn take(&self) {}
}
impl Other {
    fn give() {}
}
fn caller() { missing(); Missing::new(); }
";
    for (name, is_defined) in [
        ("OPERATIONS", true),
        ("free", true),
        ("Held", true),
        ("Held::take", true),
        ("Other::take", true),
        ("Other::give", true),
        ("Held::give", false),
        ("Other::free", false),
        ("missing", false),
        ("Missing", false),
        ("MISSING", false),
        ("tak", false),
    ] {
        assert_eq!(defines(code, name), is_defined, "{name}");
    }
    let page = Path::new("docs/page");
    let named =
        named_in(page, 3, "1. [`Held::take`](../crates/x/src/held.rs) takes, [Held](held.rs) and [`page`](y.txt) not");
    let shown: Vec<_> =
        named.iter().map(|named| (named.at.as_str(), named.name.as_str(), named.file.as_path())).collect();
    assert_eq!(shown, [("docs/page:3", "Held::take", Path::new("crates/x/src/held.rs"))]);
    let file = SourceFile { path: PathBuf::new(), text: "x = 1\ndef test_it(wharf):\n".to_owned() };
    assert!(defines(&file.text, "test_it") && !defines(&file.text, "test"));
}
