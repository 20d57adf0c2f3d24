//! Which crate and which room uses which. Rooms are the modules at the top of a crate; ARCHITECTURE.md lists crates and rooms
//! from what stands on nothing to what puts all together, and an arrow that runs up that list is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;
use tree::{SourceFile, files, root};

use super::architecture;

/// What the rooms of a crate share, and each of them is handed: the room of that name is the crate's own, as its top is.
const CONTEXT: &str = "context";

/// Where one room names another.
type Arrows = BTreeMap<(String, String), Vec<String>>;

/// What a file says to the compiler: without comments and the content of texts, and without the tests at its end.
pub fn code(text: &str) -> String {
    let text = without_tests(text);
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let skipped = match character {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => end_of_text(rest),
            // A letter in quotes; a lifetime has no second one.
            '\'' if rest[1..].starts_with('\\') => rest[2..].find('\'').map_or(1, |end| end + 3),
            '\'' => rest[1..]
                .chars()
                .next()
                .filter(|inner| rest[1 + inner.len_utf8()..].starts_with('\''))
                .map_or(0, |inner| inner.len_utf8() + 2),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#") => end_of_raw_text(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(character);
            rest = &rest[character.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().filter(|skipped| *skipped == '\n'));
            rest = &rest[skipped..];
        }
    }
    code
}

/// A file up to the tests at its end. Where they are in a file of their own, what declares it is not the end.
fn without_tests(text: &str) -> &str {
    const BEGINS: &str = "#[cfg(test)]\nmod ";
    let mut begins = text.match_indices(BEGINS);
    let tests =
        begins.find(|(at, _)| text[at + BEGINS.len()..].lines().next().is_some_and(|line| !line.ends_with(';')));
    tests.map_or(text, |(at, _)| &text[..at])
}

fn end_of_text(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// 0 if it is none.
fn end_of_raw_text(rest: &str) -> usize {
    let marks = rest[1..].chars().take_while(|mark| *mark == '#').count();
    if !rest[1 + marks..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(marks));
    rest[2 + marks..].find(&end).map_or(rest.len(), |at| 2 + marks + at + end.len())
}

/// The first names of paths that begin at the top of the crate, with their lines.
fn named_from_the_top(code: &str, depth: usize) -> Vec<(usize, String)> {
    let up = "super::".repeat(depth);
    let mut named = Vec::new();
    for start in ["crate::", &up] {
        if start.is_empty() {
            continue;
        }
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            // A longer path of `super`, or another word.
            if before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':' || before == '$')
            {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            let rest = &code[at + start.len()..];
            match rest.strip_prefix('{') {
                Some(group) => named.extend(names_of_group(group).into_iter().map(|name| (line, name))),
                None => named.push((line, first_name(rest))),
            }
        }
    }
    named
}

fn first_name(rest: &str) -> String {
    rest.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

/// The first names of the paths in the braces of an import, up to the brace that closes it.
fn names_of_group(group: &str) -> Vec<String> {
    let (mut names, mut depth, mut is_at_start) = (Vec::new(), 0, true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_at_start = true,
            _ if is_at_start && character.is_alphanumeric() => {
                names.push(first_name(&group[at..]));
                is_at_start = false;
            }
            _ => {}
        }
    }
    names
}

/// The room that a file is in, and how many modules lie above what is in it; none for what is tests, or the top itself.
fn place_of(file: &SourceFile, source: &Path) -> Option<(String, usize)> {
    let path = file.path.strip_prefix(source).ok()?;
    let mut names: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if names.iter().any(|name| name == "tests" || name.ends_with("_tests")) {
        return None;
    }
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    let room = names.first().filter(|name| *name != "lib" && *name != "main")?;
    Some((room.clone(), names.len()))
}

fn arrows(folder: &str) -> Arrows {
    let source = Path::new(folder).join("src");
    let files = files(&source.to_string_lossy(), &[".rs"]);
    let placed: Vec<(&SourceFile, String, usize)> =
        files.iter().filter_map(|file| place_of(file, &source).map(|(room, depth)| (file, room, depth))).collect();
    let rooms: BTreeSet<&str> = placed.iter().map(|(_, room, _)| room.as_str()).collect();
    let mut arrows = Arrows::new();
    for (file, room, depth) in &placed {
        let code = code(&file.text);
        for (line, name) in named_from_the_top(&code, *depth) {
            if name != *room && rooms.contains(name.as_str()) {
                let shown = file.text.lines().nth(line - 1).unwrap_or_default().trim();
                arrows
                    .entry((room.clone(), name))
                    .or_default()
                    .push(format!("{}:{line}: {shown}", file.path.display()));
            }
        }
    }
    arrows
}

