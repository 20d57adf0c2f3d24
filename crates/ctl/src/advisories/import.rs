//! `wharf advisories import`: the file goes to a repository as a layer, in parts, and the server takes it from there.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use oci::Digest;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::Error;
use crate::progress::ProgressLine;
use crate::waiting::Waiting;
use crate::{Outcome, Session, bytes};

use super::answer::{Answer, File, Job};
use super::describe;
use super::update::LOOK_EVERY;

/// What servers ask for in one part.
const PART_BYTES: u64 = 10 << 20;

#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The feed, such as debian, or which of its files, such as alpine/v3.20/main.
    #[arg(value_name = "FEED")]
    feed: String,
    /// The file as its publisher has it, packed or not as there; - reads standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The repository that keeps the file until it was read. It is created if there is none.
    #[arg(long, value_name = "NAME", default_value = "wharf-advisories")]
    repository: String,
    /// Take the file even if it has less than half of the records that are in force.
    #[arg(long)]
    force: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Begun {
    upload_id: String,
    part_size: u64,
}

#[derive(Deserialize)]
struct Asked {
    name: String,
}

impl ImportArgs {
    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        let Session { client, output } = session;
        let name = self.require_file(client).await?;
        let (input, bytes) = open(&self.file)?;
        let digest = self.upload(client, input, bytes).await?;
        let mut asked = json!({ "repositoryName": self.repository, "layerDigest": digest, "feed": name });
        if self.force {
            asked["force"] = true.into();
        }
        let Asked { name } = client.wharf("ImportAdvisories", &asked).await?;
        let file = wait(client, &name).await?;
        if let Some(Job { last_error, .. }) = &file.import {
            let why = last_error.as_deref().unwrap_or("the server does not say why");
            return Err(Error::File { path: self.file, cause: format!("it was not imported as {name}: {why}") });
        }
        output.show(&file, |file| {
            let broken = match file.broken_records {
                0 => String::new(),
                broken => format!(", {broken} more could not be read"),
            };
            format!("{} is in force as revision {}: {} records{broken}", file.name, file.revision, file.records)
        })?;
        Ok(Outcome::Done)
    }

    /// The one file of a feed that is meant: what cannot be imported is not uploaded before that is said.
    async fn require_file(&self, client: &Client) -> Result<String, Error> {
        let Answer { files, .. } = describe(client, std::slice::from_ref(&self.feed)).await?;
        let wrong = |text: String| Err(Error::Usage(text));
        match &files[..] {
            [] => wrong(format!("there is no feed '{}': `wharf advisories sources` lists them", self.feed)),
            [file] if !file.is_enabled => wrong(format!(
                "the feed of '{}' is switched off: `enabled = true` in [[advisories.feeds]] of the server's configuration \
                 switches it on",
                file.name
            )),
            [file] => Ok(file.name.clone()),
            [first, ..] => wrong(format!(
                "the feed '{}' has {} files: name the one that it is, such as {}",
                self.feed,
                files.len(),
                first.name
            )),
        }
    }

    async fn ecr<T: serde::de::DeserializeOwned>(
        &self,
        client: &Client,
        operation: &str,
        mut input: Value,
    ) -> Result<T, Error> {
        input["repositoryName"] = self.repository.as_str().into();
        client.ecr(operation, &input).await
    }

    /// Begins an upload, in a repository that is made if it is not there.
    async fn begin(&self, client: &Client) -> Result<Begun, Error> {
        match self.ecr(client, "InitiateLayerUpload", json!({})).await {
            Err(error) if error.code() == Some("RepositoryNotFoundException") => {
                match self.ecr::<Value>(client, "CreateRepository", json!({})).await {
                    // Somebody else was quicker.
                    Err(error) if error.code() == Some("RepositoryAlreadyExistsException") => {}
                    Err(error) => return Err(error),
                    Ok(_) => {}
                }
                self.ecr(client, "InitiateLayerUpload", json!({})).await
            }
            begun => begun,
        }
    }

    /// Uploads the file; gives its digest.
    async fn upload(&self, client: &Client, mut input: Box<dyn Read>, total: u64) -> Result<String, Error> {
        let wrong = |cause: String| Error::File { path: self.file.clone(), cause };
        let mut part = read_part(&mut input, PART_BYTES).map_err(|error| wrong(error.to_string()))?;
        if part.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        let Begun { upload_id, part_size } = self.begin(client).await?;
        let (mut hash, mut done, mut line) = (Context::new(&SHA256), 0, ProgressLine::new());
        while !part.is_empty() {
            line.show(done, total, &format!("{} sent", bytes::shown(done)));
            hash.update(&part);
            let last = done + part.len() as u64 - 1;
            let sent = json!({
                "uploadId": upload_id, "partFirstByte": done, "partLastByte": last, "layerPartBlob": STANDARD.encode(&part),
            });
            self.ecr::<Value>(client, "UploadLayerPart", sent).await?;
            done = last + 1;
            part = read_part(&mut input, part_size.clamp(1, PART_BYTES)).map_err(|error| wrong(error.to_string()))?;
        }
        line.clear();
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(hash.finish().as_ref());
        let digest = Digest::from_sha256(sha256).to_string();
        let end = json!({ "uploadId": upload_id, "layerDigests": [digest] });
        match self.ecr::<Value>(client, "CompleteLayerUpload", end).await {
            // It was uploaded before.
            Err(error) if error.code() == Some("LayerAlreadyExistsException") => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(digest)
    }
}

/// The file, and how long it is; 0 if that shows at its end.
fn open(path: &Path) -> Result<(Box<dyn Read>, u64), Error> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), 0));
    }
    let wrong = |cause: String| Error::File { path: path.to_owned(), cause };
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let about = file.metadata().map_err(|error| wrong(error.to_string()))?;
    if about.is_dir() {
        return Err(wrong("it is a folder".to_owned()));
    }
    Ok((Box::new(file), about.len()))
}

/// As much as one part holds, and less only at the end.
fn read_part(input: &mut dyn Read, bytes: u64) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    input.take(bytes).read_to_end(&mut part)?;
    Ok(part)
}

/// Waits until the file has been read, or was given up.
async fn wait(client: &Client, name: &str) -> Result<File, Error> {
    let mut waiting = Waiting::new();
    loop {
        let mut answer = describe(client, &[name.to_owned()]).await?;
        let at = answer.files.iter().position(|file| file.name == name);
        let missing = || client.missing("DescribeAdvisories", format!("there is no {name} in it"));
        let file = answer.files.swap_remove(at.ok_or_else(missing)?);
        let Some(import) = file.import.as_ref().filter(|import| import.goes_on()) else { return Ok(file) };
        let said = match (import.status.as_str(), &import.last_error) {
            ("WAITING", Some(why)) => format!("waiting to try again: {why}"),
            ("WAITING", None) => "waiting for its turn".to_owned(),
            _ => "being read".to_owned(),
        };
        waiting.show(0, 0, &format!("{name}: {said}"));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
