//! Reads the texts that packages are written in: lines, headers, JSON, paths.

use std::borrow::Cow;

use serde_json::Value;

use crate::detectors::gather::Gather;

/// The text of a file; none, and a problem, if it is larger than a text may be. Bytes that are no UTF-8 are replaced:
/// what names a package is ASCII, and a description in another encoding hides none.
pub fn text<'a>(content: &'a [u8], gather: &mut Gather<'_>) -> Option<Cow<'a, str>> {
    if is_too_large(content, gather) {
        return None;
    }
    Some(String::from_utf8_lossy(without_mark(content)))
}

/// Whether a file is larger than a text may be, which is a problem then.
pub fn is_too_large(content: &[u8], gather: &mut Gather<'_>) -> bool {
    let most = gather.limits().text_bytes;
    let is_too_large = content.len() as u64 > most;
    if is_too_large {
        gather.problem(format!("it has {} bytes, and {most} are read of such a file", content.len()));
    }
    is_too_large
}

/// Content without the mark that some editors of Windows put in front of UTF-8.
pub fn without_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content)
}

/// The JSON of a file; none, and a problem, if it is none.
pub fn json(content: &[u8], gather: &mut Gather<'_>) -> Option<Value> {
    if is_too_large(content, gather) {
        return None;
    }
    match serde_json::from_slice(without_mark(content)) {
        Ok(value) => Some(value),
        Err(error) => {
            gather.problem(format!("it is no JSON: {error}"));
            None
        }
    }
}

/// A member that is a text.
pub fn member<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// Whether a member says `true`.
pub fn is_true(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// The value of the first header of a name, before the first empty line, as in mails; continuations are left out.
pub fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let headers = text.lines().take_while(|line| !line.is_empty());
    headers
        .filter_map(|line| line.split_once(':'))
        .find(|(header, _)| header.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Whether a name has an end, and something before it.
pub fn has_end(name: &str, end: &str) -> bool {
    name.len() > end.len() && name.ends_with(end)
}

/// Whether a folder of that name is on the way to a file.
pub fn lies_below(path: &str, folder: &str) -> bool {
    let mut parts = path.rsplit('/');
    parts.next();
    parts.any(|part| part == folder)
}

/// Whether a file lies in the folder of an installed package: a lock file there was the author's, and says nothing of what
/// is installed.
pub fn lies_in_package(path: &str) -> bool {
    ["node_modules", "site-packages", "dist-packages", "vendor", "gems"].iter().any(|folder| lies_below(path, folder))
}

/// What stands between the first two quotes of either kind, if a text begins with one.
pub fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    text.get(1..)?.split_once(quote).map(|(inside, _)| inside)
}
