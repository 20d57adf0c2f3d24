//! Text from elsewhere as it may be shown: without characters that end a line for one reader and not for another, that
//! steer a terminal, or that let a text look like another one. They are shown as escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character is not to be seen as itself: a control character, of C0 or C1; a line or paragraph separator; what
/// turns the direction of text; what has no width; and tags (Unicode Standard, 23).
pub const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
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

    const HIDDEN: [char; 14] = [
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
    ];

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
