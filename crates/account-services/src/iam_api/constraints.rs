//! The model's constraints on members, with the texts that IAM answers.

use api::grammar::{self, Violation, Wording};
use api::paging::ListWording;
use serde::{Deserialize, Deserializer};

use super::errors::IamError;

/// The longest name of a new user or role.
pub const MAX_USER_OR_ROLE_NAME: usize = 64;
/// The longest name of anything else, and of what is only looked up.
pub const MAX_NAME: usize = 128;
const MAX_PATH: usize = 512;

/// Values that are longer are not sent back, if that is what is wrong with them.
const MAX_SHOWN_BYTES: usize = 1024;

/// The words of IAM.
#[derive(Debug)]
pub struct Words;

/// Checks with these words.
pub type Check = grammar::Check<Words>;

impl Wording for Words {
    type Error = IamError;

    fn refuse(member: &str, value: Option<&str>, violation: Violation<'_>) -> IamError {
        let is_too_long = matches!(violation, Violation::TooLong(_));
        let shown = value.filter(|value| !is_too_long || value.len() <= MAX_SHOWN_BYTES);
        IamError::constraint(member, shown, violation.to_string())
    }
}

impl ListWording for Words {
    const LIMIT: &'static str = "maxItems";

    fn refuse_token(token: &str) -> IamError {
        IamError::constraint("marker", Some(token), "Member must be the Marker of an answer")
    }
}

/// The name of a user, group, role or policy.
pub fn name(member: &str, name: Option<String>, max: usize) -> Result<String, IamError> {
    let name = Check::required(member, name)?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
    Check::pattern(member, &name, r"[\w+=,.@-]+", is_name && !name.is_empty())?;
    Check::length(member, &name, 1, max)?;
    Ok(name)
}

/// The path of a user, group or role; `/` if none is given.
pub fn path(member: &str, path: Option<String>) -> Result<String, IamError> {
    let Some(path) = path else { return Ok("/".to_owned()) };
    let is_path = path == "/"
        || (path.len() >= 3
            && path.starts_with('/')
            && path.ends_with('/')
            && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    Check::pattern(member, &path, r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)", is_path)?;
    Check::length(member, &path, 1, MAX_PATH)?;
    Ok(path)
}

/// The path of a managed policy; `/` if none is given.
pub fn policy_path(member: &str, path: Option<String>) -> Result<String, IamError> {
    let Some(path) = path else { return Ok("/".to_owned()) };
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".,+@=_-".contains(&b));
    let inner = path.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let is_path = path == "/" || inner.is_some_and(|inner| inner.split('/').all(is_part));
    Check::pattern(member, &path, r"((/[A-Za-z0-9\.,\+@=_-]+)*)/", is_path)?;
    Check::length(member, &path, 1, MAX_PATH)?;
    Ok(path)
}

/// What the paths in a list begin with; `/` if nothing is given.
pub fn path_prefix(prefix: Option<String>) -> Result<String, IamError> {
    let Some(prefix) = prefix else { return Ok("/".to_owned()) };
    let is_prefix = prefix.starts_with('/') && prefix.bytes().all(|byte| (0x21..=0x7f).contains(&byte));
    Check::pattern("pathPrefix", &prefix, r"\u002F[\u0021-\u007F]*", is_prefix)?;
    Check::length("pathPrefix", &prefix, 1, MAX_PATH)?;
    Ok(prefix)
}

/// The description of a role or policy.
pub fn description(description: Option<String>) -> Result<Option<String>, IamError> {
    if let Some(text) = &description {
        Check::length("description", text, 0, 1000)?;
    }
    Ok(description)
}

/// An ARN of IAM's.
pub fn arn(member: &str, arn: Option<String>) -> Result<String, IamError> {
    let arn = Check::required(member, arn)?;
    Check::length(member, &arn, 20, 2048)?;
    let is_of_iam = arn.parse::<aws::Arn>().is_ok_and(|parsed| parsed.service() == "iam" && parsed.region().is_empty());
    if is_of_iam { Ok(arn) } else { Err(IamError::InvalidInput(format!("ARN {arn} is not valid."))) }
}

/// Reads a list. Clients send an empty one as an empty text. For `#[serde(default, deserialize_with = "…")]`.
pub fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given<T> {
        List(Vec<T>),
        Text(String),
    }
    match Option::<Given<T>>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Given::List(list)) => Ok(Some(list)),
        Some(Given::Text(text)) if text.is_empty() => Ok(Some(Vec::new())),
        Some(Given::Text(_)) => Err(serde::de::Error::custom("a text stands where a list belongs")),
    }
}

#[cfg(test)]
mod tests {
    use runtime::aws_error::IntoAwsError;

    use super::*;

    #[test]
    fn paths() {
        for (text, is_path, is_policy_path) in [
            ("/", true, true),
            ("/a/", true, true),
            ("/a/b/", true, true),
            ("/a", false, false),
            ("a/", false, false),
            ("", false, false),
            ("/a b/", false, false),
            ("/a!/", true, false),
            ("//", false, false),
        ] {
            assert_eq!(path("path", Some(text.to_owned())).is_ok(), is_path, "{text}");
            assert_eq!(policy_path("path", Some(text.to_owned())).is_ok(), is_policy_path, "{text}");
        }
        assert!(path("path", Some(format!("/{}/", "a".repeat(511)))).is_err());
    }

    fn said<T>(result: Result<T, IamError>) -> String {
        let error = result.err().expect("refused").into_aws_error(uuid::Uuid::nil());
        format!("{}: {}", error.code, error.message)
    }

    #[test]
    fn texts() {
        let long = "a".repeat(MAX_SHOWN_BYTES + 1);
        for (given, value, text) in [
            (said(Check::required::<()>("m", None)), "", "Member must not be null"),
            (said(Check::length("m", "a", 2, 3)), " 'a'", "Member must have length greater than or equal to 2"),
            (said(Check::length("m", "aaaa", 2, 3)), " 'aaaa'", "Member must have length less than or equal to 3"),
            (said(Check::length("m", &long, 2, 3)), "", "Member must have length less than or equal to 3"),
            (said(Check::list("m", Some(vec![0; 3]), 0, 2)), "", "Member must have length less than or equal to 2"),
            (said(Check::number("m", 0, 1, 2)), " '0'", "Member must have value greater than or equal to 1"),
            (said(Check::number("m", 3, 1, 2)), " '3'", "Member must have value less than or equal to 2"),
            (
                said(name("m", Some("a b".to_owned()), 64)),
                " 'a b'",
                r"Member must satisfy regular expression pattern: [\w+=,.@-]+",
            ),
            (
                said(Check::one_of("m", "c", &["A", "B"], |name| name)),
                " 'c'",
                "Member must satisfy enum value set: [A, B]",
            ),
        ] {
            assert_eq!(
                given,
                format!(
                    "ValidationError: 1 validation error detected: Value{value} at 'm' failed to satisfy constraint: \
                     {text}"
                )
            );
        }
    }
}
