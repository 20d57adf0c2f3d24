//! Taking one large base64 member out of a JSON object while its bytes arrive, so that nobody ever holds the whole.
//!
//! What is left is the same document with an empty text in the member's place, for a parser that knows the rules. This
//! code only has to find the member in documents that such a parser accepts: what is no JSON comes out as no JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A longer name is not the member's, however it is escaped.
const MAX_NAME_BYTES: usize = 1024;

/// The member's text is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Where the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReaderState {
    /// Before the document, or behind a member's name and its colon.
    Value,
    /// Where the name of a member of the outermost object may begin.
    Name,
    /// Anywhere else between texts.
    Between,
    /// In a text that is passed on.
    Text { is_escaped: bool, is_name: bool },
    /// In the member's text.
    Member,
}

/// See the module.
#[derive(Debug)]
pub struct LargeMember {
    member: &'static str,
    place: ReaderState,
    depth: usize,
    is_object: bool,
    /// The outermost name that was read last, with its quotes.
    name: Vec<u8>,
    is_member_next: bool,
    /// An escape in the member's text that has not come to its end.
    escape: Vec<u8>,
    /// Base64 digits that wait for others of their four.
    digits: Vec<u8>,
    is_padded: bool,
}

impl LargeMember {
    /// Looks for the member of that name.
    pub fn new(member: &'static str) -> Self {
        Self {
            member,
            place: ReaderState::Value,
            depth: 0,
            is_object: false,
            name: Vec::new(),
            is_member_next: false,
            escape: Vec::new(),
            digits: Vec::new(),
            is_padded: false,
        }
    }

    /// Takes the next bytes of the document: appends the member's content to `content`, and everything else to `rest`.
    pub fn take(&mut self, mut data: &[u8], content: &mut Vec<u8>, rest: &mut Vec<u8>) -> Result<(), Malformed> {
        while !data.is_empty() {
            data = match self.place {
                ReaderState::Member => self.take_member(data, content, rest)?,
                ReaderState::Text { is_escaped, is_name } => self.take_text(data, is_escaped, is_name, rest),
                ReaderState::Value | ReaderState::Name | ReaderState::Between => {
                    rest.push(data[0]);
                    self.take_structure(data[0]);
                    &data[1..]
                }
            };
        }
        Ok(())
    }

    fn take_structure(&mut self, byte: u8) {
        match byte {
            b'"' => {
                let is_value = self.place == ReaderState::Value;
                if is_value && self.is_member_next {
                    self.place = ReaderState::Member;
                    self.digits.clear();
                    self.is_padded = false;
                } else {
                    let is_name = self.place == ReaderState::Name;
                    if is_name {
                        self.name.clear();
                        self.name.push(b'"');
                    }
                    self.place = ReaderState::Text { is_escaped: false, is_name };
                }
                self.is_member_next = false;
            }
            b'{' | b'[' => {
                if self.depth == 0 {
                    self.is_object = byte == b'{';
                }
                self.depth += 1;
                self.is_member_next = false;
                self.place = if self.depth == 1 && self.is_object { ReaderState::Name } else { ReaderState::Between };
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.place = ReaderState::Between;
            }
            b',' if self.depth == 1 && self.is_object => self.place = ReaderState::Name,
            b':' if self.depth == 1 && self.is_object => {
                let name: Option<String> = serde_json::from_slice(&self.name).ok();
                self.is_member_next = name.is_some_and(|name| name == self.member);
                self.place = ReaderState::Value;
            }
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => {
                self.is_member_next = false;
                self.place = ReaderState::Between;
            }
        }
    }

