//! Changes of JSON documents by what they are made of: values, lists, members and their names.

use serde_json::Value;

use crate::bytes::number;
use crate::chance::Chance;
use crate::tokens;

/// A document whose names and plain values are kept as they are written, so that it may have what no writer makes: a name
/// twice, a number that nothing holds, half of a surrogate pair.
#[derive(Clone, Debug)]
pub enum Tree {
    /// A text, a number, a word; or anything that is written in the place of one.
    Plain(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// What may stand where something else belongs. Beyond these are numbers, and values from elsewhere in the documents.
const VALUES: [&str; 16] = [
    "null",
    "true",
    "false",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\ud83d\\udc33\"",
    "\"\u{202e}\u{ffff}\"",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "{\"\":{}}",
    "NaN",
    "\"\n\"",
    "\"5\"",
];

impl Tree {
    /// Reads a document; none if it is no JSON.
    pub fn read(document: &[u8]) -> Option<Self> {
        serde_json::from_slice(document).ok().map(Self::of)
    }

    fn of(value: Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.into_iter().map(Self::of).collect()),
            Value::Object(members) => {
                Self::Object(members.into_iter().map(|(name, value)| (written(&name), Self::of(value))).collect())
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                Self::Plain(plain.to_string())
            }
        }
    }

    /// Writes it.
    pub fn write(&self) -> String {
        let mut text = String::new();
        self.write_to(&mut text);
        text
    }

    fn write_to(&self, text: &mut String) {
        match self {
            Self::Plain(plain) => text.push_str(plain),
            Self::List(items) => {
                text.push('[');
                for (at, item) in items.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    item.write_to(text);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    text.push_str(name);
                    text.push(':');
                    value.write_to(text);
                }
                text.push('}');
            }
        }
    }

    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::List(items) => items.iter().collect(),
            Self::Object(members) => members.iter().map(|(_, value)| value).collect(),
        }
    }

    /// The values of all members of a name.
    fn values_of(&self, member: &str) -> Vec<&Self> {
        let mut waiting = vec![self];
        let mut found = Vec::new();
        while let Some(tree) = waiting.pop() {
            if let Self::Object(members) = tree {
                found.extend(members.iter().filter(|(name, _)| name == member).map(|(_, value)| value));
            }
            waiting.extend(tree.children());
        }
        found
    }

    fn count(&self, is_wanted: fn(&Self) -> bool) -> usize {
        let mut waiting = vec![self];
        let mut count = 0;
        while let Some(tree) = waiting.pop() {
            count += usize::from(is_wanted(tree));
            waiting.extend(tree.children());
        }
        count
    }

    /// One of the wanted parts of it, which may be the whole.
    fn part(&mut self, is_wanted: fn(&Self) -> bool, chance: &mut Chance) -> Option<&mut Self> {
        let mut left = chance.below(self.count(is_wanted));
        let mut waiting = vec![self];
        while let Some(tree) = waiting.pop() {
            if is_wanted(tree) {
                if left == 0 {
                    return Some(tree);
                }
                left -= 1;
            }
            match tree {
                Self::Plain(_) => {}
                Self::List(items) => waiting.extend(items),
                Self::Object(members) => waiting.extend(members.iter_mut().map(|(_, value)| value)),
            }
        }
        None
    }

    /// How often it is repeated.
    fn times(&self, chance: &mut Chance) -> usize {
        chance.times(self.write().len())
    }

    fn any_part(&mut self, chance: &mut Chance) -> Option<&mut Self> {
        self.part(|_| true, chance)
    }
}

fn written(text: &str) -> String {
    Value::from(text).to_string()
}

fn has_children(tree: &Tree) -> bool {
    !tree.children().is_empty()
}

fn has_members(tree: &Tree) -> bool {
    matches!(tree, Tree::Object(members) if !members.is_empty())
}

fn is_text(tree: &Tree) -> bool {
    matches!(tree, Tree::Plain(plain) if plain.starts_with('"'))
}

