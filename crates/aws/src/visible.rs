//! Text from elsewhere as it may be shown: without characters that end a line, or a word, for one reader and not for another,
//! that steer a terminal, or that let a text look like another one. They are shown as escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character is not to be seen as itself: a control character, of C0 or C1; white space but the ASCII space; what
/// turns the direction of text; what has no width, or nothing to see; tags and variation selectors (Unicode Standard, 23; its
/// properties `White_Space` and `Default_Ignorable_Code_Point`).
pub const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{a0}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{1680}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3000}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{16fe4}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d159}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The text with hidden characters as Rust writes them, such as `\u{202e}`; line breaks stay.
pub fn shown(text: &str) -> Cow<'_, str> {
    replaced(
        text,
        |character| is_hidden(character) && character != '\n',
        |shown, character| {
            shown.extend(character.escape_unicode());
        },
    )
}

/// JSON of the same value with hidden characters as JSON's escapes, such as `\u202e`. What JSON has between its values, line
/// breaks too, stays.
pub fn shown_json(json: &str) -> Cow<'_, str> {
    // A string holds no raw character of C0; outside of strings there are no others.
    replaced(
        json,
        |character| character >= '\u{7f}' && is_hidden(character),
        |shown, character| {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        },
    )
}

fn replaced(text: &str, is_replaced: impl Fn(char) -> bool, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let Some(first) = text.find(&is_replaced) else { return Cow::Borrowed(text) };
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(&text[..first]);
    for character in text[first..].chars() {
        if is_replaced(character) {
            write(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN: [char; 23] = [
        '\0',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{61c}',
        '\u{200b}',
        '\u{200e}',
        '\u{2028}',
        '\u{2029}',
        '\u{202e}',
        '\u{2066}',
        '\u{feff}',
        '\u{e0041}',
        '\u{a0}',
        '\u{1680}',
        '\u{2003}',
        '\u{202f}',
        '\u{205f}',
        '\u{2800}',
        '\u{3000}',
        '\u{fe0f}',
        '\u{e01ef}',
    ];

    #[test]
    fn no_white_space_but_the_space_is_shown() {
        for character in ('\0'..=char::MAX).filter(|character| character.is_whitespace()) {
            assert_eq!(is_hidden(character), character != ' ', "{character:?}");
        }
    }

    #[test]
    fn hidden_characters_are_escaped() {
        for character in HIDDEN {
            let text = format!("a{character}b");
            assert_eq!(shown(&text), format!("a\\u{{{:x}}}b", character as u32));
        }
        for text in ["", "plain", "é ü 日本 🐳", "one\ntwo"] {
            assert!(matches!(shown(text), Cow::Borrowed(_)), "{text}");
            assert!(matches!(shown_json(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn json_stays_the_same_value() {
        let text: String = HIDDEN.iter().collect();
        let value = serde_json::json!({ text.clone(): [text, "é"] });
        for json in [value.to_string(), serde_json::to_string_pretty(&value).expect("JSON")] {
            let escaped = shown_json(&json);
            assert!(!escaped.chars().any(|character| is_hidden(character) && character != '\n'), "{escaped}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).expect("JSON"), value);
        }
    }
}
