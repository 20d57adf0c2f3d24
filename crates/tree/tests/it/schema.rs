//! The schema and what belongs to it: each migration has a script for either database and a line, released scripts stay as they
//! are, each table has its SQL in one room, and each column says what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use regex::Regex;
use tree::{SourceFile, files, root};

const LISTED: &str = "crates/store/src/db/migrate.rs";
const RELEASED: &str = "crates/tree/tests/it/migrations.txt";
const PLAIN: &str = "crates/tree/tests/it/plain_columns.txt";
const KINDS: &str = "crates/store/src/tables/column_kinds.rs";
const DOCUMENTS: &str = "crates/upkeep/src/storage_check/values.rs";
const SEALED: &str = "crates/store/src/tables/sealed_values.rs";
/// Columns of bytes that no root key has sealed: what wraps the root keys is above them.
const NOT_SEALED: [(&str, &str); 1] = [("root_keys", "wrapped")];

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

fn scripts(database: &str) -> Vec<SourceFile> {
    files(&format!("crates/store/migrations/{database}"), &[".sql"])
}

fn name(script: &SourceFile) -> String {
    script.path.file_name().expect("a file").to_string_lossy().into_owned()
}

/// FNV-1a: enough to see that a text is another one.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn each_migration_has_two_scripts_and_a_line() {
    let [sqlite, postgres] =
        ["sqlite", "postgres"].map(|database| scripts(database).iter().map(name).collect::<Vec<_>>());
    assert_eq!(sqlite, postgres, "a migration has a script of the same name for either database");
    let listed = read(LISTED);
    for (number, script) in (1..).zip(&sqlite) {
        let title = script.strip_prefix(&format!("{number:04}_")).and_then(|rest| rest.strip_suffix(".sql"));
        let title = title.unwrap_or_else(|| panic!("{script} should begin with {number:04}_: numbers have no gaps"));
        let line = format!("migration!({number}, \"{title}\", \"{script}\"),");
        assert!(listed.contains(&line), "{LISTED} has no line {line}");
    }
}

#[test]
fn released_migrations_stay_as_they_are() {
    let of =
        |database| move |script: &SourceFile| format!("{database}/{} {:016x}", name(script), fingerprint(&script.text));
    let now: BTreeSet<String> = ["postgres", "sqlite"]
        .into_iter()
        .flat_map(|database| scripts(database).iter().map(of(database)).collect::<Vec<_>>())
        .collect();
    let listed: BTreeSet<String> =
        read(RELEASED).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let changed: Vec<_> = listed.difference(&now).collect();
    assert!(
        changed.is_empty(),
        "databases have applied these as they were; make another migration instead: {changed:#?}"
    );
    let new: Vec<_> = now.difference(&listed).collect();
    assert!(new.is_empty(), "add these lines to {RELEASED}: {new:#?}");
}

/// The columns of all tables, with their types, as the scripts for SQLite make them.
fn columns(scripts: &[SourceFile]) -> BTreeMap<String, Vec<(String, String)>> {
    let comment = Regex::new(r"--.*").expect("a pattern");
    let table = Regex::new(r"(CREATE TABLE|ALTER TABLE|DROP TABLE|DROP TABLE IF EXISTS) (\w+)").expect("a pattern");
    let column = Regex::new(r"(?:^\s+|ADD COLUMN )(\w+)\s+(TEXT|BLOB|INTEGER|BIGINT)\b").expect("a pattern");
    let mut columns: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for script in scripts {
        let mut current = String::new();
        for line in script.text.lines() {
            let line = comment.replace(line, "");
            if let Some(found) = table.captures(&line) {
                found[2].clone_into(&mut current);
                if found[1].starts_with("DROP") {
                    columns.remove(&current);
                } else {
                    columns.entry(current.clone()).or_default();
                }
            }
            if let (Some(found), Some(of_table)) = (column.captures(&line), columns.get_mut(&current)) {
                of_table.push((found[1].to_owned(), found[2].to_owned()));
            }
        }
    }
    columns
}

#[test]
fn each_table_has_its_statements_in_one_room() {
    let tables = files("crates/store/src/tables", &[".rs"]);
    for table in columns(&scripts("sqlite")).keys() {
        let word = Regex::new(&format!(r"\b{table}\b")).expect("a pattern");
        let has_file = tables.iter().any(|file| word.is_match(&file.text));
        assert!(has_file, "no file of crates/store/src/tables names {table}: all SQL is there, one file per table");
    }
}

#[test]
fn each_sealed_column_is_sealed_anew() {
    let sealed = read(SEALED);
    for (table, columns) in columns(&scripts("sqlite")) {
        for (column, _) in columns
            .iter()
            .filter(|(column, kind)| kind == "BLOB" && !NOT_SEALED.contains(&(table.as_str(), column.as_str())))
        {
            let has = |word: &str| Regex::new(&format!(r"\b{word}\b")).expect("a pattern").is_match(&sealed);
            // Small blobs are sealed with the data keys of their rows, and not with a root key.
            let is_known = (has(&table) && has(column)) || table == "small_blobs";
            assert!(
                is_known,
                "{table}.{column} holds bytes: list it in {SEALED}, or it is lost when its root key is retired"
            );
        }
    }
}

#[test]
fn each_text_says_what_it_is() {
    let (kinds, documents) = (read(KINDS), read(DOCUMENTS));
    let of_tables = Regex::new(r#"\("(\w+)", "(\w+)", "#).expect("a pattern");
    let of_names = Regex::new(r#"(?m)^    \("(\w+)", is"#).expect("a pattern");
    let known: BTreeSet<(String, String)> = [&kinds, &documents]
        .into_iter()
        .flat_map(|text| of_tables.captures_iter(text).map(|found| (found[1].to_owned(), found[2].to_owned())))
        .collect();
    let names: BTreeSet<String> = of_names.captures_iter(&kinds).map(|found| found[1].to_owned()).collect();
    let plain: BTreeSet<String> =
        read(PLAIN).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let mut unknown = BTreeSet::new();
    for (table, columns) in columns(&scripts("sqlite")) {
        for (column, _) in columns.into_iter().filter(|(_, kind)| kind == "TEXT") {
            if !names.contains(&column) && !known.contains(&(table.clone(), column.clone())) {
                unknown.insert(format!("{table}.{column}"));
            }
        }
    }
    let new: Vec<_> = unknown.difference(&plain).collect();
    assert!(
        new.is_empty(),
        "say in {KINDS} what these hold, or in {DOCUMENTS} if this crate reads them; what may be any text goes into {PLAIN}: \
         {new:#?}"
    );
    let gone: Vec<_> = plain.difference(&unknown).collect();
    assert!(gone.is_empty(), "these are no plain columns any more: take them out of {PLAIN}: {gone:#?}");
}

#[test]
fn what_scripts_make() {
    let script = |text: &str| SourceFile { path: "0001_x.sql".into(), text: text.to_owned() };
    let made = columns(&[
        script(
            "-- CREATE TABLE none\nCREATE TABLE one (\n    id INTEGER PRIMARY KEY,\n    name  TEXT NOT NULL -- a BLOB\n);\nCREATE TABLE two (\n    x BLOB\n);",
        ),
        script("ALTER TABLE one ADD COLUMN more TEXT;\nDROP TABLE two;"),
    ]);
    let pair = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
    let one = vec![pair("id", "INTEGER"), pair("name", "TEXT"), pair("more", "TEXT")];
    assert_eq!(made, BTreeMap::from([("one".to_owned(), one)]));
}
