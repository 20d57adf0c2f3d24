//! All that is wrong with a configuration file at once: each fault with its line and key, and the key that was perhaps meant.

use std::ops::Range;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::environment::edit_distance;

/// More faults than anybody corrects at once.
const MAX_PROBLEMS: usize = 100;
/// So many letters of a key may be wrong for another one to be what was meant.
const MAX_DISTANCE: usize = 3;

/// What is wrong with the text of a configuration file, a line for each fault. After each one the file is read as if what it is
/// about were not there. A fault in how it is written as TOML hides the others.
pub(super) fn problems(text: &str) -> Vec<String> {
    let Ok(mut table) = DeTable::parse(text) else {
        return toml::from_str::<toml::Table>(text).err().map(|error| error.to_string()).into_iter().collect();
    };
    let mut problems = Vec::new();
    while problems.len() < MAX_PROBLEMS
        && let Err(error) = Config::deserialize(toml::Deserializer::from(table.clone()))
    {
        let removed =
            error.span().and_then(|span| remove(table.get_mut(), &span).map(|key| (key, line(text, span.start))));
        let Some((key, line)) = removed else {
            problems.push(error.message().to_owned());
            break;
        };
        problems.push(format!("line {line}: {}", said(&key, error.message())));
    }
    problems
}

/// The number of the line in which a byte lies.
fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// What is said of a key that cannot be read.
fn said(key: &str, message: &str) -> String {
    if !message.starts_with("unknown field") {
        let name = key.rsplit('.').next().unwrap_or(key);
        // Some say their key themselves.
        return if message.contains(name) { message.to_owned() } else { format!("{key}: {message}") };
    }
    let name = key.rsplit('.').next().unwrap_or(key);
    let (_, known) = message.split_once(", expected").unwrap_or_default();
    let nearest = known.split('`').skip(1).step_by(2).min_by_key(|known| edit_distance(name, known));
    let meant = nearest.filter(|nearest| edit_distance(name, nearest) <= MAX_DISTANCE.min(name.len() / 2 + 1));
    let meant = meant.map_or_else(|| "it is none of Wharf's".to_owned(), |meant| format!("did you mean '{meant}'?"));
    format!("unknown key '{key}': {meant}")
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_named_with_its_line() {
        let text = "regoins = [\"us-east-1\"]\nlisten = \"a\"\n\n[quotas]\nrepositories = \"many\"\ntags_per_imag = 3\n\
                    [stroage]\nbucket = \"x\"\n[[accounts]]\nid = \"123456789012\"\nfrobnicate = true\n[tls]\nself_signed = true\n";
        let found = problems(text);
        for expected in [
            "line 1: unknown key 'regoins': did you mean 'regions'?",
            "line 2: listen: 'a' is not ADDRESS:PORT",
            "line 5: quotas.repositories: invalid type: string \"many\", expected",
            "line 6: unknown key 'quotas.tags_per_imag': did you mean 'tags_per_image'?",
            "line 7: unknown key 'stroage': did you mean 'storage'?",
            "line 11: unknown key 'accounts.frobnicate': it is none of Wharf's",
        ] {
            assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected}: {found:#?}");
        }
        assert_eq!(problems("listen = \"127.0.0.1:5000\"\n"), Vec::<String>::new());
        assert!(problems("listen = [\n")[0].contains("TOML parse error"), "{:?}", problems("listen = [\n"));
    }
}
