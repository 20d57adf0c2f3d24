//! All that is wrong with the form of a configuration file at once: each fault with its line and key, and the key that was
//! perhaps meant. What is left of the file without them can be read.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use runtime::edit_distance::edit_distance;
use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::environment::ENVIRONMENT;
use super::setting_sources::{FileKey, entries, line};

/// More faults than anybody corrects at once.
const MAX_PROBLEMS: usize = 100;
/// So many letters of a name may be wrong for another one to be what was meant.
const MAX_DISTANCE: usize = 3;

/// Shorter parts of a name are in too many others.
const MIN_PART: usize = 4;

/// Keys whose values are secrets have one of these in their name.
const SECRET_PARTS: [&str; 4] = ["secret", "token", "service_key", "url"];

/// A key that a fault is about: nothing is known of its value, so nothing can be said of what goes with it.
#[derive(Debug)]
pub(super) struct Faulty {
    pub(super) key: String,
    /// The entry of a list that this holds for; of all, where that is not known.
    pub(super) element: Option<usize>,
}

impl From<String> for Faulty {
    fn from(key: String) -> Self {
        Self { key, element: None }
    }
}

/// A configuration file as far as it can be read.
#[derive(Default)]
pub(super) struct FileText {
    /// What is good of it.
    pub(super) table: toml::Table,
    /// What is not: the line and what is wrong with it.
    pub(super) faults: Vec<(usize, String)>,
    /// The keys that these are about, and those that were perhaps meant.
    pub(super) faulty: Vec<Faulty>,
    /// Whether it is TOML. If it is not, what was read is not what was written.
    pub(super) is_toml: bool,
    /// Where each key stands.
    pub(super) entries: Vec<FileKey>,
}

/// Reads the text of a configuration file. After each fault it is read on as if what that is about were not there. `is_given`
/// knows the keys that are given elsewhere, and so not missed.
pub(super) fn read(text: &str, is_given: &dyn Fn(&str) -> bool) -> FileText {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    let mut found =
        FileText { is_toml: errors.is_empty(), entries: entries(table.get_ref(), text), ..Default::default() };
    found.note_syntax(text, table.get_mut(), errors);
    // Those that were filled in as they were missing, with the place of what they are missing from.
    let mut filled: Vec<(String, Range<usize>)> = Vec::new();
    while found.faults.len() < MAX_PROBLEMS
        && let Err(error) = Config::deserialize(toml::Deserializer::from(table.clone()))
    {
        let Some(span) = error.span() else {
            found.faults.push((1, error.message().to_owned()));
            break;
        };
        let at = line(text, span.start);
        if let Some(field) = missing_field(error.message())
            && let Some(path) = fill(table.get_mut(), &span, field)
        {
            let key = format!("{path}.{field}");
            if filled.contains(&(key.clone(), span.clone())) {
                break;
            }
            if !is_given(&key) {
                if !found.was_given(&path, &key, at) {
                    found.faults.push((at, format!("{key} is missing")));
                    found.faulty.push(key.clone().into());
                }
                filled.push((key, span));
            }
            continue;
        }
        let Some(key) = remove(table.get_mut(), &span) else {
            found.faults.push((at, error.message().to_owned()));
            break;
        };
        found.faults.push((at, said(&key, error.message())));
        let element = found.entries.iter().find(|entry| entry.key == key && entry.line == at).and_then(|it| it.element);
        // What was meant is perhaps there as well.
        let is_there = |meant: &str| found.entries.iter().any(|it| it.key == meant && it.element == element);
        let meant = meant(&key, error.message()).filter(|meant| !is_there(meant));
        found.faulty.extend(meant.into_iter().chain([key]).map(|key| Faulty { key, element }));
    }
    // They were filled in to find what else is wrong, and say nothing.
    for (_, span) in filled {
        remove_table(table.get_mut(), &span);
    }
    found.table = toml::Table::deserialize(toml::Deserializer::from(table)).unwrap_or_default();
    found
}

