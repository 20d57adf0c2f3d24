//! Where a key of the configuration was given: in which line of the file, by which variable, by which argument.

use toml::de::{DeTable, DeValue};

/// The number of the line in which a byte lies.
pub(super) fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// A key as it stands in the file.
#[derive(Clone, Debug)]
pub(super) struct FileKey {
    /// With the sections before it, without the numbers of entries of lists.
    pub(super) key: String,
    /// The number of the entry that it is part of, if its section is a list.
    pub(super) element: Option<usize>,
    pub(super) line: usize,
    /// Its text, or the texts that it lists.
    pub(super) values: Vec<String>,
    pub(super) is_table: bool,
}

/// Every key of a file.
pub(super) fn entries(table: &DeTable<'_>, text: &str) -> Vec<FileKey> {
    let mut found = Vec::new();
    collect(table, "", None, text, &mut found);
    found
}

fn collect(table: &DeTable<'_>, section: &str, element: Option<usize>, text: &str, found: &mut Vec<FileKey>) {
    for (name, value) in table {
        let key = if section.is_empty() { name.get_ref().to_string() } else { format!("{section}.{}", name.get_ref()) };
        let mut entry =
            FileKey { key, element, line: line(text, name.span().start), values: Vec::new(), is_table: false };
        match value.get_ref() {
            DeValue::Table(inside) => {
                entry.is_table = true;
                collect(inside, &entry.key, element, text, found);
            }
            DeValue::Array(array) => {
                for (number, one) in array.iter().enumerate() {
                    match one.get_ref() {
                        DeValue::Table(inside) => {
                            let at = FileKey {
                                key: entry.key.clone(),
                                element: Some(number),
                                line: line(text, one.span().start),
                                values: Vec::new(),
                                is_table: true,
                            };
                            entry.is_table = true;
                            found.push(at);
                            collect(inside, &entry.key, Some(number), text, found);
                        }
                        DeValue::String(value) => entry.values.push(value.to_string()),
                        _ => {}
                    }
                }
            }
            DeValue::String(value) => entry.values.push(value.to_string()),
            _ => {}
        }
        // The entries of a list say where it stands.
        if !(entry.is_table && matches!(value.get_ref(), DeValue::Array(_))) {
            found.push(entry);
        }
    }
}

/// Where something that is wrong was given, in the order in which faults are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SettingSource {
    Line(usize),
    Variable(String),
    Argument(&'static str),
    /// It is not given, or is not the configuration's.
    Nowhere,
}

/// All keys that are given, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct SettingSources {
    pub(super) entries: Vec<FileKey>,
    /// Keys, and the variables that set them.
    pub(super) variables: Vec<(&'static str, String)>,
    /// Keys, and the arguments that set them.
    pub(super) arguments: Vec<(&'static str, &'static str)>,
}

