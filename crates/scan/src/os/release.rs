//! `os-release`: a shell's assignments, which are read and never run.

use crate::signs;

/// What `os-release` says, or what an older file lets one say in its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OsRelease {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version_id: String,
    pub(super) codename: String,
    pub(super) pretty_name: String,
}

impl OsRelease {
    /// Reads the text; `None` where it names no system. Of a name that is assigned twice the last counts, as in a shell.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut read = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.trim().split_once('=')) {
            let place = match name {
                "ID" => &mut read.id,
                "NAME" => &mut read.name,
                "VERSION_ID" => &mut read.version_id,
                "VERSION_CODENAME" => &mut read.codename,
                "PRETTY_NAME" => &mut read.pretty_name,
                _ => continue,
            };
            *place = unquoted(value);
        }
        let mut read = read.honest();
        read.id.make_ascii_lowercase();
        (!read.id.is_empty()).then_some(read)
    }

    /// Without the values that have signs that no text shows: they tell nothing.
    pub(super) fn honest(self) -> Self {
        let Self { id, name, version_id, codename, pretty_name } = self;
        let honest = |value: String| if signs::are_in(&value) { String::new() } else { value };
        let [id, name, version_id] = [id, name, version_id].map(honest);
        let [codename, pretty_name] = [codename, pretty_name].map(honest);
        Self { id, name, version_id, codename, pretty_name }
    }
}

/// A value without its quotes; within double quotes and without any, a backslash takes the next character as it is.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    if let Some(literal) = value.strip_prefix('\'') {
        return literal.strip_suffix('\'').unwrap_or(literal).to_owned();
    }
    let inner = value.strip_prefix('"').map_or(value, |inner| inner.strip_suffix('"').unwrap_or(inner));
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        let literal = if character == '\\' { characters.next() } else { Some(character) };
        text.extend(literal);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_a_shell_has_them() {
        for (written, value) in [
            ("debian", "debian"),
            ("\"12\"", "12"),
            ("'a\\b'", "a\\b"),
            ("\"a \\\"b\\\" \\$c\"", "a \"b\" $c"),
            ("\"", ""),
        ] {
            assert_eq!(unquoted(written), value, "{written}");
        }
    }

    #[test]
    fn the_last_assignment_counts() {
        let read = OsRelease::read("# ID=none\nID=a\nID=\"B\"\nVERSION_ID=1\nID_LIKE=debian\n").expect("an id");
        assert_eq!((read.id.as_str(), read.version_id.as_str()), ("b", "1"));
        assert_eq!(OsRelease::read("NAME=x"), None);
        assert_eq!(OsRelease::read(""), None);
    }
}