/// The arrows from a room to one that is listed after it, with the lines that they are in.
fn running_up(folder: &str, listed: &[String], arrows: &Arrows) -> Vec<String> {
    let place = |room: &String| listed.iter().position(|known| known == room);
    // A room that has no line yet is another test's to find.
    let runs_up = |(from, to): &(String, String)| {
        *from != CONTEXT && place(from).zip(place(to)).is_some_and(|(from, to)| from < to)
    };
    let fault = |((from, to), lines): (&(String, String), &Vec<String>)| {
        format!("{folder}: {from} stands above {to} in the list, and uses it:\n  {}", lines.join("\n  "))
    };
    arrows.iter().filter(|(arrow, _)| runs_up(arrow)).map(fault).collect()
}

#[test]
fn no_arrow_runs_up() {
    let (mut faults, mut count) = (Vec::new(), 0);
    for (folder, rooms) in architecture::listed_rooms() {
        let arrows = arrows(&folder);
        count += arrows.len();
        faults.extend(running_up(&folder, &rooms, &arrows));
        println!("{folder}: {}", rooms.join(" "));
    }
    assert!(count > 100, "{count} arrows: where are they?");
    assert!(
        faults.is_empty(),
        "what two rooms have in common belongs below both; if the list of rooms in ARCHITECTURE.md is what is wrong, \
         change that:\n{}",
        faults.join("\n")
    );
}

/// The crates of the tree that a crate depends on, those that only its tests need included.
fn depends_on(folder: &str) -> Vec<String> {
    let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest");
    let dependency = Regex::new(r"(?m)^([a-z0-9-]+)(?:\.workspace| =)").expect("a pattern");
    let names = dependency.captures_iter(&manifest).map(|found| format!("crates/{}", &found[1]));
    names.filter(|name| root().join(name).is_dir()).collect()
}

#[test]
fn crates_stand_on_those_above_them() {
    let listed = architecture::listed_crates();
    let place = |folder: &str| listed.iter().position(|known| known == folder);
    let mut faults = Vec::new();
    for folder in &listed {
        for used in depends_on(folder) {
            // Whoever names its own with other features needs them in its tests.
            if used != *folder && place(&used) > place(folder) {
                faults.push(format!("{folder} uses {used}, which stands after it"));
            }
        }
    }
    println!("{}", listed.join(" "));
    assert!(listed.len() > 15, "{listed:?}: where are the crates?");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_an_import() {
    let text = r##"
//! crate::in_a_comment
use crate::{auth::{Caller, keys}, http, registry::Place};
use super::super::store;
#[cfg(test)]
mod tests_elsewhere;
fn f<'a>(x: &'a str) -> char { crate::jobs::run("crate::in_a_text \" crate::too", r#"crate::raw"#); '"' }
macro_rules! m { () => { $crate::in_a_macro } }
use other::crate::nothing;
#[cfg(test)]
mod tests { use crate::only_tests; }
"##;
    let mut named = named_from_the_top(&code(text), 2);
    named.sort();
    let expected = [(3, "auth"), (3, "http"), (3, "registry"), (4, "store"), (7, "jobs")];
    assert_eq!(named, expected.map(|(line, name)| (line, name.to_owned())));
}

#[test]
fn arrows_that_run_up_are_found() {
    let arrow = |one: &str, other: &str| ((one.to_owned(), other.to_owned()), vec![format!("{one}.rs:1: use {other}")]);
    let arrows = Arrows::from([arrow("b", "a"), arrow("a", "c"), arrow("c", "b"), arrow("context", "c")]);
    let listed = ["context", "a", "b", "c"].map(str::to_owned);
    let faults = running_up("crates/x", &listed, &arrows);
    assert_eq!(faults, ["crates/x: a stands above c in the list, and uses it:\n  a.rs:1: use c"]);
}

#[test]
fn ecr_and_v2_do_not_know_each_other() {
    let [ecr, v2] = ["crates/ecr-services", "crates/registry-services"];
    for (one, other) in [(ecr, v2), (v2, ecr)] {
        let manifest = std::fs::read_to_string(root().join(one).join("Cargo.toml")).expect("a manifest");
        // Tests may compare what both say of the same call.
        let code = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        let name = other.trim_start_matches("crates/");
        assert!(!code.contains(name), "what {one} and {other} have in common belongs below them");
    }
}
