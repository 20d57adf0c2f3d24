//! The part of an image's file tree that matters: files that were read, symbolic links, and the directories above them.
//!
//! Paths are followed as they are where images are extracted: through symbolic links in all parts but the last, and never
//! out of the root. What is not in the tree is a directory, a file that nobody wanted, or nothing; no link ever.

use std::cell::Cell;
use std::collections::BTreeMap;

/// Links that one path may lead through, as in Linux.
const MAX_LINKS: usize = 40;
/// Parts of paths that are gone through for the sake of links in one image: bounds links that lead through links.
const MAX_LINKED_PARTS: usize = 10_000_000;
/// Places of a tree. A path of few bytes may need many of them.
const MAX_NODES: usize = 1_000_000;
/// The place of the root.
const ROOT: usize = 0;

/// A tree. Files are named by their number.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    linked_parts: Cell<usize>,
}

#[derive(Debug)]
struct Node<'a> {
    parent: usize,
    name: Box<str>,
    children: BTreeMap<Box<str>, usize>,
    what: What<'a>,
}

/// What is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What<'a> {
    Directory,
    Link(&'a str),
    File(usize),
}

/// Where a path leads: the last place of it that is in the tree, and the parts behind that are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) node: usize,
    pub(super) rest: Vec<String>,
}

/// Why something has no place in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unplaced {
    #[error("lies behind too many symbolic links")]
    TooManyLinks,
    #[error("lies in an image that has too many directories")]
    Full,
}

impl<'a> Tree<'a> {
    pub(super) fn new() -> Self {
        let root = Node { parent: ROOT, name: "".into(), children: BTreeMap::new(), what: What::Directory };
        Self { nodes: vec![root], linked_parts: Cell::new(0) }
    }

    pub(super) fn what(&self, node: usize) -> What<'a> {
        self.nodes.get(node).map_or(What::Directory, |node| node.what)
    }

    fn child(&self, node: usize, name: &str) -> Option<usize> {
        self.nodes.get(node)?.children.get(name).copied()
    }

    /// Where a path leads; through a link at its end as well if asked.
    pub(super) fn place(&self, path: &str, is_end_followed: bool) -> Result<Resolved, Unplaced> {
        let mut place = Resolved { node: ROOT, rest: Vec::new() };
        let mut links = 0_usize;
        // What is still to go, the next part last. Links put their own parts on top.
        let mut parts: Vec<&str> = path.rsplit('/').collect();
        while let Some(part) = parts.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    if place.rest.pop().is_none() {
                        place.node = self.nodes.get(place.node).map_or(ROOT, |node| node.parent);
                    }
                    continue;
                }
                _ => {}
            }
            let child = if place.rest.is_empty() { self.child(place.node, part) } else { None };
            let Some(child) = child else {
                place.rest.push(part.to_owned());
                continue;
            };
            let What::Link(target) = self.what(child) else {
                place.node = child;
                continue;
            };
            if parts.is_empty() && !is_end_followed {
                place.node = child;
                continue;
            }
            links = links.saturating_add(1);
            if links > MAX_LINKS || self.linked_parts.get() > MAX_LINKED_PARTS {
                return Err(Unplaced::TooManyLinks);
            }
            if target.starts_with('/') {
                place.node = ROOT;
            }
            let before = parts.len();
            parts.extend(target.rsplit('/'));
            let more = parts.len().saturating_sub(before);
            self.linked_parts.set(self.linked_parts.get().saturating_add(more));
        }
        Ok(place)
    }

    /// Whether a path leads through no link and to nothing of the tree: so it is for nearly all files of a layer.
    pub(super) fn is_apart(&self, path: &str) -> bool {
        let mut node = ROOT;
        for part in path.split('/') {
            let Some(child) = self.child(node, part) else { return self.what(node) == What::Directory };
            if self.what(child) != What::Directory {
                return false;
            }
            node = child;
        }
        false
    }

    /// The path of a place, without a slash in front.
    pub(super) fn path(&self, place: &Resolved) -> String {
        let mut names: Vec<&str> = place.rest.iter().rev().map(String::as_str).collect();
        let mut at = place.node;
        while at != ROOT {
            let Some(node) = self.nodes.get(at) else { break };
            names.push(&node.name);
            at = node.parent;
        }
        names.reverse();
        names.join("/")
    }

    /// Makes directories of all that is in front of a place; the file that was there, if one was.
    pub(super) fn make_way(&mut self, place: &Resolved) -> Option<usize> {
        if place.rest.is_empty() {
            return None;
        }
        self.make_directory(place.node)
    }

    /// Makes a directory of what is at a node, if it is none; the file that was there, if one was.
    pub(super) fn make_directory(&mut self, node: usize) -> Option<usize> {
        let node = self.nodes.get_mut(node)?;
        match std::mem::replace(&mut node.what, What::Directory) {
            What::File(file) => Some(file),
            What::Directory | What::Link(_) => None,
        }
    }

    /// Whether there is room for what is to be at a place.
    pub(super) fn room(&self, place: &Resolved) -> Result<(), Unplaced> {
        let nodes = self.nodes.len().saturating_add(place.rest.len());
        if nodes > MAX_NODES { Err(Unplaced::Full) } else { Ok(()) }
    }

    /// Puts something at a place that was made way to, in the stead of what was there; the files that were.
    pub(super) fn put(&mut self, place: &Resolved, what: What<'a>) -> Vec<usize> {
        let removed = if place.rest.is_empty() { self.clear(place.node) } else { Vec::new() };
        let mut at = place.node;
        for name in &place.rest {
            let child = self.nodes.len();
            let node =
                Node { parent: at, name: name.as_str().into(), children: BTreeMap::new(), what: What::Directory };
            self.nodes.push(node);
            if let Some(parent) = self.nodes.get_mut(at) {
                parent.children.insert(name.as_str().into(), child);
            }
            at = child;
        }
        // The root stays what it is.
        if let Some(node) = self.nodes.get_mut(at).filter(|_| at != ROOT) {
            node.what = what;
        }
        removed
    }

    /// Takes away what is at a node and below it; the files that were there.
    pub(super) fn remove(&mut self, node: usize) -> Vec<usize> {
        let removed = self.clear(node);
        if node != ROOT
            && let Some(gone) = self.nodes.get_mut(node)
        {
            let (parent, name) = (gone.parent, std::mem::take(&mut gone.name));
            if let Some(parent) = self.nodes.get_mut(parent) {
                parent.children.remove(&name);
            }
        }
        removed
    }

    /// Leaves an empty directory at a node; the files that were there and below.
    pub(super) fn clear(&mut self, node: usize) -> Vec<usize> {
        let mut removed = Vec::new();
        let mut open = vec![node];
        while let Some(node) = open.pop().and_then(|node| self.nodes.get_mut(node)) {
            if let What::File(file) = std::mem::replace(&mut node.what, What::Directory) {
                removed.push(file);
            }
            open.extend(std::mem::take(&mut node.children).into_values());
        }
        removed
    }

    /// All files at a node and below it, in the order of their paths' parts.
    pub(super) fn files_below(&self, node: usize) -> Vec<usize> {
        let mut files = Vec::new();
        let mut open = vec![node];
        while let Some(node) = open.pop().and_then(|node| self.nodes.get(node)) {
            if let What::File(file) = node.what {
                files.push(file);
            }
            open.extend(node.children.values().rev());
        }
        files
    }
}
