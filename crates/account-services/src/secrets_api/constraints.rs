//! The model's constraints on members of Secrets Manager's requests.

use access::secret_values::errors::SecretsError;
use api::grammar::{self, MAX_TAGS, Tag, TagViolation, TagWording, Violation, Wording};
use api::paging::{self, ListWording};
use api::protocols::operation::Call;
use store::tables::secrets::SecretId;

const MAX_NAME: usize = 512;

/// The words of Secrets Manager.
#[derive(Debug)]
pub struct Words;

/// Checks with these words.
pub type Check = grammar::Check<Words>;
/// Where lists go on: after a value, and the key of a row.
pub type Page = paging::Page<Option<(String, i64)>>;

impl Wording for Words {
    type Error = SecretsError;

    fn refuse(member: &str, value: Option<&str>, violation: Violation<'_>) -> SecretsError {
        SecretsError::parameter(match violation {
            Violation::Missing => format!("{member} must not be null."),
            Violation::TooShort(bounds) | Violation::TooLong(bounds) => {
                format!("{member} must have {} to {} characters.", bounds.min, bounds.max)
            }
            Violation::TooFew(bounds) | Violation::TooMany(bounds) => {
                format!("{member} must have {} to {} entries.", bounds.min, bounds.max)
            }
            Violation::TooSmall(bounds) | Violation::TooLarge(bounds) => {
                format!("{member} must be {} to {}.", bounds.min, bounds.max)
            }
            Violation::Pattern(_) | Violation::NotOneOf(_) => {
                format!("{member} cannot be '{}'.", value.unwrap_or_default())
            }
        })
    }
}

impl ListWording for Words {
    const LIMIT: &'static str = "MaxResults";

    fn refuse_token(_: &str) -> SecretsError {
        SecretsError::InvalidNextToken
    }
}

impl TagWording for Words {
    const TAG_KEY: &'static str = "Key of a tag";
    const TAG_VALUE: &'static str = "Value of a tag";
    const VALUE_IS_REQUIRED: bool = false;

    fn refuse_tags(violation: TagViolation<'_>) -> SecretsError {
        SecretsError::parameter(match violation {
            TagViolation::TooMany => format!("A secret can have at most {MAX_TAGS} tags."),
            TagViolation::Reserved(key) => format!("The tag key {key} must not begin with aws:, which is reserved."),
            TagViolation::Repeated(key) => format!("The tag key {key} is given more than once."),
        })
    }
}

/// The name of a new secret.
pub fn name(text: Option<String>) -> Result<String, SecretsError> {
    let text = Check::required("Name", text)?;
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
    let text = Check::required("SecretId", text)?;
    Check::length("SecretId", &text, 1, 2048)?;
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
    Check::length("VersionStage", text, 1, 256)
}

/// A description.
pub fn description(text: Option<&str>) -> Result<(), SecretsError> {
    text.map_or(Ok(()), |text| Check::length("Description", text, 0, 2048))
}

/// The key to encrypt with: only Secrets Manager's own, for which the server's stands.
pub fn kms_key(key: Option<&str>) -> Result<(), SecretsError> {
    match key {
        None | Some("" | "alias/aws/secretsmanager") => Ok(()),
        Some(key) => {
            Check::length("KmsKeyId", key, 0, 2048)?;
            Err(SecretsError::KmsKeyNotFound(key.to_owned()))
        }
    }
}

/// Checks a list of tags: at most 50, no key twice, and none that begins with `aws:`. They are in the order of their keys.
pub fn tags(tags: Option<Vec<Tag>>) -> Result<Vec<(String, String)>, SecretsError> {
    let mut checked = Check::tags(tags)?;
    checked.sort();
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use api::paging::List;
    use runtime::aws_error::IntoAwsError;

    use super::*;

    fn said<T>(result: Result<T, SecretsError>) -> String {
        let error = result.err().expect("refused").into_aws_error(uuid::Uuid::nil());
        format!("{}: {}", error.code, error.message)
    }

    #[test]
    fn texts() {
        for (given, text) in [
            (said(Check::required::<()>("SecretId", None)), "SecretId must not be null."),
            (said(Check::length("SecretId", "", 1, 2048)), "SecretId must have 1 to 2048 characters."),
            (said(Check::count("VersionStages", 21, 1, 20)), "VersionStages must have 1 to 20 entries."),
            (said(Check::number("PasswordLength", 0, 1, 4096)), "PasswordLength must be 1 to 4096."),
            (said(Check::limit(Some(101), 100, 100)), "MaxResults must be 1 to 100."),
            (said(Check::one_of("SortOrder", "up", &["asc", "desc"], |name| name)), "SortOrder cannot be 'up'."),
        ] {
            assert_eq!(given, format!("InvalidParameterException: {text}"));
        }
        let refused = Check::place::<Option<(String, i64)>>(&List::of("a"), Some("?"));
        assert!(matches!(refused, Err(SecretsError::InvalidNextToken)));
    }

    #[test]
    fn texts_of_tags() {
        let tag = |key: &str, value: &str| Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        for (tags, text) in [
            (vec![Tag { key: None, value: None }], "Key of a tag must not be null."),
            (vec![tag("", "")], "Key of a tag must have 1 to 128 characters."),
            (vec![tag("a", &"v".repeat(257))], "Value of a tag must have 0 to 256 characters."),
            (vec![tag("aws:a", "")], "The tag key aws:a must not begin with aws:, which is reserved."),
            (vec![tag("a", "1"), tag("a", "2")], "The tag key a is given more than once."),
            ((0..51).map(|number| tag(&number.to_string(), "")).collect(), "A secret can have at most 50 tags."),
        ] {
            assert_eq!(said(super::tags(Some(tags))), format!("InvalidParameterException: {text}"));
        }
        let without_value = Tag { key: Some("a".to_owned()), value: None };
        assert_eq!(
            super::tags(Some(vec![tag("b", "1"), without_value])).expect("good"),
            [("a".to_owned(), String::new()), ("b".to_owned(), "1".to_owned())]
        );
    }
}
