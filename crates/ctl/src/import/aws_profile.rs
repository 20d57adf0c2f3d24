//! Access keys from the files that the AWS CLI keeps: `~/.aws/credentials` and `~/.aws/config`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aws::SecretAccessKey;

use crate::error::Error;
use crate::options::Credentials;

type Sections = HashMap<String, HashMap<String, String>>;

/// Where the two files are.
fn paths(variable: &dyn Fn(&str) -> Option<String>) -> [Option<PathBuf>; 2] {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let home = set("HOME").map(|home| Path::new(&home).join(".aws"));
    let path =
        |name: &str, file: &str| set(name).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(file)));
    [path("AWS_SHARED_CREDENTIALS_FILE", "credentials"), path("AWS_CONFIG_FILE", "config")]
}

/// The access key of a profile; none if neither file knows the profile.
pub(super) fn find(variable: &dyn Fn(&str) -> Option<String>, profile: &str) -> Result<Option<Credentials>, Error> {
    let mut is_known = false;
    for (path, prefix) in paths(variable).into_iter().zip(["", "profile "]) {
        let Some(path) = path else { continue };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::File { path, cause: error.to_string() }),
        };
        let sections = parse(&text);
        let named = sections.get(&format!("{prefix}{profile}"));
        // The default profile needs no prefix in either file.
        let Some(section) = named.or_else(|| sections.get("default").filter(|_| profile == "default")) else {
            continue;
        };
        is_known = true;
        let value = |name: &str| section.get(name).filter(|value| !value.is_empty()).cloned();
        if let (Some(access_key_id), Some(secret)) = (value("aws_access_key_id"), value("aws_secret_access_key")) {
            return Ok(Some(Credentials {
                source: format!("{access_key_id}, of the profile {profile} in {}", path.display()),
                access_key_id,
                secret: SecretAccessKey::new(secret),
                session_token: value("aws_session_token"),
            }));
        }
    }
    if is_known {
        return Err(Error::Usage(format!(
            "the profile {profile} has no access key of its own: put what \
             `aws configure export-credentials --profile {profile} --format env` prints into the environment"
        )));
    }
    Ok(None)
}

/// Sections of `name = value`. What is indented belongs to settings that hold no keys.
fn parse(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut current = String::new();
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            current = name.0.split_whitespace().collect::<Vec<_>>().join(" ");
            sections.entry(current.clone()).or_default();
        } else if let Some((name, value)) = line.split_once('=').filter(|_| !is_nested) {
            let section = sections.entry(current.clone()).or_default();
            section.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_profiles() {
        let folder = tempfile::tempdir().expect("a folder");
        let (credentials, config) = (folder.path().join("credentials"), folder.path().join("config"));
        std::fs::write(
            &credentials,
            "# keys\n[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key=one\n\n[ci]\n\
             AWS_ACCESS_KEY_ID=AKIACI\naws_secret_access_key = two=\naws_session_token = three\n",
        )
        .expect("written");
        std::fs::write(
            &config,
            "[profile files]\naws_access_key_id = AKIAFILES\naws_secret_access_key = four\ns3 =\n  \
             aws_access_key_id = AKIANESTED\n[profile sso]\nsso_session = x\n",
        )
        .expect("written");
        let variable = |name: &str| match name {
            "AWS_SHARED_CREDENTIALS_FILE" => Some(credentials.display().to_string()),
            "AWS_CONFIG_FILE" => Some(config.display().to_string()),
            _ => None,
        };
        for (profile, expected) in [
            ("default", Some(("AKIADEFAULT", "one", None))),
            ("ci", Some(("AKIACI", "two=", Some("three")))),
            ("files", Some(("AKIAFILES", "four", None))),
            ("other", None),
        ] {
            let found = find(&variable, profile).expect(profile);
            let found = found
                .as_ref()
                .map(|key| (key.access_key_id.as_str(), key.secret.expose(), key.session_token.as_deref()));
            assert_eq!(found, expected, "{profile}");
        }
        assert!(find(&variable, "sso").expect_err("no key").to_string().contains("export-credentials --profile sso"));
    }
}
