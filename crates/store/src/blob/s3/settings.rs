//! How a bucket is reached, and with which credentials.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::credentials_file;
use crate::error::{StoreError, StoreErrorKind};

/// A request that sends at most a part must be done in so long.
const REQUEST_TIME: Duration = Duration::from_secs(120);
/// An answer may stay silent for so long.
const SILENCE: Duration = Duration::from_secs(30);
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// A bucket, and the part of it that is used.
#[derive(Clone)]
pub struct S3Settings {
    /// The bucket's name.
    pub bucket: String,
    /// The server's URL, such as `https://minio.example:9000`. Default: AWS.
    pub endpoint: Option<String>,
    /// The bucket's region. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, else us-east-1.
    pub region: Option<String>,
    /// What all keys begin with. Empty or ending with a slash.
    pub prefix: String,
    /// An access key and its secret. Default: the environment, a web identity, a container's or a machine's role.
    pub access_key: Option<(String, String)>,
    /// Whether the bucket's name is in the path and not in the host's name. Default: whether an endpoint is given.
    pub path_style: Option<bool>,
    /// Whether the endpoint may be one without TLS. Default: whether it is on this machine.
    pub allow_http: Option<bool>,
    /// For so long a request that fails is made again.
    pub patience: Duration,
    /// A folder for what is received and not sent yet: at most 48 MiB for each upload.
    pub spool: PathBuf,
    /// How many parts one node sends at a time; each takes 8 MiB of memory, those of very long layers 16 MiB.
    pub parts_in_flight: usize,
    /// Whether the bucket's own encryption is relied on: then content may be stored plain.
    pub encrypts: bool,
    /// The encryption that the bucket is asked for with each object. Default: what the bucket does by itself.
    pub server_side_encryption: Option<ServerSideEncryption>,
    /// Whether and how URLs of objects are given out.
    pub redirect: Option<Redirect>,
}

/// The encryption that a bucket is asked for (S3: `x-amz-server-side-encryption`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerSideEncryption {
    /// With keys of the store (`AES256`).
    StoreKeys,
    /// With a KMS key (`aws:kms`), which is that of the bucket if none is named.
    Kms {
        /// The key's id or ARN.
        key_id: Option<String>,
    },
}

impl ServerSideEncryption {
    /// As the client library names it.
    fn options(&self) -> Vec<(&'static str, String)> {
        const TYPE: &str = "aws_server_side_encryption";
        match self {
            Self::StoreKeys => vec![(TYPE, "AES256".to_owned())],
            Self::Kms { key_id } => {
                let key_id = key_id.iter().map(|key_id| ("aws_sse_kms_key_id", key_id.clone()));
                [(TYPE, "aws:kms".to_owned())].into_iter().chain(key_id).collect()
            }
        }
    }
}

