//! The model's constraints on members, with the texts that IAM answers.

use aws::FormNumber;
use serde::{Deserialize, Deserializer};

use super::errors::IamError;

/// The longest name of a new user or role.
pub const MAX_USER_OR_ROLE_NAME: usize = 64;
/// The longest name of anything else, and of what is only looked up.
pub const MAX_NAME: usize = 128;
const MAX_PATH: usize = 512;

/// A member that must be there.
pub fn required<T>(member: &str, value: Option<T>) -> Result<T, IamError> {
    value.ok_or_else(|| IamError::constraint(member, None, "Member must not be null"))
}

/// The length of a text, in characters.
pub fn length(member: &str, text: &str, min: usize, max: usize) -> Result<(), IamError> {
    let length = text.chars().take(max + 1).count();
    if length < min {
        let constraint = format!("Member must have length greater than or equal to {min}");
        return Err(IamError::constraint(member, Some(text), constraint));
    }
    if length > max {
        let shown = (text.len() <= 1024).then_some(text);
        return Err(IamError::constraint(
            member,
            shown,
            format!("Member must have length less than or equal to {max}"),
        ));
    }
    Ok(())
}

fn pattern(member: &str, text: &str, pattern: &str, matches: bool) -> Result<(), IamError> {
    if matches {
        return Ok(());
    }
    let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
    Err(IamError::constraint(member, Some(text), constraint))
}

/// The name of a user, group, role or policy.
pub fn name(member: &str, name: Option<String>, max: usize) -> Result<String, IamError> {
    let name = required(member, name)?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
    pattern(member, &name, r"[\w+=,.@-]+", is_name && !name.is_empty())?;
    length(member, &name, 1, max)?;
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
    pattern(member, &path, r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)", is_path)?;
    length(member, &path, 1, MAX_PATH)?;
    Ok(path)
}

/// The path of a managed policy; `/` if none is given.
pub fn policy_path(member: &str, path: Option<String>) -> Result<String, IamError> {
    let Some(path) = path else { return Ok("/".to_owned()) };
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".,+@=_-".contains(&b));
    let inner = path.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let is_path = path == "/" || inner.is_some_and(|inner| inner.split('/').all(is_part));
    pattern(member, &path, r"((/[A-Za-z0-9\.,\+@=_-]+)*)/", is_path)?;
    length(member, &path, 1, MAX_PATH)?;
    Ok(path)
}

/// What the paths in a list begin with; `/` if nothing is given.
pub fn path_prefix(prefix: Option<String>) -> Result<String, IamError> {
    let Some(prefix) = prefix else { return Ok("/".to_owned()) };
    let is_prefix = prefix.starts_with('/') && prefix.bytes().all(|byte| (0x21..=0x7f).contains(&byte));
    pattern("pathPrefix", &prefix, r"\u002F[\u0021-\u007F]*", is_prefix)?;
    length("pathPrefix", &prefix, 1, MAX_PATH)?;
    Ok(prefix)
}

/// The description of a role or policy.
pub fn description(description: Option<String>) -> Result<Option<String>, IamError> {
    if let Some(text) = &description {
        length("description", text, 0, 1000)?;
    }
    Ok(description)
}

/// A number between bounds.
pub fn number(member: &str, number: &FormNumber, min: i64, max: i64) -> Result<i64, IamError> {
    let value = number.value();
    let bound = if value < min {
        format!("greater than or equal to {min}")
    } else if value > max {
        format!("less than or equal to {max}")
    } else {
        return Ok(value);
    };
    Err(IamError::constraint(member, Some(&number.to_string()), format!("Member must have value {bound}")))
}

/// One value of an enumeration.
pub fn one_of(member: &str, value: &str, values: &[&'static str]) -> Result<&'static str, IamError> {
    values.iter().copied().find(|known| *known == value).ok_or_else(|| {
        let constraint = format!("Member must satisfy enum value set: [{}]", values.join(", "));
        IamError::constraint(member, Some(value), constraint)
    })
}

/// An ARN of IAM's.
pub fn arn(member: &str, arn: Option<String>) -> Result<String, IamError> {
    let arn = required(member, arn)?;
    length(member, &arn, 20, 2048)?;
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
}
