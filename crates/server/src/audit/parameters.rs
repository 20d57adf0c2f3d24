//! What records show of requests and answers: no secrets, no layers, and long values cut.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What stands in place of a secret, as in CloudTrail.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// Bytes of one text, and of all that is shown of one request or answer.
const MAX_TEXT_BYTES: usize = 8 * 1024;
const MAX_BYTES: usize = 32 * 1024;
/// What a member costs beside its texts, so that many small ones end as well.
const MEMBER_BYTES: usize = 16;
/// Members that are no parameter but content, which is stored encrypted or not at all.
const LEFT_OUT: [&str; 3] = ["layerpartblob", "logoimageblob", "imagemanifest"];
/// Words in the names of members whose texts are secrets, unless the name ends as one that only names a secret.
const SECRET_WORDS: [&str; 9] =
    ["secret", "password", "token", "credential", "privatekey", "signingkey", "downloadurl", "hmac", "plaintext"];
const NAMING_ENDS: [&str; 5] = ["id", "ids", "arn", "arns", "name"];

/// A text that is at most so long, and says so where it was cut.
pub fn cut(text: &str) -> String {
    if text.len() <= MAX_TEXT_BYTES {
        return text.to_owned();
    }
    let mut end = MAX_TEXT_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...(cut from {} bytes)", &text[..end], text.len())
}

/// What is shown of a JSON body; null if it is none. Names begin with a small letter, as in CloudTrail.
pub fn shown(json: &[u8]) -> Value {
    let mut left = MAX_BYTES;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Shown { left: &mut left, is_secret: false }.deserialize(&mut deserializer).unwrap_or(Value::Null)
}

fn is_secret(lower_case_name: &str) -> bool {
    SECRET_WORDS.iter().any(|word| lower_case_name.contains(word))
        && lower_case_name != "subjectfromwebidentitytoken"
        && !NAMING_ENDS.iter().any(|end| lower_case_name.ends_with(end))
}

/// Whether a member of a secret object may be a part of the secret: all but what names or dates it.
fn is_untold(lower_case_name: &str) -> bool {
    lower_case_name != "expiration" && !NAMING_ENDS.iter().any(|end| lower_case_name.ends_with(end))
}

/// Reads a value and keeps what is shown of it, without ever holding the rest.
struct Shown<'l> {
    left: &'l mut usize,
    is_secret: bool,
}

impl Shown<'_> {
    fn take(&mut self, bytes: usize) -> bool {
        let has_room = *self.left > 0;
        *self.left = self.left.saturating_sub(bytes);
        has_room
    }
}

impl<'de> DeserializeSeed<'de> for Shown<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shown<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<Value, E> {
        if self.is_secret {
            return Ok(HIDDEN.into());
        }
        let shown = cut(text);
        Ok(if self.take(shown.len()) { shown.into() } else { "...(cut)".into() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut shown = Vec::new();
        while *self.left > 0 {
            *self.left = self.left.saturating_sub(MEMBER_BYTES);
            let seed = Shown { left: &mut *self.left, is_secret: self.is_secret };
            let Some(item) = items.next_element_seed(seed)? else { return Ok(shown.into()) };
            shown.push(item);
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(shown.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut shown = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let lower_case = name.to_ascii_lowercase();
            *self.left = self.left.saturating_sub(MEMBER_BYTES + name.len());
            if *self.left == 0 || name.len() > MAX_TEXT_BYTES || LEFT_OUT.contains(&lower_case.as_str()) {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let seed = Shown {
                left: &mut *self.left,
                is_secret: is_secret(&lower_case) || (self.is_secret && is_untold(&lower_case)),
            };
            let value = members.next_value_seed(seed)?;
            shown.insert(with_small_initial(name), value);
        }
        Ok(shown.into())
    }
}

fn with_small_initial(mut name: String) -> String {
    if let Some(initial) = name.get_mut(..1) {
        initial.make_ascii_lowercase();
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: &Value) -> Value {
        shown(value.to_string().as_bytes())
    }

    #[test]
    fn secrets_are_hidden() {
        let input = json!({
            "SecretString": "s", "secretBinary": "s", "Password": "s", "WebIdentityToken": "s", "authorizationToken": "s",
            "Credentials": {"AccessKeyId": "AKIA", "SecretAccessKey": "s", "SessionToken": "s", "Expiration": "later"},
            "secrets": ["s", {"value": 1}], "downloadUrl": "s", "signingKey": "s", "layerPartBlob": "s",
            "token": {"name": "ci", "password": "s"},
            "SecretId": "kept", "credentialArn": "kept", "secretName": "kept", "Key": "kept", "repositoryName": "kept",
        });
        let output = of(&input);
        assert!(!output.to_string().contains("\"s\""), "{output}");
        assert_eq!(
            output["credentials"],
            json!({
                "accessKeyId": "AKIA", "secretAccessKey": HIDDEN, "sessionToken": HIDDEN, "expiration": "later"
            })
        );
        assert_eq!(output["token"], json!({"name": "ci", "password": HIDDEN}));
        assert_eq!(output.to_string().matches("\"kept\"").count(), 5, "{output}");
        assert!(output.get("layerPartBlob").is_none(), "{output}");
    }

    #[test]
    fn the_rest_is_as_it_came() {
        let input = json!({"repositoryName": "a", "n": [1, -2, 0.5, null, true], "imageIds": [{"imageTag": "v1"}]});
        assert_eq!(of(&input), input);
        assert_eq!(of(&json!({"OpenIDConnectProviderArn": "x"})), json!({"openIDConnectProviderArn": "x"}));
        for bad in ["", "{", "[1,", "\u{e9}", "{\"a\" 1}"] {
            assert_eq!(shown(bad.as_bytes()), Value::Null, "{bad}");
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        let long = "é".repeat(MAX_TEXT_BYTES);
        let text = of(&json!({ "text": long }))["text"].as_str().expect("a text").to_owned();
        assert!(text.len() < MAX_TEXT_BYTES + 50 && text.ends_with("...(cut from 16384 bytes)"), "{}", text.len());
        let many = json!({"digests": vec!["x"; 1_000_000], "objects": vec![json!({"a": 1}); 10_000], "after": "y"});
        assert!(of(&many).to_string().len() < 3 * MAX_BYTES);
        let members: Map<String, Value> = (0..100_000).map(|number| (format!("m{number}"), 1.into())).collect();
        assert!(of(&members.into()).to_string().len() < 3 * MAX_BYTES);
        let deep = "[".repeat(100_000);
        assert_eq!(shown(deep.as_bytes()), Value::Null);
    }
}
