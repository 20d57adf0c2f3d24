//! Logins that docker keeps: its `config.json`, and the credential helpers that it names.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::login::Secret;
use crate::error::Error;

/// Docker Hub's name in the file.
const HUB: &str = "https://index.docker.io/v1/";
/// Helpers answer with this name when the password is an identity token.
const TOKEN_USER: &str = "<token>";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: HashMap<String, Auth>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

/// Where docker keeps its configuration.
pub(super) fn path(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let folder = variable("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folder = folder.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".docker")))?;
    Some(folder.join("config.json"))
}

/// What docker logs in with at a registry; none if it knows nothing of it.
pub(super) fn find(path: &Path, host: &str) -> Result<Option<Secret>, Error> {
    let wrong = |cause: String| Error::File { path: path.to_owned(), cause };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let file: File = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let names = names_of(host);
    let helper = names.iter().find_map(|name| file.cred_helpers.get(name)).or(file.creds_store.as_ref());
    if let Some(helper) = helper {
        for name in &names {
            if let Some(secret) = ask(helper, name).map_err(&wrong)? {
                return Ok(Some(secret));
            }
        }
    }
    let known = |name: &String| {
        let found = file.auths.get(name);
        found.or_else(|| file.auths.iter().find(|(key, _)| host_of(key) == *name).map(|(_, auth)| auth))
    };
    match names.iter().find_map(known) {
        Some(auth) => read(auth).map_err(|cause| wrong(format!("the entry of {host}: {cause}"))),
        None => Ok(None),
    }
}

fn names_of(host: &str) -> Vec<String> {
    match host {
        "registry-1.docker.io" | "docker.io" | "index.docker.io" => {
            [HUB, "docker.io", "index.docker.io", "registry-1.docker.io"].map(str::to_owned).to_vec()
        }
        _ => vec![host.to_owned()],
    }
}

/// The host and port of a key, which older dockers wrote as a URL.
fn host_of(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

fn read(auth: &Auth) -> Result<Option<Secret>, String> {
    if !auth.identitytoken.is_empty() {
        return Ok(Some(Secret::IdentityToken(auth.identitytoken.clone())));
    }
    if !auth.username.is_empty() {
        return Ok(Some(Secret::Password { user: auth.username.clone(), password: auth.password.clone() }));
    }
    if auth.auth.is_empty() {
        // A login that a credential helper keeps leaves an empty entry.
        return Ok(None);
    }
    let unreadable = || "its auth is no base64 of USER:PASSWORD".to_owned();
    let pair = STANDARD.decode(&auth.auth).ok().and_then(|pair| String::from_utf8(pair).ok()).ok_or_else(unreadable)?;
    let (user, password) = pair.split_once(':').ok_or_else(unreadable)?;
    Ok(Some(Secret::Password { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() }))
}

/// Asks `docker-credential-<helper>`; none if it knows nothing of the registry.
fn ask(helper: &str, name: &str) -> Result<Option<Secret>, String> {
    let program = format!("docker-credential-{helper}");
    if helper.contains(['/', '\\']) {
        return Err(format!("'{helper}' is no name of a credential helper"));
    }
    let failed = |error: std::io::Error| format!("{program}: {error}");
    let mut command = Command::new(&program);
    let command = command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(name.as_bytes()).map_err(failed)?;
    }
    let answer = child.wait_with_output().map_err(failed)?;
    if !answer.status.success() {
        return Ok(None);
    }
    let login: Helped = serde_json::from_slice(&answer.stdout).map_err(|_| format!("{program} gave no login"))?;
    Ok(Some(match login.username.as_str() {
        TOKEN_USER => Secret::IdentityToken(login.secret),
        _ => Secret::Password { user: login.username, password: login.secret },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &str, password: &str) -> Secret {
        Secret::Password { user: user.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn logins() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.json");
        assert_eq!(find(&path, "localhost:5000").expect("no file"), None);
        std::fs::write(
            &path,
            r#"{"auths": {
                "localhost:5000": {"auth": "dTpwOnE="},
                "https://old.example/v1/": {"username": "u", "password": "p"},
                "https://index.docker.io/v1/": {"auth": "aHViOnB3"},
                "cloud.example": {"auth": "MDA6", "identitytoken": "refresh"},
                "helped.example": {},
                "broken.example": {"auth": "%"}
            }}"#,
        )
        .expect("written");
        for (host, expected) in [
            ("localhost:5000", Some(password("u", "p:q"))),
            ("old.example", Some(password("u", "p"))),
            ("registry-1.docker.io", Some(password("hub", "pw"))),
            ("cloud.example", Some(Secret::IdentityToken("refresh".to_owned()))),
            ("helped.example", None),
            ("elsewhere.example", None),
        ] {
            assert_eq!(find(&path, host).expect(host), expected, "{host}");
        }
        assert!(find(&path, "broken.example").expect_err("no base64").to_string().contains("base64"));
        std::fs::write(&path, r#"{"credHelpers": {"a.example": "../evil"}}"#).expect("written");
        assert!(find(&path, "a.example").expect_err("no name").to_string().contains("no name of a credential helper"));
        std::fs::write(&path, "[").expect("written");
        assert!(find(&path, "a.example").is_err());
    }
}
