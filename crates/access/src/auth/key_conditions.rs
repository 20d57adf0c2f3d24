//! What policies can ask about a KMS key as such.

use store::tables::kms_keys::KmsKey;

/// The condition keys, in lower case, that say what a key is (KMS Developer Guide, "Condition keys"): the same of all.
pub fn condition_keys() -> Vec<(&'static str, Vec<String>)> {
    let key = |name, value: &str| (name, vec![value.to_owned()]);
    vec![
        key("kms:customermasterkeyspec", KmsKey::SPEC),
        key("kms:customermasterkeyusage", KmsKey::USAGE),
        key("kms:keyorigin", KmsKey::ORIGIN),
        key("kms:keyspec", KmsKey::SPEC),
        key("kms:keyusage", KmsKey::USAGE),
        key("kms:multiregion", "false"),
    ]
}