/// How URLs of objects are given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// How long one is valid: 1 s to S3's 7 days. Those that temporary credentials sign end with these at the latest.
    pub lifetime: Duration,
    /// The server's URL as clients reach it. Default: the one that Wharf uses.
    pub endpoint: Option<String>,
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Settings")
            .field("bucket", &self.bucket)
            .field("endpoint", &self.endpoint)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl S3Settings {
    /// A bucket with all defaults, of which `spool` is the only one that must fit the machine.
    pub fn new(bucket: String, spool: PathBuf) -> Self {
        Self {
            bucket,
            endpoint: None,
            region: None,
            prefix: String::new(),
            access_key: None,
            path_style: None,
            allow_http: None,
            patience: Duration::from_secs(30),
            spool,
            parts_in_flight: 16,
            encrypts: false,
            server_side_encryption: None,
            redirect: None,
        }
    }

    /// What is wrong and can be known without a request.
    pub fn check(&self) -> Result<(), StoreError> {
        let wrong = |text: String| Err(StoreError::new(StoreErrorKind::Other, text));
        let is_bucket = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !(3..=63).contains(&self.bucket.len()) || !self.bucket.bytes().all(is_bucket) {
            return wrong(format!("'{}' is not a bucket's name", self.bucket));
        }
        let is_key = |byte: u8| is_bucket(byte) || byte == b'/';
        let is_clean = self.prefix.is_empty()
            || (self.prefix.ends_with('/') && !self.prefix.starts_with('/') && !self.prefix.contains("//"));
        let has_dots = self.prefix.split('/').any(|part| part == "." || part == "..");
        if !is_clean || has_dots || self.prefix.len() > 512 || !self.prefix.bytes().all(is_key) {
            return wrong(format!(
                "prefix '{}' is not like wharf/production/: letters, digits, '-', '_', '.' and '/'",
                self.prefix
            ));
        }
        let public = self.redirect.as_ref().and_then(|redirect| redirect.endpoint.as_deref());
        for (name, endpoint) in [("endpoint", self.endpoint.as_deref()), ("public_endpoint", public)] {
            self.check_endpoint(name, endpoint)?;
        }
        Ok(())
    }

    fn check_endpoint(&self, name: &str, endpoint: Option<&str>) -> Result<(), StoreError> {
        let wrong = |text: String| Err(StoreError::new(StoreErrorKind::Other, text));
        let Some(endpoint) = endpoint else { return Ok(()) };
        let Some((scheme, host)) = endpoint.split_once("://") else {
            return wrong(format!("{name} '{endpoint}' is not a URL such as https://s3.example.com"));
        };
        let host = host.trim_end_matches('/');
        let is_good =
            matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']);
        if !is_good {
            return wrong(format!("{name} '{endpoint}' is not a URL of a host, such as https://s3.example.com:9000"));
        }
        if scheme == "http" && !self.allow_http.unwrap_or_else(|| is_loopback(host)) {
            return wrong(format!("{name} '{endpoint}' is without TLS: allow_http = true permits that"));
        }
        Ok(())
    }

    /// The region in force.
    pub(super) fn region(&self) -> String {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        self.region
            .clone()
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .unwrap_or_else(|| "us-east-1".to_owned())
    }

    /// The URL that keys follow, without a slash at its end.
    pub(super) fn url(&self) -> String {
        self.url_at(self.endpoint.as_deref())
    }

    fn url_at(&self, endpoint: Option<&str>) -> String {
        let region = self.region();
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let endpoint = match endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://s3.{region}.amazonaws.com{suffix}"),
        };
        if self.is_path_style() {
            return format!("{endpoint}/{}", self.bucket);
        }
        endpoint.replacen("://", &format!("://{}.", self.bucket), 1)
    }

    fn is_path_style(&self) -> bool {
        // A name with dots fits no certificate of a wildcard.
        self.path_style.unwrap_or(self.endpoint.is_some() || self.bucket.contains('.'))
    }

    pub(super) fn retry(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: 12,
            retry_timeout: self.patience,
        }
    }

    fn is_http(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"))
    }

    /// For requests whose answer is short.
    pub(super) fn short_requests(&self) -> ClientOptions {
        self.options().with_timeout(REQUEST_TIME)
    }

    fn options(&self) -> ClientOptions {
        ClientOptions::new().with_allow_http(self.is_http()).with_connect_timeout(CONNECT_TIME)
    }

    /// Clients for short requests and for reading objects of any length.
    pub(super) fn clients(&self) -> Result<(AmazonS3, AmazonS3), StoreError> {
        self.check()?;
        let endpoint = self.endpoint.as_deref();
        let writing = self.builder(endpoint).with_client_options(self.short_requests()).build();
        let reading = self.options().with_timeout_disabled().with_read_timeout(SILENCE);
        let reading = self.builder(endpoint).with_client_options(reading).build();
        let fail = |error| StoreError::new(StoreErrorKind::Other, "the bucket's settings").with_source(error);
        Ok((writing.map_err(fail)?, reading.map_err(fail)?))
    }

    /// A client that signs URLs of the address that clients use, with the credentials of another one.
    pub(super) fn signing_client(&self, redirect: &Redirect, client: &AmazonS3) -> Result<AmazonS3, StoreError> {
        let endpoint = redirect.endpoint.as_deref().or(self.endpoint.as_deref());
        let builder = self.builder(endpoint).with_client_options(self.short_requests());
        let signing = builder.with_credentials(Arc::clone(client.credentials())).build();
        signing.map_err(|error| StoreError::new(StoreErrorKind::Other, "the bucket's settings").with_source(error))
    }

    fn builder(&self, endpoint: Option<&str>) -> AmazonS3Builder {
        // Not all of the environment: AWS_ENDPOINT_URL may well name this very server.
        const CHAIN: [(&str, AmazonS3ConfigKey); 9] = [
            ("AWS_ACCESS_KEY_ID", AmazonS3ConfigKey::AccessKeyId),
            ("AWS_SECRET_ACCESS_KEY", AmazonS3ConfigKey::SecretAccessKey),
            ("AWS_SESSION_TOKEN", AmazonS3ConfigKey::Token),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
            ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
            ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
        ];
        let mut builder = AmazonS3Builder::new();
        if let Some((id, secret)) = &self.access_key {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        } else {
            let mut is_named = false;
            for (name, key) in CHAIN {
                if let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) {
                    is_named |= !matches!(key, AmazonS3ConfigKey::RoleSessionName | AmazonS3ConfigKey::RoleArn);
                    builder = builder.with_config(key, value);
                }
            }
            if let Some(found) = (!is_named).then(credentials_file::find).flatten() {
                builder =
                    builder.with_access_key_id(found.access_key_id).with_secret_access_key(found.secret_access_key);
                if let Some(token) = found.session_token {
                    builder = builder.with_token(token);
                }
            }
        }
        let url = self.url_at(endpoint);
        let is_http = url.starts_with("http://");
        for (name, value) in self.server_side_encryption.iter().flat_map(ServerSideEncryption::options) {
            let key: AmazonS3ConfigKey = name.parse().expect("the client library has these options");
            builder = builder.with_config(key, value);
        }
        builder
            .with_bucket_name(&self.bucket)
            .with_region(self.region())
            .with_endpoint(if self.is_path_style() {
                url.trim_end_matches(&self.bucket).trim_end_matches('/').to_owned()
            } else {
                url
            })
            .with_virtual_hosted_style_request(!self.is_path_style())
            .with_allow_http(is_http)
            // TLS protects what it carries; without it the signature does, and always the segments' own tags.
            .with_unsigned_payload(!is_http)
            // One request for each object, which every server knows.
            .with_disable_bulk_delete(true)
            .with_retry(self.retry())
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl FnOnce(&mut S3Settings)) -> S3Settings {
        let mut settings = S3Settings::new("bucket".to_owned(), PathBuf::from("/tmp"));
        settings.region = Some("eu-west-1".to_owned());
        change(&mut settings);
        settings
    }

    #[test]
    fn urls_follow_the_style() {
        let cases = [
            (settings(|_| ()), "https://bucket.s3.eu-west-1.amazonaws.com"),
            (settings(|s| s.path_style = Some(true)), "https://s3.eu-west-1.amazonaws.com/bucket"),
            (settings(|s| s.region = Some("cn-north-1".into())), "https://bucket.s3.cn-north-1.amazonaws.com.cn"),
            (settings(|s| s.bucket = "a.b".into()), "https://s3.eu-west-1.amazonaws.com/a.b"),
            (settings(|s| s.endpoint = Some("http://localhost:9000/".into())), "http://localhost:9000/bucket"),
            (
                settings(|s| {
                    s.endpoint = Some("https://minio:9000".into());
                    s.path_style = Some(false);
                }),
                "https://bucket.minio:9000",
            ),
        ];
        for (settings, url) in cases {
            assert_eq!(settings.url(), url);
            settings.clients().unwrap_or_else(|error| panic!("{url}: {error}"));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let endpoint = |text: &str| settings(|s| s.endpoint = Some(text.to_owned()));
        let prefix = |text: &str| settings(|s| s.prefix = text.to_owned());
        let cases = [
            (settings(|s| s.bucket = "a/b".into()), "a/b"),
            (settings(|s| s.bucket = String::new()), "bucket"),
            (endpoint("minio:9000"), "minio:9000"),
            (endpoint("ftp://minio"), "ftp"),
            (endpoint("https://minio/path"), "path"),
            (endpoint("http://10.0.0.1:9000"), "allow_http"),
            (endpoint("http://localhost.example:9000"), "allow_http"),
            (prefix("/a/"), "prefix"),
            (prefix("a"), "prefix"),
            (prefix("a/../"), "prefix"),
            (prefix("a b/"), "prefix"),
        ];
        for (settings, sign) in cases {
            let error = settings.check().expect_err(sign);
            assert!(error.to_string().contains(sign), "{sign}: {error}");
        }
        for good in ["http://127.0.0.1:1", "http://[::1]:9000", "http://localhost", "https://s3.example.com"] {
            endpoint(good).check().unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        settings(|s| {
            s.endpoint = Some("http://10.0.0.1:9000".to_owned());
            s.allow_http = Some(true);
            s.prefix = "wharf/production-1/".to_owned();
        })
        .check()
        .expect("allowed");
    }
}
