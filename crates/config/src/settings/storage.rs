//! The sections of the configuration about where blobs are: folders of this machine, or buckets that all nodes share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime::config_error::ConfigError;
use runtime::files;
use runtime::hidden::Hidden;
use serde::{Deserialize, Serialize};
use store::blob::{BlobStore, Redirect, S3Settings, ServerSideEncryption, Tier};
use store::error::StoreError;

use super::Config;

const DEFAULT_REDIRECT_SECONDS: u32 = 20 * 60;
/// S3 signs URLs for at most 7 days.
const MAX_REDIRECT_SECONDS: u32 = 7 * 24 * 60 * 60;
const DEFAULT_BUCKET_GRACE_SECONDS: u32 = 60 * 60;
const DEFAULT_FOLDER_GRACE_SECONDS: u32 = 60;

/// Blobs. Without a bucket they are in the data folder.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// A bucket on any S3-compatible server, which all nodes name.
    pub bucket: Option<String>,
    /// The server's URL. Default: AWS.
    pub endpoint: Option<String>,
    /// The bucket's region. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, else us-east-1.
    pub region: Option<String>,
    /// What the keys of all objects begin with, such as `wharf/`. Default: nothing.
    pub prefix: Option<String>,
    /// An access key. Default: the usual chain of the environment, the credentials file, a web identity, a container's
    /// or a machine's role.
    pub access_key_id: Option<String>,
    /// The secret of that key.
    pub secret_access_key: Option<Hidden>,
    /// Whether the bucket's name is in the path and not in the host's name. Default: whether an endpoint is given.
    pub path_style: Option<bool>,
    /// Whether the endpoint may be one without TLS. Default: whether it is on this machine.
    pub allow_http: Option<bool>,
    /// Seconds for which a request to the bucket is made again if it fails. Default: 30.
    pub retry_seconds: Option<u32>,
    /// Parts of uploads that one node sends at a time, each of which takes 8 MiB of memory. Default: 16.
    pub parts_in_flight: Option<u32>,
    /// Who encrypts layers of repositories that ask for no KMS key. Default: Wharf.
    pub encryption: Option<EncryptedBy>,
    /// The encryption that the bucket is asked for with each object. Default: what the bucket does by itself.
    pub server_side_encryption: Option<SseType>,
    /// The KMS key of that encryption, if it has one. Default: the bucket's.
    pub server_side_encryption_key_id: Option<String>,
    /// Whether pulls of layers that the bucket encrypts are sent to the bucket. Default: no.
    pub redirect: Option<bool>,
    /// Seconds for which the URLs are good that pulls are sent to. Default: 1200.
    pub redirect_seconds: Option<u32>,
    /// The server's URL as clients reach it. Default: `endpoint`.
    pub public_endpoint: Option<String>,
    /// Seconds for which objects stay after the last row that named them, for pulls that go on. Default: 3600 with a
    /// bucket, else 60.
    pub object_grace_seconds: Option<u32>,
}

/// Who encrypts what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EncryptedBy {
    /// Wharf.
    #[default]
    Wharf,
    /// The bucket; what a KMS key of a repository encrypts is encrypted by Wharf as ever.
    Store,
}

/// How a bucket encrypts (S3: `x-amz-server-side-encryption`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum SseType {
    /// With keys of its own.
    #[serde(rename = "AES256")]
    Aes256,
    /// With a KMS key.
    #[serde(rename = "aws:kms")]
    Kms,
}

/// Where the layers of archived images are.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveConfig {
    /// A folder, such as one on a cheaper disk. Default: `archive` in the data folder, if blobs are there.
    pub dir: Option<PathBuf>,
    /// A bucket on the server that `storage` names. Default: that of `storage`.
    pub bucket: Option<String>,
    /// What the keys of its objects begin with. Default: that of `storage`, and `archive/`.
    pub prefix: Option<String>,
}

