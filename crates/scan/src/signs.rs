//! Signs that no honest name has: they show nothing, and change how what is around them is shown.

use std::fmt::{self, Write as _};

use crate::package::Package;

/// Whether a letter is a control character (of ASCII or Latin 1), turns the direction that text runs in, has no width, or
/// ends a line.
pub(crate) fn is_sign(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// Whether a text has such signs.
pub(crate) fn are_in(text: &str) -> bool {
    text.contains(is_sign)
}

/// A text with such signs written out, as `\u{1b}`.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| {
            if is_sign(letter) { write!(f, "{}", letter.escape_unicode()) } else { f.write_char(letter) }
        })
    }
}

/// The text itself where it has no such signs, as nearly all have none; else with them written out.
pub(crate) fn escape(text: String) -> String {
    if are_in(&text) { Escaped(&text).to_string() } else { text }
}

/// Why a package is left out whose names or versions have such signs, if they have: no packager writes them, and who did wants
/// them to be read as something else.
pub(crate) fn misnamed(package: &Package) -> Option<String> {
    let source = package.source.iter().flat_map(|source| [&*source.name, &*source.version]);
    let texts: Vec<&str> = [&*package.name, &*package.version].into_iter().chain(source).collect();
    texts.iter().any(|text| are_in(text)).then(|| misnaming(&texts))
}

/// The problem of names that have such signs, each shown in part.
pub(crate) fn misnaming(texts: &[&str]) -> String {
    const SHOWN: usize = 80;
    let shown = texts.iter().map(|text| {
        let cut = text.get(..text.floor_char_boundary(SHOWN)).unwrap_or_default();
        format!("`{}{}`", Escaped(cut), if cut.len() < text.len() { "…" } else { "" })
    });
    let shown: Vec<String> = shown.collect();
    format!("a package is named with control characters, and was left out: {}", shown.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_written_out() {
        for (text, escaped) in [
            ("a b-1.0~é\u{feff}", "a b-1.0~é\u{feff}"),
            ("a\u{1b}[2J\n", "a\\u{1b}[2J\\u{a}"),
            ("\u{7f}\u{9b}", "\\u{7f}\\u{9b}"),
            ("\u{202a}\u{202e}\u{2066}\u{2069}", "\\u{202a}\\u{202e}\\u{2066}\\u{2069}"),
            ("lodash\u{200b}\u{2029}\u{206a}", "lodash\\u{200b}\\u{2029}\\u{206a}"),
            ("\u{200a}\u{2010}\u{2027}\u{202f}\u{205f}\u{2070}", "\u{200a}\u{2010}\u{2027}\u{202f}\u{205f}\u{2070}"),
        ] {
            assert_eq!(escape(text.to_owned()), escaped);
            assert_eq!(are_in(text), text != escaped);
        }
    }
}
