//! A file system in memory that layers are extracted to, written without a look at the scanner: what an image is in truth.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::support::{Entry, entry, file, link};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Directory(BTreeMap<String, Node>),
    File(Rc<Vec<u8>>),
    Link(String),
}

/// A root directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(Node);

impl Default for Root {
    fn default() -> Self {
        Self(Node::Directory(BTreeMap::new()))
    }
}

fn split(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part.to_owned()),
        }
    }
    parts
}

impl Root {
    fn get(&self, path: &[String]) -> Option<&Node> {
        path.iter().try_fold(&self.0, |node, name| match node {
            Node::Directory(children) => children.get(name),
            Node::File(_) | Node::Link(_) => None,
        })
    }

    /// The directory of a path without links; what is in its way is replaced.
    fn directory(&mut self, path: &[String]) -> &mut BTreeMap<String, Node> {
        let mut node = &mut self.0;
        for name in path {
            if !matches!(node, Node::Directory(_)) {
                *node = Node::Directory(BTreeMap::new());
            }
            let Node::Directory(children) = node else { unreachable!("made one") };
            node = children.entry(name.clone()).or_insert_with(|| Node::Directory(BTreeMap::new()));
        }
        if !matches!(node, Node::Directory(_)) {
            *node = Node::Directory(BTreeMap::new());
        }
        let Node::Directory(children) = node else { unreachable!("made one") };
        children
    }

    /// A path with the links in it followed; `None` where they go round.
    fn real(&self, path: &[String], links: usize) -> Option<Vec<String>> {
        let mut real: Vec<String> = Vec::new();
        for (at, name) in path.iter().enumerate() {
            if name == ".." {
                real.pop();
                continue;
            }
            real.push(name.clone());
            if let Some(Node::Link(target)) = self.get(&real) {
                if links == 0 {
                    return None;
                }
                real.pop();
                let mut next = if target.starts_with('/') { Vec::new() } else { real };
                next.extend(target.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned));
                next.extend_from_slice(&path[at + 1..]);
                return self.real(&next, links - 1);
            }
        }
        Some(real)
    }

    /// A path with the links in it followed, but for one at its end.
    fn place(&self, path: &[String]) -> Option<(Vec<String>, String)> {
        let (name, parent) = path.split_last()?;
        Some((self.real(parent, 40)?, name.clone()))
    }

    /// Extracts a layer.
    pub fn extract(&mut self, layer: &[Entry]) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let entries: Vec<(&Entry, Vec<String>)> =
            layer.iter().map(|entry| (entry, split(&text(&entry.name)))).collect();
        let is_opaque = |path: &[String]| path.last().is_some_and(|name| name == ".wh..wh..opq");
        let is_whiteout = |path: &[String]| path.last().is_some_and(|name| name.starts_with(".wh."));
        for (_, path) in entries.iter().filter(|(_, path)| is_opaque(path)) {
            let Some(real) = self.real(&path[..path.len() - 1], 40) else { continue };
            if matches!(self.get(&real), Some(Node::Directory(_))) {
                self.directory(&real).clear();
            }
        }
        for (_, path) in entries.iter().filter(|(_, path)| is_whiteout(path) && !is_opaque(path)) {
            let Some((parent, name)) = self.place(path) else { continue };
            if matches!(self.get(&parent), Some(Node::Directory(_))) {
                self.directory(&parent).remove(&name[4..]);
            }
        }
        for (entry, path) in entries.iter().filter(|(_, path)| !is_whiteout(path)) {
            let Some((parent, name)) = self.place(path) else { continue };
            let node = match entry.kind {
                b'0' => Node::File(Rc::new(entry.content.clone())),
                b'2' => Node::Link(text(&entry.link)),
                b'5' => {
                    let there = self.directory(&parent).entry(name).or_insert_with(|| Node::Directory(BTreeMap::new()));
                    if !matches!(there, Node::Directory(_)) {
                        *there = Node::Directory(BTreeMap::new());
                    }
                    continue;
                }
                b'1' => {
                    let Some((from, from_name)) = self.place(&split(&text(&entry.link))) else { continue };
                    if (&from, &from_name) == (&parent, &name) {
                        continue;
                    }
                    match self.get(&[from, vec![from_name]].concat()) {
                        Some(Node::Directory(_)) | None => Node::File(Rc::new(Vec::new())),
                        Some(other) => other.clone(),
                    }
                }
                other => unreachable!("kind {other}"),
            };
            self.directory(&parent).insert(name, node);
        }
    }

    /// The whole tree as one layer.
    pub fn flat(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut open = vec![(String::new(), &self.0)];
        while let Some((path, node)) = open.pop() {
            match node {
                Node::Directory(children) => {
                    entries.push(entry(b'5', format!("{path}/"), "", ""));
                    open.extend(children.iter().map(|(name, child)| (format!("{path}/{name}"), child)));
                }
                Node::File(content) => entries.push(file(&path, content.as_slice())),
                Node::Link(target) => entries.push(link(&path, target)),
            }
        }
        entries
    }
}
