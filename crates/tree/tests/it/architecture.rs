//! ARCHITECTURE.md is a map of what is there: each room is on it once, nothing else is, and its walks lead from one function
//! that exists to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;
use tree::{SourceFile, root};

use super::imports::code;
use super::names::{defines, named_in};

const PAGE: &str = "ARCHITECTURE.md";
const ROOMS: &str = "The rooms";
const WALKS: &str = "Walks";

fn page() -> SourceFile {
    let text = fs::read_to_string(root().join(PAGE)).expect("the page");
    SourceFile { path: PAGE.into(), text }
}

/// The folders of crates whose rooms are on the page.
fn crates() -> BTreeSet<String> {
    let folders = fs::read_dir(root().join("crates")).expect("the crates").filter_map(Result::ok);
    let names = folders.map(|folder| format!("crates/{}", folder.file_name().to_string_lossy()));
    names.filter(|name| root().join(name).join("src").is_dir()).chain(["bin".to_owned()]).collect()
}

/// The room that a file or folder at the top of a crate's source belongs to. Tests that lie beside a file are of its room.
fn room_of(entry: &str) -> Option<&str> {
    let name = entry.strip_suffix(".rs").unwrap_or(entry);
    let room = name.strip_suffix("_tests").unwrap_or(name);
    (!matches!(room, "lib" | "main")).then_some(room)
}

fn rooms_of(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder).join("src")).expect("the source").filter_map(Result::ok);
    let names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.iter().filter_map(|name| room_of(name)).map(str::to_owned).collect()
}

/// The lines of the page below a heading of the second level, with the heading of the third that they stand under.
fn section<'a>(page: &'a str, wanted: &str) -> Vec<(usize, &'a str, &'a str)> {
    let (mut is_wanted, mut part) = (false, "");
    let mut lines = Vec::new();
    for (index, line) in page.lines().enumerate() {
        if let Some(heading) = line.strip_prefix("## ") {
            (is_wanted, part) = (heading == wanted, "");
        } else if let Some(heading) = line.strip_prefix("### ") {
            part = heading;
        } else if is_wanted {
            lines.push((index + 1, part, line));
        }
    }
    lines
}

/// The rooms that the page names, by the folder of their crate.
fn named_rooms(page: &str) -> BTreeMap<String, Vec<String>> {
    let row = Regex::new(r"^\| `([^`]+)` \|").expect("a pattern");
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, part, line) in section(page, ROOMS).into_iter().filter(|(_, part, _)| !part.is_empty()) {
        let rooms = named.entry(part.trim_matches('`').to_owned()).or_default();
        rooms.extend(row.captures(line).map(|found| found[1].to_owned()));
    }
    named
}

/// The crates in the order of the page.
pub fn listed_crates() -> Vec<String> {
    let page = page().text;
    let mut folders: Vec<String> =
        section(&page, ROOMS).into_iter().map(|(_, part, _)| part.trim_matches('`').to_owned()).collect();
    folders.dedup();
    folders.retain(|folder| !folder.is_empty());
    folders
}

/// The rooms of each crate in the order of the page.
pub fn listed_rooms() -> BTreeMap<String, Vec<String>> {
    named_rooms(&page().text)
}

/// What is wrong with the rooms that are named, where these are there.
fn faults_of_rooms(named: &BTreeMap<String, Vec<String>>, there: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (folder, rooms) in there {
        let none = Vec::new();
        let Some(named) = named.get(folder).or_else(|| rooms.is_empty().then_some(&none)) else {
            faults.push(format!("there is no heading ### `{folder}` under '{ROOMS}'"));
            continue;
        };
        for room in rooms {
            match named.iter().filter(|name| *name == room).count() {
                0 => faults.push(format!(
                    "{folder}/src/{room} has no line under ### `{folder}`: | `{room}` | what is in it |"
                )),
                1 => {}
                count => faults.push(format!("{folder}/src/{room} is named {count} times")),
            }
        }
        let missing = named.iter().filter(|name| !rooms.contains(*name));
        faults.extend(missing.map(|name| format!("{folder}/src/{name} is named and not there: take its line out")));
    }
    let unknown = named.keys().filter(|folder| !there.contains_key(*folder));
    faults.extend(unknown.map(|folder| format!("there is no crate {folder}")));
    faults
}

#[test]
fn each_room_has_one_line() {
    let there = crates().into_iter().map(|folder| (folder.clone(), rooms_of(&folder))).collect();
    let faults = faults_of_rooms(&named_rooms(&page().text), &there);
    assert!(faults.is_empty(), "{PAGE} is not the map of what is there:\n{}", faults.join("\n"));
}

/// The stops of the walks: where each stands, the walk, and its line.
fn stops(page: &str) -> Vec<(usize, &str, &str)> {
    let is_stop = Regex::new(r"^\d+\. ").expect("a pattern");
    section(page, WALKS).into_iter().filter(|(_, _, line)| is_stop.is_match(line)).collect()
}

#[test]
fn each_stop_of_a_walk_is_there() {
    let page = page();
    let mut faults = Vec::new();
    let mut walks: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, walk, line) in stops(&page.text) {
        let expected = walks.entry(walk).or_default();
        *expected += 1;
        let stop = line.strip_prefix(&format!("{expected}. "));
        let Some(stop) = stop.filter(|stop| stop.starts_with("[`")) else {
            faults.push(format!("{PAGE}:{number}: a stop is written as {expected}. [`function`](file) what it does"));
            continue;
        };
        for named in named_in(Path::new(PAGE), number, stop) {
            let text = fs::read_to_string(root().join(&named.file)).unwrap_or_default();
            // A stop is part of the program, and no test of it.
            if !defines(&code(&text), &named.name) {
                faults.push(format!("{}: {} has no {}", named.at, named.file.display(), named.name));
            }
        }
    }
    assert!(walks.len() >= 5 && walks.values().all(|stops| *stops >= 5), "where are the walks? {walks:?}");
    assert!(faults.is_empty(), "these stops are not there:\n{}", faults.join("\n"));
}

#[test]
fn what_is_missing_on_a_map_and_what_is_too_much() {
    let page = "## The rooms\n### `crates/a`\n| room | x |\n|---|---|\n| `one` | x |\n\nMore:\n\n| `one` | x |\n| `gone` | x |\n\
                ### `crates/c`\n\n## Walks\n### A push\n1. [`f`](a.rs) x\n| `two` | x |\n";
    let named = named_rooms(page);
    assert_eq!(named["crates/a"], ["one", "one", "gone"]);
    assert_eq!(stops(page), [(15, "A push", "1. [`f`](a.rs) x")]);
    let rooms = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let there = BTreeMap::from([
        ("crates/a".to_owned(), rooms(&["one", "two"])),
        ("crates/b".to_owned(), rooms(&["x"])),
        // One without rooms needs no heading.
        ("crates/empty".to_owned(), rooms(&[])),
    ]);
    let faults = faults_of_rooms(&named, &there);
    for (fault, part) in faults.iter().zip([
        "one is named 2 times",
        "two has no line",
        "gone is named and not there",
        "no heading ### `crates/b`",
        "no crate crates/c",
    ]) {
        assert!(fault.contains(part), "{fault}: {part}");
    }
    assert_eq!(faults.len(), 5, "{faults:?}");
    assert_eq!(
        ["digest.rs", "http", "lib.rs", "pattern_tests.rs", "tests"].map(room_of),
        [Some("digest"), Some("http"), None, Some("pattern"), Some("tests")]
    );
}