/// Changes something at one place. `other` is another document, of which a part may come in.
pub fn change(tree: &mut Tree, other: &Tree, chance: &mut Chance) {
    match chance.below(11) {
        0 => remove(tree, chance),
        1 => repeat(tree, chance),
        2 => {
            let value = if chance.one_in(3) { number(chance) } else { (*chance.pick(&VALUES)).to_owned() };
            put(tree, Tree::Plain(value), chance);
        }
        3 => {
            let mut from = if chance.one_in(2) { tree.clone() } else { other.clone() };
            let value = from.any_part(chance).cloned();
            if let Some(value) = value {
                put(tree, value, chance);
            }
        }
        4 => rename(tree, other, chance),
        5 => wrap(tree, chance),
        6 => add_member(tree, other, chance),
        7 => turn(tree, chance),
        8 => put_alike(tree, other, chance),
        _ => change_text(tree, other, chance),
    }
}

fn put(tree: &mut Tree, value: Tree, chance: &mut Chance) {
    if let Some(part) = tree.any_part(chance) {
        *part = value;
    }
}

/// Gives a member the value that one of the same name has elsewhere, so that all are right and do not go together.
fn put_alike(tree: &mut Tree, other: &Tree, chance: &mut Chance) {
    let from = if chance.one_in(2) { tree.clone() } else { other.clone() };
    let Some(Tree::Object(members)) = tree.part(has_members, chance) else { return };
    let at = chance.below(members.len());
    let (name, value) = &mut members[at];
    let alike = from.values_of(name);
    if !alike.is_empty() {
        *value = (*chance.pick(&alike)).clone();
    }
}

fn remove(tree: &mut Tree, chance: &mut Chance) {
    match tree.part(has_children, chance) {
        Some(Tree::List(items)) => {
            items.remove(chance.below(items.len()));
        }
        Some(Tree::Object(members)) => {
            members.remove(chance.below(members.len()));
        }
        Some(Tree::Plain(_)) | None => {}
    }
}

/// Repeats an entry of a list, sometimes more often than any list may have entries; or a member, with its name.
fn repeat(tree: &mut Tree, chance: &mut Chance) {
    match tree.part(has_children, chance) {
        Some(Tree::List(items)) => {
            let item = chance.pick(items).clone();
            let times = if chance.one_in(50) && item.count(|_| true) < 10 { 10_001 } else { item.times(chance) };
            items.extend(std::iter::repeat_n(item, times));
        }
        Some(Tree::Object(members)) => {
            let member = chance.pick(members).clone();
            let times = member.1.times(chance);
            members.extend(std::iter::repeat_n(member, times));
        }
        Some(Tree::Plain(_)) | None => {}
    }
}

/// Gives a member a name that looks like its own, or another's.
fn rename(tree: &mut Tree, other: &Tree, chance: &mut Chance) {
    let elsewhere = name_in(&mut other.clone(), chance);
    let Some(Tree::Object(members)) = tree.part(has_members, chance) else { return };
    let at = chance.below(members.len());
    let name = &mut members[at].0;
    let inner = name.trim_matches('"').to_owned();
    *name = match chance.below(6) {
        0 => format!("\"{}\"", inner.to_uppercase()),
        1 => {
            let mut letters = inner.chars();
            let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
            format!("\"{first}{}\"", letters.as_str())
        }
        // Letters that some readers take for these.
        2 => format!("\"{}\"", inner.replacen('s', "\u{17f}", 1).replacen('k', "\u{212a}", 1)),
        // The same name, written in another way.
        3 if inner.is_ascii() && !inner.contains('\\') => {
            let escaped: Vec<String> = inner.bytes().map(|byte| format!("\\u{:04x}", u32::from(byte))).collect();
            format!("\"{}\"", escaped.concat())
        }
        4 => elsewhere.unwrap_or_else(|| "\"\"".to_owned()),
        _ => "\"\"".to_owned(),
    };
}

fn name_in(tree: &mut Tree, chance: &mut Chance) -> Option<String> {
    match tree.part(has_members, chance) {
        Some(Tree::Object(members)) => Some(chance.pick(members).0.clone()),
        Some(Tree::Plain(_) | Tree::List(_)) | None => None,
    }
}