impl Config {
    /// The folder of archived layers in force, given the data folder; none if they are in a bucket.
    pub fn archive_dir(&self, data_dir: &Path) -> Option<PathBuf> {
        let is_in_bucket = self.archive.bucket.is_some() || self.storage.bucket.is_some();
        let default = (!is_in_bucket).then(|| data_dir.join("archive"));
        self.archive.dir.clone().or(default)
    }

    /// The folders that objects are in, given the data folder; of what is in a bucket there is none.
    pub fn object_folders(&self, data_dir: &Path) -> Vec<(Tier, PathBuf)> {
        let blobs = self.storage.bucket.is_none().then(|| (Tier::Standard, data_dir.join("blobs")));
        let archive = self.archive_dir(data_dir).map(|folder| (Tier::Archive, folder));
        blobs.into_iter().chain(archive).collect()
    }

    /// How a bucket is reached.
    fn bucket(&self, bucket: &str, prefix: String, data_dir: &Path) -> S3Settings {
        let StorageConfig { endpoint, region, access_key_id, secret_access_key, path_style, allow_http, .. } =
            self.storage.clone();
        let defaults = S3Settings::new(bucket.to_owned(), data_dir.join("spool"));
        let access_key = access_key_id.zip(secret_access_key.map(|secret| secret.expose().to_owned()));
        let server_side_encryption = self.storage.server_side_encryption.map(|kind| match kind {
            SseType::Aes256 => ServerSideEncryption::StoreKeys,
            SseType::Kms => ServerSideEncryption::Kms { key_id: self.storage.server_side_encryption_key_id.clone() },
        });
        let redirect = (self.storage.redirect == Some(true)).then(|| Redirect {
            lifetime: Duration::from_secs(self.redirect_seconds().into()),
            endpoint: self.storage.public_endpoint.clone(),
        });
        let patience = self.storage.retry_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        S3Settings {
            endpoint,
            region,
            prefix,
            access_key,
            path_style,
            allow_http,
            patience: patience.unwrap_or(defaults.patience),
            parts_in_flight: self.storage.parts_in_flight.map_or(defaults.parts_in_flight, |parts| parts as usize),
            encrypts: self.storage.encryption == Some(EncryptedBy::Store),
            server_side_encryption,
            redirect,
            ..defaults
        }
    }

    fn redirect_seconds(&self) -> u32 {
        self.storage.redirect_seconds.unwrap_or(DEFAULT_REDIRECT_SECONDS)
    }

    /// Seconds for which objects stay after the last row that named them. A reader of a file keeps it open; one of a
    /// bucket may ask for more of an object for as long as its pull takes.
    pub fn object_grace_seconds(&self) -> u32 {
        let is_in_bucket = self.storage.bucket.is_some() || self.archive.bucket.is_some();
        let default = if is_in_bucket { DEFAULT_BUCKET_GRACE_SECONDS } else { DEFAULT_FOLDER_GRACE_SECONDS };
        self.storage.object_grace_seconds.unwrap_or(default)
    }

    fn storage_prefix(&self) -> String {
        self.storage.prefix.as_deref().map_or_else(String::new, as_folder)
    }

    /// The bucket of blobs, if they are in one.
    fn standard_bucket(&self, data_dir: &Path) -> Option<S3Settings> {
        let bucket = self.storage.bucket.as_deref()?;
        let prefix = format!("{}blobs/", self.storage_prefix());
        Some(self.bucket(bucket, prefix, data_dir))
    }

    /// The bucket of archived layers, if they are in one.
    fn archive_bucket(&self, data_dir: &Path) -> Option<S3Settings> {
        if self.archive.dir.is_some() {
            return None;
        }
        let bucket = self.archive.bucket.as_deref().or(self.storage.bucket.as_deref())?;
        let prefix = match self.archive.prefix.as_deref() {
            Some(prefix) => as_folder(prefix),
            None => format!("{}archive/", self.storage_prefix()),
        };
        Some(self.bucket(bucket, prefix, data_dir))
    }

