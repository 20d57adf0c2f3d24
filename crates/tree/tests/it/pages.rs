//! What there is for users is on a page that they find: each page in the README, each command and each setting somewhere.

use std::fs;

use regex::Regex;
use tree::{files, root};

const COMMANDS: &str = "crates/ctl/src/lib.rs";
const SETTINGS: &str = "docs/wharf.example.toml";

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

#[test]
fn each_page_is_listed_in_the_readme() {
    let readme = read("README.md");
    for page in files("docs", &[".md"]).iter().filter(|page| page.path.components().count() == 2) {
        let path = page.path.display().to_string();
        assert!(
            readme.contains(&format!("]({path})")),
            "the README does not lead to {path}: add a row under 'Read on'"
        );
    }
}

#[test]
fn the_glossary_says_each_word_once_and_in_one_sentence() {
    let row = Regex::new(r"^\| ([^|]+) \| ([^|]+) \|$").expect("a pattern");
    let (mut seen, mut part): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for line in read("docs/glossary.md").lines() {
        if line.starts_with("## ") {
            part.clear();
        }
        let Some(found) = row.captures(line).filter(|found| &found[1] != "word") else { continue };
        let (word, meaning) = (found[1].to_lowercase(), &found[2]);
        assert!(!seen.contains(&word), "{word} is there twice: one thing has one word, and a word one meaning");
        assert!(!meaning.contains(". ") && !meaning.ends_with('.'), "{word} takes more than one sentence: {meaning}");
        assert!(part.last().is_none_or(|last| *last < word), "{word} stands behind {part:?}: words are in order");
        part.push(word.clone());
        seen.push(word);
    }
    assert!(seen.len() > 60, "{} words: where are they?", seen.len());
}

/// The names of the commands in the enum `Command` of the file.
fn commands(code: &str) -> Vec<String> {
    let variant = Regex::new(r"(?m)^    ([A-Z]\w+)\(").expect("a pattern");
    let hump = Regex::new(r"\B([A-Z])").expect("a pattern");
    let variants = code.split_once("pub enum Command {").map_or("", |(_, rest)| rest.split("\n}").next().unwrap_or(""));
    variant.captures_iter(variants).map(|found| hump.replace_all(&found[1], "-$1").to_lowercase()).collect()
}

#[test]
fn each_command_is_on_a_page() {
    let commands = commands(&read(COMMANDS));
    assert!(commands.len() > 20, "{commands:?}: where are they?");
    let mut pages: Vec<String> = files("docs", &[".md"]).into_iter().map(|page| page.text).collect();
    pages.push(read("README.md"));
    for command in commands {
        let shown = format!("wharf {command}");
        assert!(pages.iter().any(|page| page.contains(&shown)), "no page of docs shows `{shown}`");
    }
}

/// The keys of each section of the configuration in the code: of each structure that refuses unknown keys.
fn keys(code: &str) -> Vec<String> {
    let section = Regex::new(r"(?ms)^#\[serde\([^\n]*deny_unknown_fields[^\n]*\)\]\n(?:#\[[^\n]*\n)*pub(?:\([a-z]+\))? struct \w+ \{\n(.*?)\n\}")
        .expect("a pattern");
    // What is not read from the configuration is no key of it.
    let key = Regex::new(r"(?m)^(?<skipped>    #\[serde\(skip[^\n]*\n)?    (?:pub(?:\([a-z]+\))? )?(?<key>\w+):")
        .expect("a pattern");
    let mut keys = Vec::new();
    for section in section.captures_iter(code) {
        let found = key.captures_iter(&section[1]).filter(|found| found.name("skipped").is_none());
        keys.extend(found.map(|found| found["key"].to_owned()));
    }
    keys
}

#[test]
fn each_setting_is_in_the_example() {
    let example = read(SETTINGS);
    let mut count = 0;
    for file in files("crates", &[".rs"]) {
        for key in keys(&file.text) {
            count += 1;
            let shown = format!(r"(?m)\b{key}\b\s*=|\[[\w.]*\b{key}\b[\w.]*\]");
            let is_shown = Regex::new(&shown).expect("a pattern").is_match(&example);
            assert!(is_shown, "{SETTINGS} does not explain {key}, a key of {}", file.path.display());
        }
    }
    assert!(count > 80, "{count} keys: where are they?");
}

#[test]
fn what_is_found() {
    let code = "pub enum Command {\n    /// Users.\n    User(Noun<user::Command>),\n    OidcProvider(Noun<x>),\n}\nenum Other {\n    None(u8),\n}\n";
    assert_eq!(commands(code), ["user", "oidc-provider"]);
    let code = "#[derive(Deserialize)]\n#[serde(deny_unknown_fields)]\npub struct AConfig {\n    /// x\n    pub one: u8,\n    #[serde(default)]\n    pub(super) two: u8,\n    #[serde(skip)]\n    pub none: u8,\n}\npub struct Other {\n    pub three: u8,\n}\n";
    assert_eq!(keys(code), ["one", "two"]);
}
