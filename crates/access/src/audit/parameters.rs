//! What records show of requests and answers: no secrets, no layers, and long values cut.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What stands in place of a secret, as in CloudTrail.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// Bytes of one text, and of all that is shown of one request or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    text: usize,
    all: usize,
}

/// For what was done.
pub const WHOLE: Room = Room { text: 8 * 1024, all: 32 * 1024 };
/// For what failed: whoever may do nothing can send much.
pub const OF_FAILURES: Room = Room { text: 1024, all: 4 * 1024 };
/// For members that an operation does not have, all of one request: enough to see what somebody meant.
const OF_UNKNOWN: Room = Room { text: 128, all: 512 };
/// What a member costs beside its texts, so that many small ones end as well.
const MEMBER_BYTES: usize = 16;
/// Members that are no parameter but content, which is stored encrypted or not at all.
const LEFT_OUT: [&str; 3] = ["layerpartblob", "logoimageblob", "imagemanifest"];
/// Words in the names of members that are secrets, unless the name ends as one that only names or measures a secret.
const SECRET_WORDS: [&str; 10] = [
    "secret",
    "password",
    "token",
    "credential",
    "privatekey",
    "signingkey",
    "downloadurl",
    "uploadpath",
    "hmac",
    "plaintext",
];
const NAMING_ENDS: [&str; 8] = ["id", "ids", "idlist", "arn", "arns", "name", "length", "required"];
/// Members whose names have no such word, and which AWS's models call sensitive, or which let somebody in.
const SECRET_NAMES: [&str; 9] = [
    "samlassertion",
    "contextassertion",
    "authenticationcode1",
    "authenticationcode2",
    "base32stringseed",
    "qrcodepng",
    "encryptedkeymaterial",
    // What KMS signs.
    "message",
    "mac",
];
/// The members that AWS's models and Wharf's make objects of which parts are secrets, or lists of such. Of every other one
/// that is a secret nothing is shown, whatever a request makes of it.
const SECRET_OBJECTS: [&str; 12] = [
    "credentials",
    "token",
    "tokens",
    "secrets",
    "secretvalues",
    "secretlist",
    "secretversionstostages",
    "externalsecretrotationmetadata",
    "passwordpolicy",
    "servicespecificcredential",
    "servicespecificcredentials",
    "xksproxyauthenticationcredential",
];

/// What a request said, on its way into a record.
#[derive(Clone, Debug)]
pub enum Parameters<'a> {
    /// A body in JSON, as it came, and the members that the operation has, if that is known.
    Body(&'a [u8], Option<&'static [&'static str]>),
    /// What is told of it.
    Told(Value),
}

impl From<Value> for Parameters<'_> {
    fn from(value: Value) -> Self {
        Self::Told(value)
    }
}

impl Parameters<'_> {
    /// What is shown of them, and whether that is not all.
    pub fn shown(self, room: Room) -> (Value, bool) {
        match self {
            Self::Body(json, known) => shown_in(&mut serde_json::Deserializer::from_slice(json), room, known),
            Self::Told(value) if room == WHOLE => (value, false),
            Self::Told(value) => shown_in(value, room, None),
        }
    }
}

impl Room {
    /// A text that is at most as long as one may be, and says so where it was cut.
    pub fn cut(self, text: &str) -> String {
        cut_at(text, self.text)
    }
}

/// A text that is at most so long, and says so where it was cut.
pub fn cut(text: &str) -> String {
    WHOLE.cut(text)
}

fn cut_at(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...(cut from {} bytes)", &text[..end], text.len())
}

/// What is shown of a JSON body; null if it is none. Names begin with a small letter, as in CloudTrail.
pub fn shown(json: &[u8]) -> Value {
    Parameters::Body(json, None).shown(WHOLE).0
}

fn shown_in<'de, D: Deserializer<'de>>(
    deserializer: D,
    room: Room,
    known: Option<&'static [&'static str]>,
) -> (Value, bool) {
    let mut left = Left::of(room);
    let shown = Shown { left: &mut left, is_secret: false, known }.deserialize(deserializer).unwrap_or(Value::Null);
    (shown, left.is_cut)
}

/// The room that is left.
struct Left {
    text: usize,
    all: usize,
    is_cut: bool,
}

