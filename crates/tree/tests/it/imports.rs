//! The rooms of a crate, which are the modules at its top, and which uses which. Two that use each other can only be
//! understood together: those of today are listed in `two_way_pairs.txt`, and none may be added.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tree::{SourceFile, files, root};

const LISTED: &str = "crates/tree/tests/it/two_way_pairs.txt";

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

fn arrows(crate_name: &str) -> Arrows {
    let source = Path::new("crates").join(crate_name).join("src");
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

fn two_way(arrows: &Arrows) -> BTreeSet<(String, String)> {
    let is_both = |(one, other): &&(String, String)| one < other && arrows.contains_key(&(other.clone(), one.clone()));
    arrows.keys().filter(is_both).cloned().collect()
}

fn listed() -> BTreeSet<(String, String, String)> {
    let text = std::fs::read_to_string(root().join(LISTED)).expect("the list");
    let words = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        Some((words.next()?, words.next()?, words.next()?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(words).collect()
}

#[test]
fn no_two_rooms_come_to_use_each_other() {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for crate_name in ["aws", "ctl", "iam", "lifecycle", "oci", "server", "store"] {
        let arrows = arrows(crate_name);
        for (one, other) in two_way(&arrows) {
            let pair = (crate_name.to_owned(), one.clone(), other.clone());
            if !listed().contains(&pair) {
                let ways = [&arrows[&(one.clone(), other.clone())], &arrows[&(other.clone(), one.clone())]];
                // What there is less of is most likely what is new, and what is easier to take away.
                let thin = ways.into_iter().min_by_key(|lines| lines.len()).map(|lines| lines.join("\n  "));
                faults.push(format!(
                    "{crate_name}: {one} and {other} use each other now:\n  {}",
                    thin.unwrap_or_default()
                ));
            }
            seen.insert(pair);
        }
    }
    for (crate_name, one, other) in listed().difference(&seen) {
        faults
            .push(format!("{crate_name}: {one} and {other} do not use each other any more: take them out of {LISTED}"));
    }
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
fn rooms_that_use_each_other_are_found() {
    let arrow = |one: &str, other: &str| ((one.to_owned(), other.to_owned()), vec![String::new()]);
    let arrows = Arrows::from([arrow("a", "b"), arrow("b", "a"), arrow("b", "c"), arrow("d", "a")]);
    assert_eq!(two_way(&arrows), BTreeSet::from([("a".to_owned(), "b".to_owned())]));
}

#[test]
fn the_two_faces_do_not_know_each_other() {
    let arrows = arrows("server");
    let [ecr, v2] = ["ecr", "v2"].map(str::to_owned);
    for pair in [(ecr.clone(), v2.clone()), (v2, ecr)] {
        let lines = arrows.get(&pair).map(|lines| lines.join("\n"));
        assert_eq!(lines, None, "what {} and {} have in common belongs below them", pair.0, pair.1);
    }
}