/// Puts a value into lists or objects, sometimes into more than any reader follows.
fn wrap(tree: &mut Tree, chance: &mut Chance) {
    let depth = if chance.one_in(8) { *chance.pick(&[127, 128, 129, 20_000]) } else { 1 + chance.below(3) };
    let is_list = chance.one_in(2);
    if let Some(part) = tree.any_part(chance) {
        let (open, close) = if is_list { ("[", "]") } else { ("{\"a\":", "}") };
        *part = Tree::Plain(format!("{}{}{}", open.repeat(depth), part.write(), close.repeat(depth)));
    }
}

fn add_member(tree: &mut Tree, other: &Tree, chance: &mut Chance) {
    let mut other = other.clone();
    let name = name_in(&mut other, chance);
    let value = other.any_part(chance).cloned();
    let is_object = |tree: &Tree| matches!(tree, Tree::Object(_));
    if let (Some(name), Some(value), Some(Tree::Object(members))) = (name, value, tree.part(is_object, chance)) {
        let at = chance.below(members.len() + 1);
        members.insert(at, (name, value));
    }
}

/// Another order.
fn turn(tree: &mut Tree, chance: &mut Chance) {
    match tree.part(has_children, chance) {
        Some(Tree::List(items)) => {
            let by = chance.below(items.len());
            items.rotate_left(by);
        }
        Some(Tree::Object(members)) => {
            let by = chance.below(members.len());
            members.rotate_left(by);
        }
        Some(Tree::Plain(_)) | None => {}
    }
}

/// Changes what a text says.
fn change_text(tree: &mut Tree, other: &Tree, chance: &mut Chance) {
    let mut other = other.clone();
    let elsewhere = other.part(is_text, chance).map(|text| text.write()).unwrap_or_default();
    let Some(Tree::Plain(plain)) = tree.part(is_text, chance) else { return };
    let Ok(text) = serde_json::from_str::<String>(plain) else { return };
    let mut text = text.into_bytes();
    tokens::change(&mut text, elsewhere.trim_matches('"').as_bytes(), chance);
    *plain = written(&String::from_utf8_lossy(&text));
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"config":{"digest":"sha256:00","size":7},"layers":[{"size":1},{"size":2}]}"#;

    fn changed(seed: u64) -> String {
        let mut tree = Tree::read(DOCUMENT.as_bytes()).expect("JSON");
        let other = Tree::read(br#"{"manifests":[]}"#).expect("JSON");
        change(&mut tree, &other, &mut Chance::new(seed));
        tree.write()
    }

    #[test]
    fn what_is_read_is_written() {
        assert_eq!(Tree::read(DOCUMENT.as_bytes()).map(|tree| tree.write()).as_deref(), Some(DOCUMENT));
        assert!(Tree::read(b"{").is_none());
    }

    #[test]
    fn every_change_is_made() {
        let all: Vec<String> = (0..20_000).map(changed).collect();
        let some = |is: &dyn Fn(&str) -> bool| all.iter().any(|changed| is(changed));
        for part in ["\"Config\"", "\"CONFIG\"", "\"\\u0063\\u006f", "layer\u{17f}", "manifests", "null", "1e999"] {
            assert!(some(&|changed| changed.contains(part)), "{part}");
        }
        assert!(some(&|changed| changed.matches("\"config\"").count() == 2), "a name twice");
        assert!(some(&|changed| changed.contains("00\",\"size\":2")), "a value of another member of its name");
        assert!(some(&|changed| changed.matches("\"size\"").count() > 10_000), "a long list");
        assert!(some(&|changed| changed.contains(&"[".repeat(20_000))), "a deep one");
        assert!(some(&|changed| changed.len() < DOCUMENT.len()), "something is gone");
        let readable = all.iter().filter(|changed| Tree::read(changed.as_bytes()).is_some()).count();
        assert!(readable > all.len() / 2, "{readable} are JSON");
    }
}