impl Left {
    const fn of(room: Room) -> Self {
        Self { text: room.text, all: room.all, is_cut: false }
    }

    fn take(&mut self, bytes: usize) -> bool {
        let has_room = self.all > 0;
        self.all = self.all.saturating_sub(bytes);
        self.is_cut |= !has_room;
        has_room
    }
}

fn is_secret(lower_case_name: &str) -> bool {
    SECRET_NAMES.contains(&lower_case_name)
        || (SECRET_WORDS.iter().any(|word| lower_case_name.contains(word))
            && lower_case_name != "subjectfromwebidentitytoken"
            && !NAMING_ENDS.iter().any(|end| lower_case_name.ends_with(end)))
}

/// Whether a member of a secret object may be a part of the secret: all but what names or dates it.
fn is_untold(lower_case_name: &str) -> bool {
    lower_case_name != "expiration" && !NAMING_ENDS.iter().any(|end| lower_case_name.ends_with(end))
}

/// Reads a value and keeps what is shown of it, without ever holding the rest.
struct Shown<'l> {
    left: &'l mut Left,
    is_secret: bool,
    /// The members that it has, if that is known; of others little is shown.
    known: Option<&'static [&'static str]>,
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
        Ok(if self.is_secret { HIDDEN.into() } else { value.into() })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(if self.is_secret { HIDDEN.into() } else { value.into() })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(if self.is_secret { HIDDEN.into() } else { value.into() })
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        if self.is_secret {
            return Ok(HIDDEN.into());
        }
        let shown = cut_at(text, self.left.text);
        self.left.is_cut |= shown.len() != text.len();
        Ok(if self.left.take(shown.len()) { shown.into() } else { "...(cut)".into() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut shown = Vec::new();
        while self.left.all > 0 {
            self.left.take(MEMBER_BYTES);
            let seed = Shown { left: &mut *self.left, is_secret: self.is_secret, known: None };
            let Some(item) = items.next_element_seed(seed)? else { return Ok(shown.into()) };
            shown.push(item);
        }
        while items.next_element::<IgnoredAny>()?.is_some() {
            self.left.is_cut = true;
        }
        Ok(shown.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut shown = Map::new();
        let mut of_unknown = Left::of(OF_UNKNOWN);
        while let Some(name) = members.next_key::<String>()? {
            let lower_case = name.to_ascii_lowercase();
            let is_known = self.known.is_none_or(|known| known.contains(&name.as_str()));
            let left = if is_known { &mut *self.left } else { &mut of_unknown };
            let has_room = left.take(MEMBER_BYTES + name.len()) && left.all > 0;
            let is_left_out = LEFT_OUT.contains(&lower_case.as_str());
            if !has_room || name.len() > left.text || is_left_out {
                left.is_cut |= !is_left_out;
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            if is_secret(&lower_case) && !SECRET_OBJECTS.contains(&lower_case.as_str()) {
                members.next_value::<IgnoredAny>()?;
                shown.insert(with_small_initial(name), HIDDEN.into());
                continue;
            }
            let is_secret = is_secret(&lower_case) || (self.is_secret && is_untold(&lower_case));
            let value = members.next_value_seed(Shown { left, is_secret, known: None })?;
            shown.insert(with_small_initial(name), value);
        }
        self.left.is_cut |= of_unknown.is_cut;
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
            "missingLayers": [{"layerDigest": "kept", "uploadPath": "s"}], "SAMLAssertion": "s",
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
        assert_eq!(output.to_string().matches("\"kept\"").count(), 6, "{output}");
        assert!(output.get("layerPartBlob").is_none(), "{output}");
    }

    #[test]
    fn of_a_secret_nothing_is_shown_whatever_its_form() {
        let marker = "s3cr3t";
        for name in [
            "SecretString",
            "SecretBinary",
            "Plaintext",
            "PrivateKey",
            "PrivateKeyPlaintext",
            "Password",
            "NewPassword",
            "OldPassword",
            "RandomPassword",
            "KeyStorePassword",
            "WebIdentityToken",
            "SAMLAssertion",
            "TokenCode",
            "AuthenticationCode1",
            "ContextAssertion",
            "Base32StringSeed",
            "QRCodePNG",
            "EncryptedKeyMaterial",
            "ImportToken",
            "SharedSecret",
            "RawSecretAccessKey",
            "AddPrivateKey",
            "RotationToken",
            "Message",
            "Mac",
            "SessionToken",
            "SecretAccessKey",
            "TradeInToken",
            "GrantTokens",
            "authorizationToken",
            "downloadUrl",
        ] {
            for form in [
                json!(marker),
                json!([marker]),
                json!({"id": marker, "name": [marker], "arn": {"x": marker}}),
                json!([{"ids": {"arn": marker}}]),
                json!({marker: 1}),
            ] {
                for outer in [json!({ name: form }), json!({"a": [{ name.to_lowercase(): form }]})] {
                    let output = of(&outer).to_string();
                    assert!(output.contains(HIDDEN) && !output.contains(marker), "{output}");
                }
            }
            let number = of(&json!({ name: 123_456 })).to_string();
            assert!(number.contains(HIDDEN) && !number.contains("123456"), "{number}");
        }
        let kept = json!({"passwordLength": 32, "secretIdList": ["a"], "passwordResetRequired": true});
        assert_eq!(of(&kept), kept);
        assert_eq!(of(&json!({"token": 123_456})), json!({ "token": HIDDEN }));
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
        const MAX_TEXT_BYTES: usize = WHOLE.text;
        const MAX_BYTES: usize = WHOLE.all;
        let long = "é".repeat(MAX_TEXT_BYTES);
        let text = of(&json!({ "text": long }))["text"].as_str().expect("a text").to_owned();
        assert!(text.len() < MAX_TEXT_BYTES + 50 && text.ends_with("...(cut from 16384 bytes)"), "{}", text.len());
        let many = json!({"digests": vec!["x"; 1_000_000], "objects": vec![json!({"a": 1}); 10_000], "after": "y"});
        assert!(of(&many).to_string().len() < 3 * MAX_BYTES);
        let members: Map<String, Value> = (0..100_000).map(|number| (format!("m{number}"), 1.into())).collect();
        assert!(of(&members.into()).to_string().len() < 3 * MAX_BYTES);
        let failed = |value: &Value| Parameters::Body(value.to_string().as_bytes(), None).shown(OF_FAILURES);
        let (shown_many, is_cut) = failed(&many);
        assert!(shown_many.to_string().len() < 3 * OF_FAILURES.all && is_cut);
        assert_eq!(Parameters::Told(many).shown(OF_FAILURES), (shown_many, true));
        let small = json!({"repositoryName": "a", "imageManifest": "left out"});
        assert_eq!(failed(&small), (json!({"repositoryName": "a"}), false));
        assert!(failed(&json!({ "text": long })).1);
        let deep = "[".repeat(100_000);
        assert_eq!(shown(deep.as_bytes()), Value::Null);
    }

    #[test]
    fn of_members_that_an_operation_does_not_have_little_is_shown() {
        let of =
            |value: Value| Parameters::Body(value.to_string().as_bytes(), Some(&["policyText", "Tags"])).shown(WHOLE);
        let small = json!({"policyText": "p", "tags": [{"Key": "k"}], "unknown": {"a": 1}});
        let expected = json!({"policyText": "p", "tags": [{"key": "k"}], "unknown": {"a": 1}});
        assert_eq!(of(small), (expected, false));
        let text = "x".repeat(6_000);
        let known = json!({"policyText": text, "tags": [{"junk": text}]});
        assert_eq!(of(json!({"policyText": text, "Tags": [{"junk": text}]})), (known.clone(), false));
        let many = json!({
            "a": text, "b": [text, text, text], "c": {"d": text, "e": text, "f": text, "g": text, "h": text},
            "i": text, "j": text, "policyText": text, "Tags": [{"junk": text}]
        });
        let (shown, is_cut) = of(many);
        let known_bytes = known.to_string().len();
        assert!(is_cut && shown.to_string().len() < known_bytes + 3 * OF_UNKNOWN.all, "{shown}");
        assert_eq!([&shown["policyText"], &shown["tags"]], [&known["policyText"], &known["tags"]]);
    }
}