    /// Opens the stores of blobs and of archived layers.
    pub async fn open_stores(&self, data_dir: &Path) -> Result<(BlobStore, BlobStore), StoreError> {
        self.stores(data_dir, BlobStore::open).await
    }

    /// As [`open_stores`](Self::open_stores), for looking at what they hold: no folder is made.
    pub async fn find_stores(&self, data_dir: &Path) -> Result<(BlobStore, BlobStore), StoreError> {
        self.stores(data_dir, |folder| Ok(BlobStore::at(folder))).await
    }

    async fn stores(
        &self,
        data_dir: &Path,
        in_folder: fn(&Path) -> Result<BlobStore, StoreError>,
    ) -> Result<(BlobStore, BlobStore), StoreError> {
        let blobs = match self.standard_bucket(data_dir) {
            Some(bucket) => BlobStore::of_bucket(bucket)?,
            None => in_folder(&data_dir.join("blobs"))?,
        };
        let archive = match (self.archive_bucket(data_dir), self.archive_dir(data_dir)) {
            (Some(bucket), _) => BlobStore::of_bucket(bucket)?,
            (None, folder) => in_folder(&folder.unwrap_or_else(|| data_dir.join("archive")))?,
        };
        blobs.probe().await?;
        archive.probe().await?;
        Ok((blobs, archive))
    }

    /// What is wrong with these sections.
    pub(super) fn storage_problems(&self) -> Vec<ConfigError> {
        let mut problems = Vec::new();
        let mut note = |text: String| problems.push(ConfigError(text));
        let (storage, archive) = (&self.storage, &self.archive);
        if let Some(file) = archive.dir.as_ref().filter(|folder| files::exists(folder) && !files::is_dir(folder)) {
            note(format!("archive.dir: {} is a file, not a folder", file.display()));
        }
        if archive.dir.is_some() && (archive.bucket.is_some() || archive.prefix.is_some()) {
            note("archive.dir cannot be combined with archive.bucket and archive.prefix".to_owned());
        }
        if storage.access_key_id.is_some() != storage.secret_access_key.is_some() {
            note("storage.access_key_id and storage.secret_access_key must be given together".to_owned());
        }
        if storage.parts_in_flight == Some(0) {
            note("storage.parts_in_flight: at least 1 is needed".to_owned());
        }
        self.check_store_encryption(&mut note);
        let nowhere = Path::new("");
        let (standard, archived) = (self.standard_bucket(nowhere), self.archive_bucket(nowhere));
        let wrong = |bucket: Option<&S3Settings>| bucket?.check().err().map(|error| error.to_string());
        let (in_storage, in_archive) = (wrong(standard.as_ref()), wrong(archived.as_ref()));
        // The archive without a place of its own is where all other blobs are, of which that was said.
        let has_own = archive.bucket.is_some() || (archive.prefix.is_some() && in_archive != in_storage);
        let in_archive = in_archive.filter(|_| has_own || in_storage.is_none());
        for (section, said) in [("storage", in_storage), ("archive", in_archive)] {
            if let Some(said) = said {
                note(format!("{section}: {said}"));
            }
        }
        if let (Some(standard), Some(archived)) = (&standard, &archived) {
            let is_within =
                standard.prefix.starts_with(&archived.prefix) || archived.prefix.starts_with(&standard.prefix);
            if standard.bucket == archived.bucket && is_within {
                let (archived, standard) = (&archived.prefix, &standard.prefix);
                note(format!("archive.prefix: '{archived}' and the prefix of all other blobs, '{standard}', overlap"));
            }
        }
        let is_used = standard.is_some() || archived.is_some();
        if !is_used && (storage.endpoint.is_some() || storage.access_key_id.is_some() || storage.prefix.is_some()) {
            note("storage: name the bucket with storage.bucket or WHARF_STORAGE_BUCKET".to_owned());
        }
        problems
    }
}