/// The words of a text that can be keys: what has a section or several parts, and what the text begins with.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let first = text.split(|c| !is_part(c)).next().unwrap_or_default();
    text.split(move |c| !is_part(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(move |word| word.contains(['_', '.']) || (*word == first && !word.is_empty()))
}

/// Whether a key lies in a section.
fn is_within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

impl SettingSources {
    /// Where a fault's keys were given, of which its text tells. Of a list's entries `element` is the one that is meant.
    pub(super) fn of(&self, text: &str, element: Option<usize>) -> SettingSource {
        // Some are no keys, as that of the log's filter.
        if let Some(name) = words(text).next().filter(|word| word.starts_with("WHARF_")) {
            return SettingSource::Variable(name.to_owned());
        }
        let section = |word: &str| self.entries.iter().any(|entry| entry.is_table && entry.key == word);
        // A value rather than a whole section, and what overrides rather than what is overridden.
        let leaf = words(text).filter(|word| !section(word)).find_map(|word| self.given(word, text, element));
        // Of what is missing, the section tells.
        let sections = |word: &str| {
            std::iter::successors(word.rsplit_once('.'), |(section, _)| section.rsplit_once('.'))
                .map(|(section, _)| section.to_owned())
                .collect::<Vec<_>>()
        };
        leaf.or_else(|| words(text).find_map(|word| self.given(word, text, element)))
            .or_else(|| words(text).flat_map(sections).find_map(|word| self.given(&word, text, element)))
            .or_else(|| words(text).find_map(|word| self.given_within(word)))
            .unwrap_or(SettingSource::Nowhere)
    }

    /// The number of entries of the list that a text names.
    pub(super) fn list(&self, text: &str) -> Option<&str> {
        let of_list = |word: &str| {
            self.entries
                .iter()
                .filter(|entry| entry.is_table && entry.element.is_some())
                .find(|entry| entry.key == word || is_within(word, &entry.key))
        };
        words(text).find_map(of_list).map(|entry| entry.key.as_str())
    }

    /// Whether a key stands in the file, or a variable or an argument sets it.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
            || self.variables.iter().any(|(known, _)| *known == key)
            || self.arguments.iter().any(|(known, _)| *known == key)
    }

    /// How many entries a list has.
    pub(super) fn length(&self, list: &str) -> usize {
        let numbers = self.entries.iter().filter(|entry| entry.is_table && entry.key == list);
        numbers.filter_map(|entry| entry.element).max().map_or(0, |last| last + 1)
    }

    fn given(&self, word: &str, text: &str, element: Option<usize>) -> Option<SettingSource> {
        if let Some((_, argument)) = self.arguments.iter().find(|(key, _)| *key == word) {
            return Some(SettingSource::Argument(argument));
        }
        let is_set = |(key, name): &&(&str, String)| *key == word || is_within(word, key) || name == word;
        if let Some((_, name)) = self.variables.iter().find(is_set) {
            return Some(SettingSource::Variable(name.clone()));
        }
        let found: Vec<&FileKey> = self.entries.iter().filter(|entry| entry.key == word).collect();
        let is_quoted = |entry: &FileKey| entry.values.iter().any(|value| text.contains(&format!("'{value}'")));
        // What is there twice is wrong where it is there again.
        let chosen = match element {
            Some(number) => found.iter().find(|entry| entry.element == Some(number)),
            None => found.iter().rev().find(|entry| is_quoted(entry)).or_else(|| found.first()),
        }?;
        if !chosen.is_table {
            return Some(SettingSource::Line(chosen.line));
        }
        // The text may name a key of the section by its value, or by its last part.
        let inside = || {
            self.entries
                .iter()
                .filter(|entry| is_within(&entry.key, word) && (element.is_none() || entry.element == element))
        };
        let rest = text.split_once(word).map_or("", |(_, rest)| rest);
        let is_named = |entry: &&FileKey| {
            let name = entry.key.rsplit('.').next().unwrap_or_default();
            rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|part| part == name)
        };
        let deeper = inside().find(|entry| is_quoted(entry)).or_else(|| inside().find(is_named));
        Some(SettingSource::Line(deeper.map_or(chosen.line, |entry| entry.line)))
    }

    /// Where something of a section was given of which nothing stands in the file.
    fn given_within(&self, word: &str) -> Option<SettingSource> {
        let (_, name) = self.variables.iter().find(|(key, _)| is_within(key, word))?;
        Some(SettingSource::Variable(name.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> SettingSources {
        let (table, _) = DeTable::parse_recoverable(text);
        SettingSources { entries: entries(table.get_ref(), text), ..SettingSources::default() }
    }

    #[test]
    fn a_text_leads_to_the_line_of_its_key() {
        let text = "regions = ['a']\n[storage]\nbucket = 'a b'\nprefix = '/x'\n[[accounts]]\nid = '1'\n[[accounts]]\nid = '2'\n\
                    [tls]\nkey = 'k'\n";
        let places = places(text);
        for (said, element, line) in [
            ("regions: 'No' is none", None, 1),
            ("storage: 'a b' is not a bucket's name", None, 3),
            ("storage: prefix is not like that", None, 4),
            ("storage.access_key_id must be given, or storage.bucket", None, 3),
            ("accounts.id '1': no", None, 6),
            ("accounts.id '2': no", None, 8),
            ("accounts.id: no", Some(1), 8),
            ("accounts: id is wrong", Some(1), 8),
            ("accounts.access_key_id: no", Some(0), 5),
            ("tls.certificate and tls.key must be given together", None, 10),
        ] {
            assert_eq!(places.of(said, element), SettingSource::Line(line), "{said}");
        }
        assert_eq!(places.list("accounts.id: no"), Some("accounts"));
        assert_eq!(places.of("nothing of the kind", None), SettingSource::Nowhere);
    }

    #[test]
    fn what_overrides_goes_before_the_file() {
        let mut places = places("data_dir = 'x'\n[tls]\nkey = 'k'\n");
        places.variables =
            vec![("tls.key", "WHARF_TLS_KEY".to_owned()), ("storage.endpoint", "WHARF_STORAGE_ENDPOINT".to_owned())];
        places.arguments = vec![("data_dir", "--data-dir")];
        assert_eq!(places.of("tls.key: no", None), SettingSource::Variable("WHARF_TLS_KEY".to_owned()));
        assert_eq!(places.of("data_dir: no", None), SettingSource::Argument("--data-dir"));
        assert_eq!(places.of("storage: no", None), SettingSource::Variable("WHARF_STORAGE_ENDPOINT".to_owned()));
        assert!(
            SettingSource::Line(9) < SettingSource::Variable(String::new())
                && SettingSource::Argument("a") < SettingSource::Nowhere
        );
    }
}
