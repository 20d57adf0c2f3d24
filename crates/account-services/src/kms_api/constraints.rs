//! The model's constraints on members of KMS's requests.

use std::collections::BTreeMap;

use access::kms::{KmsError, key_ref};
use api::protocols::operation::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use store::blob::EncryptionContext;
use store::db::Tx;
use store::tables::kms_keys::{self, KeyRef, KmsKey};
use zeroize::Zeroizing;

/// Most tags of a key (KMS Developer Guide, "Quotas").
pub const MAX_TAGS: usize = 50;
/// Most characters of an encryption context (KMS Developer Guide, "Encryption context").
const MAX_CONTEXT: usize = 8_192;
/// The longest ciphertext (model: `CiphertextType`).
const MAX_CIPHERTEXT: usize = 6_144;

/// A member that must be there.
pub fn required<T>(member: &str, value: Option<T>) -> Result<T, KmsError> {
    value.ok_or_else(|| {
        KmsError::validation(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// The length of a text, in characters.
pub fn length(member: &str, text: &str, min: usize, max: usize) -> Result<(), KmsError> {
    if (min..=max).contains(&text.chars().take(max + 1).count()) {
        return Ok(());
    }
    Err(KmsError::validation(format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must have length between \
         {min} and {max}"
    )))
}

/// The characters of a text.
pub fn pattern(member: &str, text: &str, pattern: &str, fits: impl Fn(u8) -> bool) -> Result<(), KmsError> {
    if text.bytes().all(fits) {
        return Ok(());
    }
    Err(KmsError::validation(format!(
        "1 validation error detected: Value '{text}' at '{member}' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: {pattern}"
    )))
}

/// The key that a member names.
pub fn key_id(call: &Call<'_>, member: &str, text: Option<String>) -> Result<KeyRef, KmsError> {
    let text = required(member, text)?;
    length(member, &text, 1, 2048)?;
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
    let text = required(member, text)?;
    let bytes = STANDARD.decode(text).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| KmsError::validation(format!("{member} must be base64")))?;
    if (1..=max).contains(&bytes.len()) {
        return Ok(bytes);
    }
    Err(KmsError::validation(format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must have length between 1 \
         and {max}"
    )))
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

/// `Tag`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    tag_key: Option<String>,
    tag_value: Option<String>,
}

impl Tag {
    /// Of a stored tag.
    pub fn new((key, value): (String, String)) -> Self {
        Self { tag_key: Some(key), tag_value: Some(value) }
    }
}

/// Checks a list of tags: at most 50, no key twice, and none that begins with `aws:`.
pub fn tags(tags: Option<Vec<Tag>>) -> Result<Vec<(String, String)>, KmsError> {
    let tags = tags.unwrap_or_default();
    if tags.len() > MAX_TAGS {
        return Err(KmsError::LimitExceeded(format!("A key can have at most {MAX_TAGS} tags.")));
    }
    let mut checked: Vec<(String, String)> = Vec::new();
    for tag in tags {
        let key = required("tags.tagKey", tag.tag_key)?;
        let value = required("tags.tagValue", tag.tag_value)?;
        tag_key(&key)?;
        length("tags.tagValue", &value, 0, 256)?;
        if checked.iter().any(|(known, _)| *known == key) {
            return Err(KmsError::Tag(format!("Duplicate tag key: {key}")));
        }
        checked.push((key, value));
    }
    checked.sort();
    Ok(checked)
}

/// Checks the key of a tag.
pub fn tag_key(key: &str) -> Result<(), KmsError> {
    length("tagKey", key, 1, 128)?;
    if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
        return Err(KmsError::Tag(format!("Tag keys must not begin with aws:, which is reserved: {key}")));
    }
    Ok(())
}
