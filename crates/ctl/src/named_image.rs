//! The image that a command is about as people paste it: `REPO:TAG`, also with the host of its registry in front, as
//! `docker push` has it.

use std::fmt;
use std::str::FromStr;

use aws_client::is_loopback;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::Error;
use crate::target::Target;

/// An image, and the host that was written in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedImage {
    host: Option<String>,
    target: Target,
}

impl FromStr for NamedImage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let image = |host: Option<&str>, rest: &str| match rest.parse() {
            Ok(target) => Ok(Self { host: host.map(str::to_owned), target }),
            Err(_) => Err("write REPO, REPO:TAG or REPO@DIGEST, or that after the registry's host".to_owned()),
        };
        match text.split_once('/') {
            Some((first, rest)) if is_host(first) => image(Some(first), rest),
            _ => image(None, text),
        }
    }
}

impl fmt::Display for NamedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{host}/{}", self.target),
            None => self.target.fmt(f),
        }
    }
}

/// Whether the first part of a name is a host to docker: only a host has a dot, a port or is called `localhost` there.
fn is_host(first: &str) -> bool {
    has_port(first) || (first.contains('.') && !first.contains(':')) || first == "localhost" || is_address(first)
}

/// Whether it ends in a port, which the name of a repository cannot.
fn has_port(host: &str) -> bool {
    let port = host.rsplit_once(':').filter(|(name, _)| !name.is_empty()).map(|(_, port)| port);
    port.is_some_and(|port| !host.ends_with(']') && port.parse::<u16>().is_ok())
}

/// Whether it is an address of IPv6 without a port.
fn is_address(host: &str) -> bool {
    host.starts_with('[') && host.ends_with(']')
}

/// The account and the region that the host of an account's registry names: `123456789012.dkr.ecr.us-east-1.…`.
fn account_of(host: &str) -> Option<(&str, &str)> {
    let (account, rest) = host.split_once('.')?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let services = ["dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."];
    let (region, _) = services.iter().find_map(|service| rest.strip_prefix(service))?.split_once('.')?;
    is_account.then_some((account, region))
}

/// Whether a host is that of a server, however this machine is called.
fn is_of(host: &str, endpoint: &Url) -> bool {
    let Ok(url) = Url::parse(&format!("{}://{host}", endpoint.scheme())) else { return false };
    let is_same_name = url.host_str() == endpoint.host_str() || (is_loopback(&url) && is_loopback(endpoint));
    is_same_name && url.port_or_known_default() == endpoint.port_or_known_default()
}

/// An image of the registry that a client speaks to.
#[derive(Debug, PartialEq)]
pub(crate) struct Place {
    /// The account that the name has; the caller's own if it has none.
    registry_id: Option<String>,
    /// The repository.
    pub(crate) repository: String,
    id: Value,
    /// What may have been meant for another registry's host, and is the first part of the repository's name here.
    doubtful: Option<String>,
}

impl NamedImage {
    /// The name of its repository as it was given, with the host.
    pub(crate) fn repository_name(&self) -> String {
        let repository = &self.target.repository;
        self.host.as_ref().map_or_else(|| repository.clone(), |host| format!("{host}/{repository}"))
    }

    /// Where it is, if it is in the registry that the client speaks to.
    pub(crate) fn place(&self, client: &Client) -> Result<Place, Error> {
        self.place_in(client.endpoint(), client.region()).map_err(Error::Usage)
    }

    fn place_in(&self, endpoint: &Url, region: &str) -> Result<Place, String> {
        let Target { repository, .. } = &self.target;
        let id = self.target.one_image();
        let place = |registry_id: Option<&str>| Place {
            registry_id: registry_id.map(str::to_owned),
            repository: repository.clone(),
            id: id.clone(),
            doubtful: None,
        };
        let Some(host) = &self.host else { return Ok(place(None)) };
        if let Some((account, of)) = account_of(host) {
            if of != region {
                return Err(format!(
                    "{self} is in the region {of}, and this command speaks to {region}: --region {of} names the other one"
                ));
            }
            return Ok(place(Some(account)));
        }
        if is_of(host, endpoint) {
            return Ok(place(None));
        }
        if has_port(host) || is_address(host) {
            return Err(other_registry(host, endpoint));
        }
        // The caches of other registries are called so: `quay.io/team/app`.
        Ok(Place { repository: format!("{host}/{repository}"), doubtful: Some(host.clone()), ..place(None) })
    }
}

fn other_registry(host: &str, endpoint: &Url) -> String {
    let endpoint = endpoint.as_str().trim_end_matches('/');
    format!(
        "{host} is not the registry that this command speaks to, {endpoint}: leave it out if the image is there, or name its \
         server with --endpoint"
    )
}