impl FileText {
    /// Notes what is not TOML, once for each value, and takes it out.
    fn note_syntax(&mut self, text: &str, table: &mut DeTable<'_>, mut errors: Vec<toml::de::Error>) {
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        let mut told_until = 0;
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            if told_until > 0 && span.start <= told_until {
                continue;
            }
            let at = line(text, span.start.min(text.trim_end().len()));
            self.faults.push((at, format!("this is not TOML: {}", error.message())));
            let line_end = text[span.start..].find('\n').map_or(text.len(), |length| span.start + length);
            told_until = line_end;
            if let Some((key, value)) = value_at(table, &span) {
                told_until = told_until.max(value.end);
                let _ = remove(table, &span);
                self.faulty.push(key.into());
            }
        }
    }

    /// Whether a key that is missing now was there, and was taken out as it was wrong.
    fn was_given(&self, section: &str, key: &str, line: usize) -> bool {
        let mut sections = self.entries.iter().filter(|one| one.is_table && one.key == section && one.line == line);
        sections.any(|one| self.entries.iter().any(|entry| entry.key == key && entry.element == one.element))
    }
}

fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// The names that could have stood in a key's place.
fn expected(message: &str) -> impl Iterator<Item = &str> {
    let (_, known) = message.split_once(", expected").unwrap_or_default();
    known.split('`').skip(1).step_by(2)
}

/// Of several names the one that was perhaps meant by another that nobody knows. Others are so far from it that to name one
/// would mislead.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let limit = MAX_DISTANCE.min(name.len() / 3).max(1);
    let (distance, nearest) = known.map(|known| (edit_distance(name, known), known)).min()?;
    (distance <= limit && distance < nearest.len()).then_some(nearest)
}

/// The only one of several names that goes on after another, or holds it.
fn longer<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let is_longer = |known: &&str| name.len() >= MIN_PART && format!("_{known}_").contains(&format!("_{name}_"));
    let mut found = known.filter(is_longer);
    found.next().filter(|_| found.next().is_none())
}

/// The whole key that was perhaps meant by one that is not known.
fn meant(key: &str, message: &str) -> Option<String> {
    if !message.starts_with("unknown field") {
        return None;
    }
    let (section, name) = key.rsplit_once('.').map_or(("", key), |(section, name)| (section, name));
    if let Some(nearest) = nearest(name, expected(message)).or_else(|| longer(name, expected(message))) {
        return Some(if section.is_empty() { nearest.to_owned() } else { format!("{section}.{nearest}") });
    }
    // In the wrong section.
    let elsewhere: HashSet<&str> =
        ENVIRONMENT.iter().map(|(_, known, _)| *known).filter(|known| known.rsplit('.').next() == Some(name)).collect();
    match elsewhere.into_iter().collect::<Vec<_>>()[..] {
        [only] => Some(only.to_owned()),
        _ => None,
    }
}

/// What is said of a key that cannot be read.
pub(super) fn said(key: &str, message: &str) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    if message.starts_with("unknown field") {
        let meant = meant(key, message)
            .map_or_else(|| "it is none of Wharf's".to_owned(), |meant| format!("did you mean '{meant}'?"));
        return format!("unknown key '{key}': {meant}");
    }
    let message = in_words(&without_secret(name, message));
    // Some say the last part of their key.
    if let Some(rest) = message.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")) {
        return format!("{key}: {rest}");
    }
    // Some say their key themselves.
    let is_named = message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|word| word == name);
    if is_named { message } else { format!("{key}: {message}") }
}

/// What is said of a value, without the value if that may be a secret.
fn without_secret(name: &str, message: &str) -> String {
    let may_be = SECRET_PARTS.iter().any(|part| name.contains(part));
    match (message.strip_prefix("invalid type: "), message.find(", expected")) {
        (Some(found), Some(at)) if may_be => {
            let kind = found.split([' ', ',']).next().unwrap_or_default();
            format!("invalid type: {kind}{}", &message[at..])
        }
        _ => message.to_owned(),
    }
}