impl Config {
    /// What is wrong with leaving encryption to the bucket, and pulls.
    fn check_store_encryption(&self, note: &mut impl FnMut(String)) {
        let storage = &self.storage;
        let is_left_to_store = storage.encryption == Some(EncryptedBy::Store);
        if is_left_to_store && storage.bucket.is_none() {
            note(
                "storage.encryption: only a bucket (storage.bucket) can encrypt in Wharf's place; in a folder Wharf does (\"wharf\")"
                    .to_owned(),
            );
        }
        if storage.server_side_encryption_key_id.is_some() && storage.server_side_encryption != Some(SseType::Kms) {
            note("storage.server_side_encryption_key_id needs server_side_encryption = \"aws:kms\"".to_owned());
        }
        let has_redirects = storage.redirect == Some(true);
        if has_redirects && storage.bucket.is_none() {
            // What else goes with redirects says nothing without one.
            note("storage.redirect needs storage.bucket: pulls can be sent to a bucket alone".to_owned());
        } else if has_redirects && !is_left_to_store {
            note(
                "storage.redirect needs storage.encryption = \"store\": clients cannot read what Wharf encrypts"
                    .to_owned(),
            );
        }
        if !has_redirects && (storage.redirect_seconds.is_some() || storage.public_endpoint.is_some()) {
            note("storage.redirect_seconds and storage.public_endpoint need storage.redirect = true".to_owned());
        }
        let lifetime = self.redirect_seconds();
        if !(1..=MAX_REDIRECT_SECONDS).contains(&lifetime) {
            note(format!("storage.redirect_seconds: 1 to {MAX_REDIRECT_SECONDS} (7 days) are possible"));
        }
        let grace = self.object_grace_seconds();
        if grace < DEFAULT_FOLDER_GRACE_SECONDS {
            note(format!("storage.object_grace_seconds: at least {DEFAULT_FOLDER_GRACE_SECONDS} are needed"));
        }
        if has_redirects && storage.bucket.is_some() && grace < lifetime {
            note(format!(
                "storage.object_grace_seconds: {grace} is less than storage.redirect_seconds, {lifetime}: URLs would \
                 outlive their objects"
            ));
        }
    }
}