impl Place {
    /// As people write it, without a host.
    pub(crate) fn name(&self) -> String {
        let member = |name: &str| self.id[name].as_str();
        match (member("imageTag"), member("imageDigest")) {
            (Some(tag), _) => format!("{}:{tag}", self.repository),
            (None, digest) => format!("{}@{}", self.repository, digest.unwrap_or_default()),
        }
    }

    /// Another name of the image, such as its digest.
    pub(crate) fn with_id(&self, id: Value) -> Self {
        let Self { registry_id, repository, doubtful, .. } = self;
        Self { registry_id: registry_id.clone(), repository: repository.clone(), doubtful: doubtful.clone(), id }
    }

    /// Calls an operation of Wharf's own on the image, with these members beside those that name it.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        client: &Client,
        operation: &str,
        members: Value,
    ) -> Result<T, Error> {
        let members = with(members, "imageId", &self.id);
        self.call_on_repository(client, operation, members).await
    }

    /// The same on its repository.
    pub(crate) async fn call_on_repository<T: DeserializeOwned>(
        &self,
        client: &Client,
        operation: &str,
        members: Value,
    ) -> Result<T, Error> {
        let mut input = with(members, "repositoryName", &json!(self.repository));
        if let Some(account) = &self.registry_id {
            input = with(input, "registryId", &json!(account));
        }
        client.wharf(operation, &input).await.map_err(|error| match &self.doubtful {
            Some(host) if error.code() == Some("RepositoryNotFoundException") => Error::Usage(format!(
                "there is no repository '{}'. If {host} is meant as a host, {}",
                self.repository,
                other_registry(host, client.endpoint()).replacen(host, "it", 1)
            )),
            _ => error,
        })
    }
}

fn with(mut members: Value, name: &str, value: &Value) -> Value {
    members[name] = value.clone();
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(text: &str, endpoint: &str) -> Result<(Option<String>, String, Option<String>), String> {
        let image: NamedImage = text.parse()?;
        assert_eq!(image.to_string(), text);
        let place = image.place_in(&Url::parse(endpoint).expect("a URL"), "us-east-1")?;
        assert_eq!(place.id, json!({ "imageTag": "v1" }), "{text}");
        Ok((place.registry_id, place.repository, place.doubtful))
    }

    #[test]
    fn hosts_of_this_registry() {
        for (text, endpoint, account, repository) in [
            ("app:v1", "http://localhost:5000", None, "app"),
            ("team/app:v1", "http://localhost:5000", None, "team/app"),
            ("localhost:5000/app:v1", "http://localhost:5000", None, "app"),
            ("127.0.0.1:5000/team/app:v1", "http://localhost:5000", None, "team/app"),
            ("[::1]:5000/app:v1", "http://127.0.0.1:5000", None, "app"),
            ("registry.localhost:5000/app:v1", "http://127.0.0.1:5000", None, "app"),
            ("localhost/app:v1", "http://localhost", None, "app"),
            ("Registry.Example.com/app:v1", "https://registry.example.com", None, "app"),
            ("registry.example.com:443/app:v1", "https://registry.example.com", None, "app"),
            (
                "123456789012.dkr.ecr.us-east-1.amazonaws.com/a/b:v1",
                "http://localhost:5000",
                Some("123456789012"),
                "a/b",
            ),
            ("123456789012.dkr-ecr.us-east-1.on.aws/app:v1", "http://localhost:5000", Some("123456789012"), "app"),
            ("123456789012.dkr.ecr.us-east-1.localhost:5000/app:v1", "https://x.org", Some("123456789012"), "app"),
        ] {
            let expected = (account.map(str::to_owned), repository.to_owned(), None);
            assert_eq!(placed(text, endpoint), Ok(expected), "{text} {endpoint}");
        }
    }

    #[test]
    fn hosts_of_others() {
        for (text, said) in [
            (
                "localhost:5001/app:v1",
                "localhost:5001 is not the registry that this command speaks to, http://localhost:5000",
            ),
            ("ghcr.io:443/app:v1", "ghcr.io:443 is not the registry"),
            ("[::1]/app:v1", "[::1] is not the registry"),
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:v1",
                "is in the region eu-west-1, and this command speaks to",
            ),
            ("localhost:5000/", "write REPO"),
            ("app:", "write REPO"),
            ("localhost:5000/:v1", "write REPO"),
        ] {
            let error = placed(text, "http://localhost:5000").expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
        // A repository may be called as a host is.
        for (text, host) in [("quay.io/team/app:v1", "quay.io"), ("localhost/team/app:v1", "localhost")] {
            let expected = (None, format!("{host}/team/app"), Some(host.to_owned()));
            assert_eq!(placed(text, "http://localhost:5000"), Ok(expected), "{text}");
        }
    }
}
