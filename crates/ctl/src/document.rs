//! Policy documents: reading them from files, and showing what the server keeps.

use std::path::Path;

use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::Error;

/// A document as the server keeps it: the lines that `wharf access explain` names are lines of it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Document {
    Json(Box<RawValue>),
    /// Not JSON, which no policy should be.
    Text(String),
}

impl Document {
    /// Of an answer, which has it percent-encoded (reference/around.md 1).
    pub(crate) fn of_answer(text: &str) -> Self {
        let decoded = percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Into::into);
        RawValue::from_string(decoded.trim().to_owned()).map_or(Self::Text(decoded), Self::Json)
    }

    /// The lines as they were written; a document of one line is broken into several.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Json(json) if json.get().contains('\n') => json.get().to_owned(),
            Self::Json(json) => indented(json.get()),
        }
    }
}

/// Reads a document from a file, or from standard input where the name is `-`.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    let is_stdin = path.as_os_str() == "-";
    let shown = if is_stdin { Path::new("standard input") } else { path };
    let wrong = |cause: String| Error::File { path: shown.to_owned(), cause };
    let text = if is_stdin { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    let text = text.map_err(|error| wrong(error.to_string()))?;
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(wrong(format!("not JSON: {error}"))),
    }
}

/// Valid JSON with a line for each member, in the order that it has. (`serde_json` would sort the members.)
fn indented(json: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    let (mut is_in_string, mut is_escaped) = (false, false);
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        if is_in_string {
            out.push(character);
            is_in_string = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
            continue;
        }
        match character {
            '"' => {
                is_in_string = true;
                out.push(character);
            }
            '{' | '[' => {
                out.push(character);
                while characters.peek().is_some_and(char::is_ascii_whitespace) {
                    characters.next();
                }
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(closing) => out.push(closing),
                    None => {
                        depth += 1;
                        new_line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(character);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown() {
        let encoded = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%7D%2C%7B%7D%5D%7D";
        let expected = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow"
    },
    {}
  ]
}"#;
        assert_eq!(Document::of_answer(encoded).text(), expected);
        let tricky = r#"{"b":"a,{\"\\","a": [ ] }"#;
        assert_eq!(Document::of_answer(tricky).text(), "{\n  \"b\": \"a,{\\\"\\\\\",\n  \"a\": []\n}");
        let own_lines = "{ \"a\":\n 1 }";
        assert_eq!(Document::of_answer(own_lines).text(), own_lines);
        assert_eq!(Document::of_answer("%7Bnot json").text(), "{not json");
        let json = serde_json::to_string(&Document::of_answer(r#"{"b":1,"a":2}"#)).expect("JSON");
        assert_eq!(json, r#"{"b":1,"a":2}"#);
    }

    #[test]
    fn files() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("policy.json");
        std::fs::write(&path, "{\n  \"a\": 1\n}\n").expect("written");
        assert_eq!(read(&path).expect("read"), "{\n  \"a\": 1\n}\n");
        std::fs::write(&path, "{\n  \"a\": 1,\n}\n").expect("written");
        let message = read(&path).expect_err("refused").to_string();
        assert!(message.ends_with("policy.json: not JSON: key must be a string at line 3 column 1"), "{message}");
        let message = read(&folder.path().join("absent")).expect_err("refused").to_string();
        assert!(message.contains("absent: No such file"), "{message}");
    }
}