/// With the slash that ends a folder's name, whether it was written or not.
fn as_folder(prefix: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        toml::from_str(text).expect("well-formed")
    }

    #[test]
    fn tiers_have_places_of_their_own() {
        let data = Path::new("/data");
        let places = |text: &str| {
            let config = config(text);
            assert!(config.storage_problems().is_empty(), "{text}: {:?}", config.storage_problems());
            let place =
                |bucket: Option<S3Settings>| bucket.map(|bucket| format!("{}:{}", bucket.bucket, bucket.prefix));
            let folder = config.archive_dir(data).map(|folder| folder.display().to_string());
            (place(config.standard_bucket(data)), place(config.archive_bucket(data)).or(folder).expect("a place"))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(places(""), (None, "/data/archive".to_owned()));
        assert_eq!(places("[storage]\nbucket = \"abc\""), (some("abc:blobs/"), "abc:archive/".to_owned()));
        let prefix = "[storage]\nbucket = \"abc\"\nprefix = \"w/\"\n";
        assert_eq!(places(prefix), (some("abc:w/blobs/"), "abc:w/archive/".to_owned()));
        let folder = format!("{prefix}[archive]\ndir = \"/cold\"");
        assert_eq!(places(&folder), (some("abc:w/blobs/"), "/cold".to_owned()));
        let cold = format!("{prefix}[archive]\nbucket = \"cold\"\nprefix = \"c\"");
        assert_eq!(places(&cold), (some("abc:w/blobs/"), "cold:c/".to_owned()));
        assert_eq!(places("[archive]\nbucket = \"cold\""), (None, "cold:archive/".to_owned()));
    }

    fn redirecting(more: &str) -> String {
        format!("[storage]\nbucket = \"abc\"\nencryption = \"store\"\nredirect = true\n{more}")
    }

    #[test]
    fn a_bucket_encrypts_and_is_pulled_from_only_if_told_to() {
        let bucket = |text: &str| {
            let config = config(text);
            assert!(config.storage_problems().is_empty(), "{text}: {:?}", config.storage_problems());
            let archive = config.archive_bucket(Path::new("/data")).expect("a bucket");
            let standard = config.standard_bucket(Path::new("/data")).expect("a bucket");
            assert_eq!((archive.encrypts, &archive.redirect), (standard.encrypts, &standard.redirect));
            (standard.encrypts, standard.redirect.map(|redirect| redirect.lifetime.as_secs()))
        };
        assert_eq!(bucket("[storage]\nbucket = \"abc\""), (false, None));
        assert_eq!(bucket("[storage]\nbucket = \"abc\"\nencryption = \"wharf\""), (false, None));
        assert_eq!(bucket("[storage]\nbucket = \"abc\"\nencryption = \"store\""), (true, None));
        assert_eq!(bucket(&redirecting("")), (true, Some(1200)));
        assert_eq!(bucket(&redirecting("redirect_seconds = 3600")), (true, Some(3600)));
        let grace = |text: &str| config(text).object_grace_seconds();
        assert_eq!(grace(""), 60);
        assert_eq!(grace("[storage]\nbucket = \"abc\""), 3600);
        assert_eq!(grace("[archive]\nbucket = \"abc\""), 3600);
        assert_eq!(grace("[storage]\nbucket = \"abc\"\nobject_grace_seconds = 90"), 90);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("[storage]\nendpoint = \"https://minio\"", "storage.bucket"),
            ("[storage]\nbucket = \"a b c\"", "storage: 'a b c'"),
            ("[storage]\nbucket = \"abc\"\nprefix = \"/x\"", "storage: prefix"),
            ("[storage]\nbucket = \"abc\"\nendpoint = \"http://10.1.1.1\"", "allow_http"),
            ("[storage]\nbucket = \"abc\"\naccess_key_id = \"a\"", "given together"),
            ("[storage]\nbucket = \"abc\"\nparts_in_flight = 0", "parts_in_flight"),
            ("[storage]\nbucket = \"abc\"\n[archive]\nprefix = \"blobs/archive/\"", "overlap"),
            ("[archive]\ndir = \"/cold\"\nbucket = \"abc\"", "archive.dir"),
            ("[storage]\nencryption = \"store\"", "only a bucket"),
            ("[archive]\nbucket = \"abc\"\n[storage]\nencryption = \"store\"", "only a bucket"),
            ("[storage]\nbucket = \"abc\"\nredirect = true", "storage.redirect needs"),
            ("[storage]\nbucket = \"abc\"\nredirect_seconds = 5", "need storage.redirect"),
            (&redirecting("redirect_seconds = 0"), "1 to 604800"),
            (&redirecting("redirect_seconds = 604801"), "1 to 604800"),
            (&redirecting("redirect_seconds = 3601"), "outlive"),
            (&redirecting("object_grace_seconds = 1199"), "outlive"),
            (&redirecting("public_endpoint = \"http://10.1.1.1\""), "public_endpoint"),
            ("[storage]\nbucket = \"abc\"\nobject_grace_seconds = 59", "at least 60"),
            ("[storage]\nbucket = \"abc\"\nserver_side_encryption_key_id = \"k\"", "aws:kms"),
        ];
        for (text, sign) in cases {
            let problems = config(text).storage_problems();
            assert!(problems.iter().any(|problem| problem.to_string().contains(sign)), "{text}: {problems:?}");
        }
        let secret = config("[storage]\nbucket = \"abc\"\naccess_key_id = \"a\"\nsecret_access_key = \"sesame\"");
        assert!(!format!("{secret:?}").contains("sesame") && !secret.in_force().expect("good").contains("sesame"));
    }
}
