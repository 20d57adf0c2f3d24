//! The model's constraints on members of KMS's requests.

use std::collections::BTreeMap;

use access::kms::{KmsError, key_ref};
use api::grammar::{self, Bounds, MAX_TAGS, Tag, TagPart, TagViolation, TagWording, Violation, Wording};
use api::paging::{self, List, ListWording};
use api::protocols::operation::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use store::blob::EncryptionContext;
use store::db::Tx;
use store::tables::kms_keys::{self, KeyRef, KmsKey};
use zeroize::Zeroizing;

/// Most characters of an encryption context (KMS Developer Guide, "Encryption context").
const MAX_CONTEXT: usize = 8_192;
/// The longest ciphertext (model: `CiphertextType`).
const MAX_CIPHERTEXT: usize = 6_144;

/// The words of KMS.
#[derive(Debug)]
pub struct Words;

/// Checks with these words.
pub type Check = grammar::Check<Words>;
/// Where lists go on: after this text.
pub type Page = paging::Page<String>;

impl Wording for Words {
    type Error = KmsError;

    fn refuse(member: &str, value: Option<&str>, violation: Violation<'_>) -> KmsError {
        let failed = |value: &str, constraint: &str| {
            KmsError::validation(format!(
                "1 validation error detected: Value{value} at '{member}' failed to satisfy constraint: {constraint}"
            ))
        };
        match violation {
            Violation::TooSmall(bounds) | Violation::TooLarge(bounds) => {
                KmsError::validation(format!("{member} must be {} to {}", bounds.min, bounds.max))
            }
            Violation::TooShort(bounds) | Violation::TooLong(bounds) => {
                failed("", &format!("Member must have length between {} and {}", bounds.min, bounds.max))
            }
            _ => {
                let shown = value.map_or_else(|| " null".to_owned(), |value| format!(" '{value}'"));
                failed(&shown, &violation.to_string())
            }
        }
    }
}

impl ListWording for Words {
    const LIMIT: &'static str = "Limit";

    fn refuse_token(_: &str) -> KmsError {
        KmsError::InvalidMarker
    }
}

impl TagWording for Words {
    const TAG_KEY: &'static str = "tags.tagKey";
    const TAG_VALUE: &'static str = "tags.tagValue";

    fn tag_text(member: &str, part: TagPart<'_>, text: &str) -> Result<(), KmsError> {
        let member = if part == TagPart::Key { "tagKey" } else { member };
        Check::tag_length(member, part, text)
    }

    fn refuse_tags(violation: TagViolation<'_>) -> KmsError {
        match violation {
            TagViolation::TooMany => KmsError::LimitExceeded(format!("A key can have at most {MAX_TAGS} tags.")),
            TagViolation::Reserved(key) => {
                KmsError::Tag(format!("Tag keys must not begin with aws:, which is reserved: {key}"))
            }
            TagViolation::Repeated(key) => KmsError::Tag(format!("Duplicate tag key: {key}")),
        }
    }
}

/// The page of a list that is asked for: at most 1,000 entries.
pub fn page(list: &str, limit: Option<i64>, marker: Option<&str>, default: usize) -> Result<Page, KmsError> {
    Check::page(List::Prefixed(format!("{list}:")), limit, marker, default, 1_000)
}

/// The names of grants and aliases.
pub const NAME_PATTERN: &str = "^[a-zA-Z0-9:/_-]+$";

/// Whether a text has the characters of [`NAME_PATTERN`] alone.
pub fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte))
}

/// The key that a member names.
pub fn key_id(call: &Call<'_>, member: &str, text: Option<String>) -> Result<KeyRef, KmsError> {
    let text = Check::required(member, text)?;
    Check::length(member, &text, 1, 2048)?;
    key_ref(call.caller.account, &call.caller.region, &text)
}

/// As [`key_id`], where no alias is taken.
pub fn key_itself(call: &Call<'_>, member: &str, text: Option<String>) -> Result<KeyRef, KmsError> {
    let key = key_id(call, member, text)?;
    if key.is_alias() { Err(KmsError::InvalidArn(key.name)) } else { Ok(key) }
}

/// The stored key.
pub fn require(tx: &mut dyn Tx, key: &KeyRef) -> Result<KmsKey, KmsError> {
    kms_keys::find(tx, key)?.ok_or_else(|| KmsError::NotFound(key.clone()))
}

/// The stored key, which must not be about to be deleted.
pub fn require_live(tx: &mut dyn Tx, key: &KeyRef) -> Result<KmsKey, KmsError> {
    let found = require(tx, key)?;
    if found.delete_at_ms.is_some() { Err(KmsError::PendingDeletion(found.arn())) } else { Ok(found) }
}

/// The stored key, which must be fit for use.
pub fn require_usable(tx: &mut dyn Tx, key: &KeyRef) -> Result<KmsKey, KmsError> {
    let found = require(tx, key)?;
    KmsError::of_state(&found).map_or(Ok(found), Err)
}

/// An encryption context.
pub fn context(member: &str, context: Option<BTreeMap<String, String>>) -> Result<EncryptionContext, KmsError> {
    let context = context.unwrap_or_default();
    let characters: usize = context.iter().map(|(name, value)| name.len() + value.len()).sum();
    if characters > MAX_CONTEXT {
        return Err(KmsError::validation(format!("{member} may have {MAX_CONTEXT} characters at most")));
    }
    Ok(context)
}