    /// Passes a text on, up to its end.
    fn take_text<'d>(&mut self, data: &'d [u8], mut is_escaped: bool, is_name: bool, rest: &mut Vec<u8>) -> &'d [u8] {
        let mut end = None;
        for (at, byte) in data.iter().enumerate() {
            if is_escaped {
                is_escaped = false;
            } else if *byte == b'\\' {
                is_escaped = true;
            } else if *byte == b'"' {
                end = Some(at + 1);
                break;
            }
        }
        let (text, left) = data.split_at(end.unwrap_or(data.len()));
        self.place = if end.is_some() { ReaderState::Between } else { ReaderState::Text { is_escaped, is_name } };
        rest.extend_from_slice(text);
        if is_name && self.name.len() + text.len() <= MAX_NAME_BYTES {
            self.name.extend_from_slice(text);
        } else if is_name {
            // No text, whatever else comes.
            self.name = vec![0; MAX_NAME_BYTES];
        }
        left
    }

    /// Decodes the member's text, up to its end or an escape.
    fn take_member<'d>(
        &mut self,
        data: &'d [u8],
        content: &mut Vec<u8>,
        rest: &mut Vec<u8>,
    ) -> Result<&'d [u8], Malformed> {
        if !self.escape.is_empty() {
            self.take_escape(data[0], content)?;
            return Ok(&data[1..]);
        }
        let end = data.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(data.len());
        self.decode(&data[..end], content)?;
        match data.get(end) {
            None => Ok(&[]),
            Some(b'"') if !self.digits.is_empty() => Err(Malformed),
            Some(b'"') => {
                rest.push(b'"');
                self.place = ReaderState::Between;
                Ok(&data[end + 1..])
            }
            Some(_) => {
                self.escape.push(b'\\');
                Ok(&data[end + 1..])
            }
        }
    }

    /// Some writers of JSON escape the slash, and some the plus sign.
    fn take_escape(&mut self, byte: u8, content: &mut Vec<u8>) -> Result<(), Malformed> {
        self.escape.push(byte);
        let digit = match self.escape.as_slice() {
            [_, b'/'] => b'/',
            [_, b'u', hex @ ..] if hex.len() < 4 => return Ok(()),
            [_, b'u', hex @ ..] => std::str::from_utf8(hex)
                .ok()
                .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
                .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                .ok_or(Malformed)?,
            _ => return Err(Malformed),
        };
        self.escape.clear();
        self.decode(&[digit], content)
    }

    /// Decodes digits, of which every four stand by themselves; only the last of all may be padded.
    fn decode(&mut self, mut text: &[u8], content: &mut Vec<u8>) -> Result<(), Malformed> {
        if !self.digits.is_empty() {
            let (first, others) = text.split_at(text.len().min(4 - self.digits.len()));
            self.digits.extend_from_slice(first);
            text = others;
            if self.digits.len() == 4 {
                let four = std::mem::take(&mut self.digits);
                self.decode_whole(&four, content)?;
            }
        }
        let (whole, part) = text.split_at(text.len() / 4 * 4);
        self.decode_whole(whole, content)?;
        if !part.is_empty() && self.is_padded {
            return Err(Malformed);
        }
        self.digits.extend_from_slice(part);
        Ok(())
    }

    fn decode_whole(&mut self, digits: &[u8], content: &mut Vec<u8>) -> Result<(), Malformed> {
        if digits.is_empty() {
            return Ok(());
        }
        if self.is_padded {
            return Err(Malformed);
        }
        self.is_padded = digits.ends_with(b"=");
        STANDARD.decode_vec(digits, content).map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// The member's content and the rest of a document that comes in pieces of `step` bytes.
    fn read(document: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
        let (mut content, mut rest) = (Vec::new(), Vec::new());
        let mut reader = LargeMember::new("blob");
        for piece in document.chunks(step) {
            reader.take(piece, &mut content, &mut rest)?;
        }
        Ok((content, rest))
    }

    #[test]
    fn documents() {
        for (document, content, rest) in [
            (r#"{"blob":"aGk="}"#, "hi", r#"{"blob":""}"#),
            (r#"{ "a" : "x" , "blob" : "aGkh" , "b" : [1] }"#, "hi!", r#"{ "a" : "x" , "blob" : "" , "b" : [1] }"#),
            (r#"{"blob":"","a":1}"#, "", r#"{"blob":"","a":1}"#),
            // Slashes and plus signs that are escaped, and so the name.
            (r#"{"bl\u006fb":"\/\u002b\u002F+"}"#, "\u{0}", r#"{"bl\u006fb":""}"#),
            // Not the outermost object's member, or not a text.
            (r#"{"a":{"blob":"aGk="}}"#, "", r#"{"a":{"blob":"aGk="}}"#),
            (r#"{"a":["blob","aGk="]}"#, "", r#"{"a":["blob","aGk="]}"#),
            (r#"["blob","aGk="]"#, "", r#"["blob","aGk="]"#),
            (r#"[{"blob":"aGk="}]"#, "", r#"[{"blob":"aGk="}]"#),
            (r#"{"blob":["aGk="]}"#, "", r#"{"blob":["aGk="]}"#),
            (r#"{"blob":null,"a":"aGk="}"#, "", r#"{"blob":null,"a":"aGk="}"#),
            (r#"{"a":"blob","b":"aGk="}"#, "", r#"{"a":"blob","b":"aGk="}"#),
            (r#"{"a\":\"blob":"aGk=","\\":"\\"}"#, "", r#"{"a\":\"blob":"aGk=","\\":"\\"}"#),
            (r#""blob":"aGk=""#, "", r#""blob":"aGk=""#),
            ("", "", ""),
        ] {
            for step in 1..=document.len().max(1) {
                let (found, left) = read(document.as_bytes(), step).expect(document);
                if content == "\u{0}" {
                    assert_eq!(found, STANDARD.decode("/+/+").expect("base64"), "{document}, {step}");
                } else {
                    assert_eq!(found, content.as_bytes(), "{document}, {step}");
                }
                assert_eq!(String::from_utf8_lossy(&left), rest, "{step}");
            }
        }
    }

    #[test]
    fn what_is_no_base64() {
        for text in [
            "a",
            "aGk",
            "aGk=aGk=",
            "aGk=a",
            "====",
            "aGl=",
            "a Gk=",
            "aGk\\n=",
            "\\u00e9AAA",
            "\\uzzzz",
            "\\u+02b",
            "aG-_",
        ] {
            let document = format!(r#"{{"blob":"{text}"}}"#);
            for step in 1..=document.len() {
                assert_eq!(read(document.as_bytes(), step), Err(Malformed), "{text}, {step}");
            }
        }
    }

    #[test]
    fn a_long_name_is_another_one() {
        let document = format!(r#"{{"{}blob":"aGk="}}"#, "x".repeat(MAX_NAME_BYTES));
        for step in [1, 7, MAX_NAME_BYTES, document.len()] {
            assert_eq!(read(document.as_bytes(), step), Ok((Vec::new(), document.clone().into_bytes())), "{step}");
        }
    }

    fn members() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~\u{e9}\n]{0,12}".prop_map(Value::from),
            Just(Value::from("blob")),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            let name = prop_oneof![Just("blob".to_owned()), "[a-z\\\\\"{}:,]{0,6}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_a_parser(mut document in members(), content: Option<Vec<u8>>, step in 1..40_usize) {
            let mut expected = Vec::new();
            if let (Value::Object(members), Some(content)) = (&mut document, content) {
                members.insert("blob".to_owned(), STANDARD.encode(&content).into());
                expected = content;
            } else if document.get("blob").is_some_and(Value::is_string) {
                document["blob"] = json!("");
            }
            let (found, rest) = read(document.to_string().as_bytes(), step).expect("base64");
            if document.get("blob").is_some_and(Value::is_string) {
                document["blob"] = json!("");
            }
            prop_assert_eq!(found, expected);
            prop_assert_eq!(serde_json::from_slice::<Value>(&rest).expect("JSON"), document);
        }

        #[test]
        fn any_bytes_are_taken(document in "[{}\\[\\],:\"\\\\bloa= ]{0,60}", step in 1..9_usize) {
            if let Ok((_, rest)) = read(document.as_bytes(), step) {
                let is_json = |text: &[u8]| serde_json::from_slice::<Value>(text).is_ok();
                prop_assert!(is_json(document.as_bytes()) || !is_json(&rest), "{} became {}", document, String::from_utf8_lossy(&rest));
            }
        }
    }
}
