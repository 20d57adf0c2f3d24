//! The rows of the table: what is measured, and what a server must hold before the clock starts.

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest;
use serde_json::json;

use crate::http::{Connection, Target};
use crate::load::{Push, Work};
use crate::payload::sha256_name;

/// The repository that every row uses.
pub const REPOSITORY: &str = "bench/app";

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Layers of the image whose manifest is fetched: as many as a usual application image has.
const LAYERS: usize = 8;

/// One row.
pub struct Row {
    /// For `--only` and the JSON results.
    pub key: &'static str,
    pub title: &'static str,
    pub connections: usize,
    pub measured: Measured,
}

/// What a row's connections do.
#[derive(Clone, Copy)]
pub enum Measured {
    ManifestGet,
    /// GET of one blob of so many bytes.
    BlobGet(u64),
    /// Pushes of distinct blobs of so many bytes.
    Push(u64),
}

pub const ROWS: &[Row] = &[
    Row { key: "manifest-get", title: "manifest GET by tag", connections: 64, measured: Measured::ManifestGet },
    Row { key: "blob-get-1k", title: "blob GET 1 KiB", connections: 16, measured: Measured::BlobGet(KIB) },
    Row { key: "blob-get-1m", title: "blob GET 1 MiB", connections: 16, measured: Measured::BlobGet(MIB) },
    Row { key: "blob-get-1g", title: "blob GET 1 GiB", connections: 1, measured: Measured::BlobGet(GIB) },
    Row { key: "push-1k", title: "push 1 KiB", connections: 16, measured: Measured::Push(KIB) },
    Row { key: "push-1m", title: "push 1 MiB", connections: 16, measured: Measured::Push(MIB) },
    Row { key: "push-1g", title: "push 1 GiB", connections: 1, measured: Measured::Push(GIB) },
];

/// How a row's rate is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Operations per second, CPU in microseconds per operation.
    Operations,
    /// MB (10^6 bytes) per second, CPU in seconds per GB (10^9 bytes).
    Megabytes,
}

impl Row {
    /// Bytes that one operation moves, where the row is about bytes.
    pub fn bytes(&self) -> Option<u64> {
        match self.measured {
            Measured::ManifestGet => None,
            Measured::BlobGet(size) | Measured::Push(size) => (size >= MIB).then_some(size),
        }
    }

    pub fn unit(&self) -> Unit {
        if self.bytes().is_some() { Unit::Megabytes } else { Unit::Operations }
    }

    /// Whether a load before the load makes sense: not where one operation takes seconds and nothing is cached.
    pub fn needs_warm_up(&self) -> bool {
        !matches!(self.measured, Measured::Push(GIB))
    }

    /// Stores what the row needs, and checks that the server returns exactly what it was given.
    pub async fn prepare(&self, target: &Target) -> Result<Work> {
        let mut connection = Connection::open(target).await?;
        match self.measured {
            Measured::ManifestGet => manifest_get(target, &mut connection).await,
            Measured::BlobGet(size) => checked_blob(target, &mut connection, size).await,
            Measured::Push(size) => {
                checked_blob(target, &mut connection, size.min(MIB)).await?;
                Ok(Work::Push(Box::new(Push::new(target, REPOSITORY, size)?)))
            }
        }
    }
}

/// Pushes a blob of `size` bytes, reads it back, and returns the GET that does so.
async fn checked_blob(target: &Target, connection: &mut Connection, size: u64) -> Result<Work> {
    let blob = Push::new(target, REPOSITORY, size)?.once(connection).await.context("push a blob")?;
    let request = target.head("GET", &format!("/v2/{REPOSITORY}/blobs/{}", blob.digest), &[]);
    connection.send(&request).await?;
    let answer = connection.expect(200).await.context("read a blob")?;
    ensure!(answer.length == size, "a blob of {size} bytes came back with {}", answer.length);
    let digest = connection.digest(answer.length).await?;
    ensure!(digest == blob.digest, "pushed {} and got back {digest}", blob.digest);
    Ok(Work::Get { request, length: size })
}

/// Pushes a small image as `latest`, reads its manifest back, and returns the GET that does so.
async fn manifest_get(target: &Target, connection: &mut Connection) -> Result<Work> {
    let push = Push::new(target, REPOSITORY, KIB)?;
    let mut descriptors = Vec::new();
    for index in 0..=LAYERS {
        let blob = push.once(connection).await.context("push a layer")?;
        let media_type = if index == 0 { CONFIG_TYPE } else { LAYER_TYPE };
        descriptors.push(json!({ "mediaType": media_type, "size": KIB, "digest": blob.digest }));
    }
    let layers = descriptors.split_off(1);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": descriptors[0], "layers": layers,
    });
    let manifest = serde_json::to_vec_pretty(&manifest)?;

    let path = format!("/v2/{REPOSITORY}/manifests/latest");
    let headers = [&format!("Content-Type: {MANIFEST_TYPE}"), &format!("Content-Length: {}", manifest.len())];
    let mut put = target.head("PUT", &path, &headers.map(String::as_str));
    put.extend_from_slice(&manifest);
    connection.send(&put).await?;
    let answer = connection.expect(201).await.context("put a manifest")?;
    connection.discard(answer.length).await?;

    let request = target.head("GET", &path, &[&format!("Accept: {MANIFEST_TYPE}")]);
    connection.send(&request).await?;
    let answer = connection.expect(200).await.context("get a manifest")?;
    let stored = connection.body(answer.length).await?;
    if stored != manifest {
        let name = sha256_name(&digest::digest(&digest::SHA256, &stored));
        bail!("the manifest came back as {name}, {} bytes for {}", stored.len(), manifest.len());
    }
    Ok(Work::Get { request, length: answer.length })
}