/// Bytes in base64, of which there may be `max`.
pub fn bytes(member: &str, text: Option<&str>, max: usize) -> Result<Zeroizing<Vec<u8>>, KmsError> {
    let text = Check::required(member, text)?;
    let bytes = STANDARD.decode(text).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| KmsError::validation(format!("{member} must be base64")))?;
    if (1..=max).contains(&bytes.len()) {
        return Ok(bytes);
    }
    Err(Words::refuse(member, None, Violation::TooLong(Bounds { min: 1, max })))
}

/// A ciphertext.
pub fn ciphertext(text: Option<&str>) -> Result<Vec<u8>, KmsError> {
    Ok(bytes("ciphertextBlob", text, MAX_CIPHERTEXT)?.to_vec())
}

/// The only algorithm that there is.
pub fn algorithm(text: Option<&str>) -> Result<(), KmsError> {
    match text {
        None | Some("SYMMETRIC_DEFAULT") => Ok(()),
        Some(other) => Err(KmsError::validation(format!("EncryptionAlgorithm {other} is not one of a symmetric key"))),
    }
}

/// `Tag`, as KMS alone has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KmsTag {
    tag_key: Option<String>,
    tag_value: Option<String>,
}

impl KmsTag {
    /// Of a stored tag.
    pub fn new((key, value): (String, String)) -> Self {
        Self { tag_key: Some(key), tag_value: Some(value) }
    }
}

/// Checks a list of tags: at most 50, no key twice, and none that begins with `aws:`. They are in the order of their keys.
pub fn tags(tags: Option<Vec<KmsTag>>) -> Result<Vec<(String, String)>, KmsError> {
    let tags = tags.map(|tags| tags.into_iter().map(|tag| Tag { key: tag.tag_key, value: tag.tag_value }).collect());
    let mut checked = Check::tags(tags)?;
    checked.sort();
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T>(result: Result<T, KmsError>) -> String {
        let error = result.err().expect("refused");
        format!("{}: {error}", error.code())
    }

    #[test]
    fn texts() {
        let failed = |rest: &str| format!("ValidationException: 1 validation error detected: Value{rest}");
        for (given, expected) in [
            (
                said(Check::required::<()>("m", None)),
                failed(" null at 'm' failed to satisfy constraint: Member must not be null"),
            ),
            (
                said(Check::length("m", "a", 2, 3)),
                failed(" at 'm' failed to satisfy constraint: Member must have length between 2 and 3"),
            ),
            (
                said(Check::length("m", "aaaa", 2, 3)),
                failed(" at 'm' failed to satisfy constraint: Member must have length between 2 and 3"),
            ),
            (
                said(Check::pattern("m", "é", NAME_PATTERN, is_name("é"))),
                failed(
                    " 'é' at 'm' failed to satisfy constraint: Member must satisfy regular expression pattern: \
                     ^[a-zA-Z0-9:/_-]+$",
                ),
            ),
            (
                said(bytes("m", Some(""), 4096)),
                failed(" at 'm' failed to satisfy constraint: Member must have length between 1 and 4096"),
            ),
            (
                said(Check::number("RotationPeriodInDays", 89, 90, 2560)),
                "ValidationException: RotationPeriodInDays must be 90 to 2560".to_owned(),
            ),
            (said(page("keys", Some(0), None, 100)), "ValidationException: Limit must be 1 to 1000".to_owned()),
        ] {
            assert_eq!(given, expected);
        }
        let of_another = page("grants", Some(1), None, 50).expect("valid").token_after(&"a");
        assert!(matches!(page("keys", None, Some(&of_another), 50), Err(KmsError::InvalidMarker)));
        assert_eq!(page("grants", None, Some(&of_another), 50).expect("valid").after, "a");
    }

    #[test]
    fn texts_of_tags() {
        let tag = |key: &str, value: &str| KmsTag::new((key.to_owned(), value.to_owned()));
        let length = |member: &str, min: usize, max: usize| {
            format!(
                "ValidationException: 1 validation error detected: Value at '{member}' failed to satisfy constraint: \
                 Member must have length between {min} and {max}"
            )
        };
        for (tags, text) in [
            (vec![tag("", "")], length("tagKey", 1, 128)),
            (vec![tag("a", &"v".repeat(257))], length("tags.tagValue", 0, 256)),
            (
                vec![tag("AWS:a", &"v".repeat(257))],
                "TagException: Tag keys must not begin with aws:, which is reserved: AWS:a".to_owned(),
            ),
            (vec![tag("a", "1"), tag("a", "2")], "TagException: Duplicate tag key: a".to_owned()),
            (
                (0..51).map(|number| tag(&number.to_string(), "")).collect(),
                "LimitExceededException: A key can have at most 50 tags.".to_owned(),
            ),
            (
                vec![KmsTag { tag_key: None, tag_value: None }],
                "ValidationException: 1 validation error detected: Value null at 'tags.tagKey' failed to satisfy \
                 constraint: Member must not be null"
                    .to_owned(),
            ),
        ] {
            assert_eq!(said(super::tags(Some(tags))), text);
        }
        let sorted = super::tags(Some(vec![tag("b", "1"), tag("a", "2")])).expect("good");
        assert_eq!(sorted[0].0, "a");
    }
}
