//! The credentials file of the AWS tools, the link of the usual chain between the environment and a machine's role.

use std::path::PathBuf;

use zeroize::Zeroizing;

/// Credentials of a profile.
pub(super) struct Found {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
}

/// Those of the profile in `AWS_PROFILE`, else of `default`, in the file in `AWS_SHARED_CREDENTIALS_FILE`, else in
/// `~/.aws/credentials`; none if they are not there.
pub(super) fn find() -> Option<Found> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let path = variable("AWS_SHARED_CREDENTIALS_FILE")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".aws/credentials")))?;
    let text = Zeroizing::new(std::fs::read_to_string(path).ok()?);
    read(&text, &variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned()))
}

fn read(text: &str, profile: &str) -> Option<Found> {
    let (mut id, mut secret, mut session_token) = (None, None, None);
    let mut is_profile = false;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            is_profile = name.trim() == profile;
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| is_profile) else { continue };
        let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match key.trim() {
            "aws_access_key_id" => id = value,
            "aws_secret_access_key" => secret = value,
            "aws_session_token" => session_token = value,
            _ => {}
        }
    }
    Some(Found { access_key_id: id?, secret_access_key: secret?, session_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_told_apart() {
        let text = "[default]\naws_access_key_id = A\naws_secret_access_key=a=/+\n# aws_session_token = no\n\
                    [other]\n aws_access_key_id=B\naws_secret_access_key = b\naws_session_token = t\n[half]\naws_access_key_id=C\n";
        let found = read(text, "default").expect("there");
        assert_eq!((found.access_key_id.as_str(), found.secret_access_key.as_str()), ("A", "a=/+"));
        assert!(found.session_token.is_none());
        assert_eq!(read(text, "other").expect("there").session_token.as_deref(), Some("t"));
        assert!(read(text, "half").is_none() && read(text, "absent").is_none() && read("", "default").is_none());
    }
}