/// What a parser says of a value, without the names of types that it alone knows.
fn in_words(message: &str) -> String {
    let unknown = message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected "));
    if let Some((given, known)) = unknown {
        return format!("'{given}' is not possible: write {}", known.trim_start_matches("one of ").replace('`', "\""));
    }
    let Some((found, expected)) = message.split_once(", expected ") else { return message.to_owned() };
    let whole = |from: i128, to: i128| format!("a whole number from {from} to {to}");
    let expected = match expected {
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list such as [\"…\"]".to_owned(),
        "a map" => "a table".to_owned(),
        "path string" => "a path in quotes".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    };
    format!("{found}, expected {expected}")
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// The key whose value a place lies in, the deepest one, and where that value is.
fn value_at(table: &DeTable<'_>, span: &Range<usize>) -> Option<(String, Range<usize>)> {
    for (key, value) in table {
        let name = key.get_ref();
        if let DeValue::Table(inside) = value.get_ref()
            && let Some((deeper, span)) = value_at(inside, span)
        {
            return Some((format!("{name}.{deeper}"), span));
        }
        if !matches!(value.get_ref(), DeValue::Table(_)) && holds(&value.span(), span) {
            return Some((name.to_string(), value.span()));
        }
    }
    None
}

/// Takes out what an error is about, and gives its key.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    // The keys of a section may stand outside of what TOML takes for its span, so what lies deepest is looked for first.
    for (key, value) in table.iter_mut() {
        if let Some(deeper) = remove_inside(value, span) {
            return Some(format!("{}.{deeper}", key.get_ref()));
        }
    }
    let found = table.iter().find(|(key, value)| holds(&key.span(), span) || holds(&value.span(), span));
    let key = found.map(|(key, _)| key.clone())?;
    table.remove(&key);
    Some(key.get_ref().to_string())
}

fn remove_inside(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<String> {
    match value.get_mut() {
        DeValue::Table(table) => remove(table, span),
        DeValue::Array(array) => array.iter_mut().find_map(|entry| remove_inside(entry, span)),
        _ => None,
    }
}

/// Gives a table a text for a key that it misses, and tells the table's key.
fn fill(table: &mut DeTable<'_>, span: &Range<usize>, field: &str) -> Option<String> {
    for (key, value) in table.iter_mut() {
        let name = key.get_ref().to_string();
        if let Some(path) = fill_inside(value, span, field) {
            return Some(if path.is_empty() { name } else { format!("{name}.{path}") });
        }
    }
    None
}

fn fill_inside(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>, field: &str) -> Option<String> {
    let place = value.span();
    match value.get_mut() {
        DeValue::Table(table) => {
            if let Some(path) = fill(table, span, field) {
                return Some(path);
            }
            if place != *span || table.contains_key(field) {
                return None;
            }
            let text = Spanned::new(span.clone(), DeValue::String(Cow::Borrowed("")));
            table.insert(Spanned::new(span.clone(), Cow::Owned(field.to_owned())), text);
            Some(String::new())
        }
        DeValue::Array(array) => array.iter_mut().find_map(|entry| fill_inside(entry, span, field)),
        _ => None,
    }
}

/// Takes out the table that stands at a place.
fn remove_table(table: &mut DeTable<'_>, span: &Range<usize>) {
    let is_at = |value: &Spanned<DeValue<'_>>| value.span() == *span && matches!(value.get_ref(), DeValue::Table(_));
    let found = table.iter().find(|(_, value)| is_at(value)).map(|(key, _)| key.clone());
    if let Some(key) = found {
        table.remove(&key);
        return;
    }
    for (_, value) in table.iter_mut() {
        match value.get_mut() {
            DeValue::Table(inside) => remove_table(inside, span),
            DeValue::Array(array) => {
                *array = array.iter().filter(|entry| !is_at(entry)).cloned().collect();
                for entry in array.iter_mut() {
                    if let DeValue::Table(inside) = entry.get_mut() {
                        remove_table(inside, span);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let mut found = read(text, &|_| false).faults;
        found.sort();
        found.into_iter().map(|(line, said)| format!("line {line}: {said}")).collect()
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        let text = "regoins = [\"us-east-1\"]\nlisten = \"a\"\n\n[quotas]\nrepositories = \"many\"\ntags_per_imag = 3\n\
                    [stroage]\nbucket = \"x\"\n[[accounts]]\nid = 123456789012\nfrobnicate = true\n[tls]\nself_signed = true\n\
                    [[accounts]]\nid = \"123456789012\"\n[events.file]\nkeep_files = 3\n[metrics]\nbucket = \"b\"\n\
                    self_signed = true\n";
        let found = problems(text);
        let expected = [
            "line 1: unknown key 'regoins': did you mean 'regions'?",
            "line 2: listen: 'a' is not ADDRESS:PORT",
            "line 5: quotas.repositories: invalid type: string \"many\", expected",
            "line 6: unknown key 'quotas.tags_per_imag': did you mean 'quotas.tags_per_image'?",
            "line 7: unknown key 'stroage': did you mean 'storage'?",
            "line 10: accounts.id: invalid type: integer",
            "line 11: unknown key 'accounts.frobnicate': it is none of Wharf's",
            "line 16: events.file.path is missing",
            "line 19: unknown key 'metrics.bucket': it is none of Wharf's",
            "line 20: unknown key 'metrics.self_signed': did you mean 'tls.self_signed'?",
        ];
        for line in expected {
            assert!(found.iter().any(|said| said.starts_with(line)), "{line} is not in {found:#?}");
        }
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        assert_eq!(problems("listen = \"127.0.0.1:5000\"\n"), Vec::<String>::new());
        let secret = problems("secret_access_key = 123456\n");
        assert_eq!(secret, ["line 1: secret_access_key: invalid type: integer, expected a string"]);
    }

    #[test]
    fn what_is_no_toml_hides_nothing_else() {
        for (text, expected) in [
            ("listen = [\nregoins = 1", &["line 2: this is not TOML"][..]),
            ("public_url = x\nregoins = []\n[tls]\nkey = y", &["line 1: this", "line 2: unknown key", "line 4: this"]),
            ("public_url = 'x'\npublic_url = 'y'\nlissten = 1", &["line 2: this is not TOML: dup", "line 3: unknown"]),
        ] {
            let found = problems(text);
            for line in expected {
                assert!(found.iter().any(|said| said.starts_with(line)), "{line}: {found:#?}");
            }
            assert_eq!(found.len(), expected.len(), "{found:#?}");
            assert!(!read(text, &|_| false).is_toml);
        }
    }

    #[test]
    fn what_is_given_elsewhere_is_not_missing() {
        let text = "[events.file]\nkeep_files = 3\n";
        assert_eq!(problems(text).len(), 1);
        let read = read(text, &|key| key == "events.file.path");
        assert!(read.faults.is_empty() && read.table.contains_key("events"));
    }

    #[test]
    fn what_is_far_off_was_not_meant() {
        let known = || ["regions", "domains", "listen", "id", "url", "key"].into_iter();
        for (name, expected) in [
            ("regoins", Some("regions")),
            ("region", Some("regions")),
            ("lisen", Some("listen")),
            ("uri", Some("url")),
            ("xy", None),
            ("frobnicate", None),
            ("port", None),
            ("k", None),
            ("ulr", Some("url")),
        ] {
            assert_eq!(nearest(name, known()), expected, "{name}");
        }
        for (text, meant) in [
            ("[connections]\nhead_timeout = 1", "did you mean 'connections.head_timeout_seconds'?"),
            ("[connections]\ntimeout_seconds = 1", "it is none of Wharf's"),
            ("[[events.webhooks]]\nurl = 'http://a'\nnmae = 'b'", "did you mean 'events.webhooks.name'?"),
            ("restore_window = 1", "did you mean 'restore_window_days'?"),
        ] {
            let found = problems(text);
            assert!(found.len() == 1 && found[0].ends_with(meant), "{text}: {found:?}");
        }
    }

    #[test]
    fn no_type_of_the_parser_is_named() {
        for (text, expected) in [
            (
                "blob_grace_hours = 'x'",
                "blob_grace_hours: invalid type: string \"x\", expected a whole number from 0 to",
            ),
            (
                "blob_grace_hours = -1",
                "blob_grace_hours: invalid value: integer `-1`, expected a whole number from 0 to",
            ),
            ("regions = 'us-east-1'", "regions: invalid type: string \"us-east-1\", expected a list such as [\"…\"]"),
            ("tls = 5", "tls: invalid type: integer `5`, expected a table"),
            ("proxy_protocol = 'x'", "proxy_protocol: invalid type: string \"x\", expected true or false"),
            ("data_dir = 5", "data_dir: invalid type: integer `5`, expected a path in quotes"),
            ("[rates]\npreset = 'ecrr'", "rates.preset: 'ecrr' is not possible: write \"none\" or \"ecr\""),
            ("[log]\nformat = 'yaml'", "log.format: 'yaml' is not possible: write \"text\" or \"json\""),
            ("[metrics]\nlisten = 'nowhere'", "metrics.listen: 'nowhere' is not ADDRESS:PORT"),
            ("[metrics]\nlisten = ':90'", "metrics.listen: ':90' has no address: write 127.0.0.1:90 or 0.0.0.0:90"),
            ("listen = '90'", "listen: '90' has no address: write 127.0.0.1:90 or 0.0.0.0:90"),
        ] {
            let found = problems(text);
            assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
        }
    }
}
