//! Reads the source tree, for the tests of what holds between its files: `tests/it`. No part of the program.

use std::fs;
use std::path::{Path, PathBuf};

/// What is no source: what tools make, fetch or keep.
const LEFT_OUT: [&str; 5] = ["target", ".git", ".venv", "node_modules", "__pycache__"];

/// One file of the tree.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path below the root of the tree.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

impl SourceFile {
    /// The lines with their numbers, counted from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// The folder that the workspace lies in. Whoever runs the tests says where they are run, which need not be where they were
/// built: a copy of the tree may have come with its `target`.
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let here = Path::new(&here);
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// All files below a folder of the tree whose names end with one of these, in the order of their paths. Files that are no
/// text are left out.
pub fn files(below: &str, endings: &[&str]) -> Vec<SourceFile> {
    let root = root();
    let mut paths = Vec::new();
    collect(&root.join(below), endings, &mut paths);
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            let path = path.strip_prefix(&root).map_or_else(|_| path.clone(), Path::to_owned);
            Some(SourceFile { path, text })
        })
        .collect()
}

fn collect(folder: &Path, endings: &[&str], paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // What a link leads to is another tree's.
        if LEFT_OUT.contains(&name.as_ref()) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            collect(&path, endings, paths);
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            paths.push(path);
        }
    }
}

/// The headings of a page in Markdown, without their marks; what is in blocks of code is none.
pub fn headings(page: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut headings = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code && line.starts_with('#') {
            headings.push(line.trim_start_matches('#').trim());
        }
    }
    headings
}
