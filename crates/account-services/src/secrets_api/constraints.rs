//! The model's constraints on members of Secrets Manager's requests.

use access::secret_values::errors::SecretsError;
use api::protocols::operation::Call;
use serde::{Deserialize, Serialize};
use store::tables::secrets::SecretId;

/// Most tags of a secret (Secrets Manager quotas).
pub const MAX_TAGS: usize = 50;
const MAX_NAME: usize = 512;

/// A member that must be there.
pub fn required<T>(member: &str, value: Option<T>) -> Result<T, SecretsError> {
    value.ok_or_else(|| SecretsError::parameter(format!("{member} must not be null.")))
}

/// The length of a text, in characters.
pub fn length(member: &str, text: &str, min: usize, max: usize) -> Result<(), SecretsError> {
    if (min..=max).contains(&text.chars().take(max + 1).count()) {
        return Ok(());
    }
    Err(SecretsError::parameter(format!("{member} must have {min} to {max} characters.")))
}

/// The name of a new secret.
pub fn name(text: Option<String>) -> Result<String, SecretsError> {
    let text = required("Name", text)?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_+=.@!".contains(&byte);
    if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_allowed) {
        return Ok(text);
    }
    Err(SecretsError::parameter(
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    ))
}

/// Which secret is meant: by its name, its ARN, or its ARN without the six characters at the end.
pub fn secret_id(call: &Call<'_>, text: Option<String>) -> Result<SecretId, SecretsError> {
    let text = required("SecretId", text)?;
    length("SecretId", &text, 1, 2048)?;
    if !text.starts_with("arn:") {
        return Ok(SecretId { registry: call.own_registry(), text, is_arn: false });
    }
    access::secret_values::arn(&text)
        .filter(|id| id.registry.region == call.caller.region)
        .ok_or_else(|| SecretsError::parameter(format!("Invalid ARN: {text}")))
}

/// A version's id: what a client gave as its token, or a new one.
pub fn client_token(token: Option<String>) -> Result<String, SecretsError> {
    match token {
        None => Ok(runtime::random::uuid().to_string()),
        Some(token) => version_id("ClientRequestToken", Some(token)).map(Option::unwrap_or_default),
    }
}

/// The id of a version.
pub fn version_id(member: &str, text: Option<String>) -> Result<Option<String>, SecretsError> {
    if let Some(text) = &text
        && !((32..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Err(SecretsError::parameter(format!("{member} must have 32 to 64 characters.")));
    }
    Ok(text)
}

/// A stage.
pub fn stage(text: &str) -> Result<(), SecretsError> {
    length("VersionStage", text, 1, 256)
}

/// A description.
pub fn description(text: Option<&str>) -> Result<(), SecretsError> {
    text.map_or(Ok(()), |text| length("Description", text, 0, 2048))
}

/// The key to encrypt with: only Secrets Manager's own, for which the server's stands.
pub fn kms_key(key: Option<&str>) -> Result<(), SecretsError> {
    match key {
        None | Some("" | "alias/aws/secretsmanager") => Ok(()),
        Some(key) => {
            length("KmsKeyId", key, 0, 2048)?;
            Err(SecretsError::KmsKeyNotFound(key.to_owned()))
        }
    }
}

/// `Tag`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    key: Option<String>,
    value: Option<String>,
}

impl Tag {
    /// Stored tags.
    pub fn list(tags: &[(String, String)]) -> Vec<Self> {
        tags.iter().map(|(key, value)| Self { key: Some(key.clone()), value: Some(value.clone()) }).collect()
    }
}

/// Checks a list of tags: at most 50, no key twice, and none that begins with `aws:`.
pub fn tags(tags: Option<Vec<Tag>>) -> Result<Vec<(String, String)>, SecretsError> {
    let tags = tags.unwrap_or_default();
    if tags.len() > MAX_TAGS {
        return Err(SecretsError::parameter(format!("A secret can have at most {MAX_TAGS} tags.")));
    }
    let mut checked: Vec<(String, String)> = Vec::new();
    for tag in tags {
        let key = required("Key of a tag", tag.key)?;
        let value = tag.value.unwrap_or_default();
        tag_key(&key)?;
        length("Value of a tag", &value, 0, 256)?;
        if checked.iter().any(|(known, _)| *known == key) {
            return Err(SecretsError::parameter(format!("The tag key {key} is given more than once.")));
        }
        checked.push((key, value));
    }
    checked.sort();
    Ok(checked)
}

/// Checks the key of a tag.
pub fn tag_key(key: &str) -> Result<(), SecretsError> {
    length("Key of a tag", key, 1, 128)?;
    if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
        return Err(SecretsError::parameter(format!("The tag key {key} must not begin with aws:, which is reserved.")));
    }
    Ok(())
}
