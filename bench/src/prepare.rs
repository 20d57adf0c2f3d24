//! What a server must hold before a row's clock starts, and the check that it returns exactly what it was given.

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest;
use serde_json::{Value, json};

use crate::http::{Connection, Target};
use crate::load::{Exchange, Work};
use crate::payload::sha256_name;
use crate::programs::Kind;
use crate::push::Push;
use crate::rows::{By, KIB, MIB, Measured, Method, REPOSITORY, Row};
use crate::wharf;

const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Layers of the image whose manifest is fetched: as many as a usual application image has.
const LAYERS: usize = 8;
/// How many signatures the signed requests of a row have between them.
const SIGNATURES: i64 = 240;

/// An image that was pushed.
struct Pushed {
    manifest: Vec<u8>,
    /// Name and bytes of its configuration and layers.
    blobs: Vec<(String, u64)>,
}

/// Stores what the row needs, checks it, and returns what is measured.
pub async fn prepare(row: &Row, kind: Kind, target: &Target) -> Result<Work> {
    if let (Kind::BareHyper, Measured::Manifest(method, _)) = (kind, row.measured) {
        let has_body = method == Method::Get;
        let request = target.head(if has_body { "GET" } else { "HEAD" }, "/", &[]);
        return Ok(Work::Repeat(Exchange { request, length: manifest_length(), slack: 0, has_body }));
    }
    let mut connection = Connection::open(target).await?;
    match row.measured {
        Measured::Manifest(method, by) => manifest(target, &mut connection, REPOSITORY, method, by).await,
        Measured::BlobGet(size) => checked_blob(target, &mut connection, size).await.map(Work::Repeat),
        Measured::Push(size) => {
            checked_blob(target, &mut connection, size.min(MIB)).await?;
            Ok(Work::Push(Box::new(Push::new(target, REPOSITORY, size)?)))
        }
        Measured::ImagePull(layers) => image_pull(target, &mut connection, layers).await,
        Measured::DescribeRepositories => describe_repositories(target, &mut connection).await,
    }
}

/// Bytes of the manifest that is fetched, always the same.
pub fn manifest_length() -> u64 {
    let blob = (format!("sha256:{}", "0".repeat(64)), KIB);
    manifest_of(&vec![blob; LAYERS + 1]).len() as u64
}

/// Pushes a small image as `latest`, reads its manifest back, and returns the GET or HEAD of it.
pub async fn manifest(
    target: &Target,
    connection: &mut Connection,
    repository: &str,
    method: Method,
    by: By,
) -> Result<Work> {
    let pushed = push_image(target, connection, repository, LAYERS, KIB).await?;
    let length = pushed.manifest.len() as u64;
    ensure!(length == manifest_length(), "a manifest of {length} bytes");
    let digest = sha256_name(&digest::digest(&digest::SHA256, &pushed.manifest));
    let reference = if by == By::Tag { "latest" } else { &digest };
    let has_body = method == Method::Get;
    let accept = format!("Accept: {MANIFEST_TYPE}");
    let path = format!("/v2/{repository}/manifests/{reference}");
    let request = target.head(if has_body { "GET" } else { "HEAD" }, &path, &[&accept]);
    Ok(Work::Repeat(Exchange { request, length, slack: 0, has_body }))
}

/// Pushes a blob of `size` bytes, reads it back, and returns the GET that does so.
async fn checked_blob(target: &Target, connection: &mut Connection, size: u64) -> Result<Exchange> {
    let blob = Push::new(target, REPOSITORY, size)?.once(connection).await.context("push a blob")?;
    let request = target.head("GET", &format!("/v2/{REPOSITORY}/blobs/{}", blob.digest), &[]);
    connection.send(&request).await?;
    let answer = connection.expect(200).await.context("read a blob")?;
    ensure!(answer.length == size, "a blob of {size} bytes came back with {}", answer.length);
    let digest = connection.digest(answer.length).await?;
    ensure!(digest == blob.digest, "pushed {} and got back {digest}", blob.digest);
    Ok(Exchange { request, length: size, slack: 0, has_body: true })
}

/// Pushes an image of so many layers of 1 MiB, and returns a pull of all of it.
async fn image_pull(target: &Target, connection: &mut Connection, layers: usize) -> Result<Work> {
    let pushed = push_image(target, connection, REPOSITORY, layers, MIB).await?;
    let get = |path: String, length: u64| {
        let request = target.head("GET", &path, &[&format!("Accept: {MANIFEST_TYPE}")]);
        Exchange { request, length, slack: 0, has_body: true }
    };
    let manifest = get(format!("/v2/{REPOSITORY}/manifests/latest"), pushed.manifest.len() as u64);
    let blobs = pushed.blobs.iter().map(|(digest, size)| get(format!("/v2/{REPOSITORY}/blobs/{digest}"), *size));
    Ok(Work::Whole([manifest].into_iter().chain(blobs).collect()))
}

/// Requests that differ in the second that they were signed at, so that no signature is the last one's.
async fn describe_repositories(target: &Target, connection: &mut Connection) -> Result<Work> {
    let input = json!({ "repositoryNames": [REPOSITORY] });
    let mut exchanges = Vec::new();
    for seconds in 0..SIGNATURES {
        let request = wharf::signed(target, "DescribeRepositories", &input, seconds)?;
        exchanges.push(request);
    }
    in_turn(connection, exchanges, 0).await
}

/// Sends each request once, to learn how long its answer is, but for `slack` bytes; measured are all of them in turn.
pub async fn in_turn(connection: &mut Connection, requests: Vec<Vec<u8>>, slack: u64) -> Result<Work> {
    let mut exchanges = Vec::new();
    for request in requests {
        connection.send(&request).await?;
        let length = connection.expect(200).await?.length;
        connection.discard(length).await?;
        exchanges.push(Exchange { request, length, slack, has_body: true });
    }
    Ok(Work::in_turn(exchanges))
}

/// Pushes an image as `latest`, and checks that its manifest comes back as it was.
async fn push_image(
    target: &Target,
    connection: &mut Connection,
    repository: &str,
    layers: usize,
    layer_bytes: u64,
) -> Result<Pushed> {
    let (config, layer) = (Push::new(target, repository, KIB)?, Push::new(target, repository, layer_bytes)?);
    let mut blobs = vec![(config.once(connection).await.context("push a configuration")?.digest, KIB)];
    for _ in 0..layers {
        blobs.push((layer.once(connection).await.context("push a layer")?.digest, layer_bytes));
    }
    let manifest = manifest_of(&blobs);

    let path = format!("/v2/{repository}/manifests/latest");
    put_manifest(target, connection, &path, MANIFEST_TYPE, &manifest).await?;
    connection.send(&target.head("GET", &path, &[&format!("Accept: {MANIFEST_TYPE}")])).await?;
    let answer = connection.expect(200).await.context("get a manifest")?;
    let stored = connection.body(answer.length).await?;
    if stored != manifest {
        let name = sha256_name(&digest::digest(&digest::SHA256, &stored));
        bail!("the manifest came back as {name}, {} bytes for {}", stored.len(), manifest.len());
    }
    Ok(Pushed { manifest, blobs })
}

/// Puts a manifest of that media type at a path.
pub async fn put_manifest(
    target: &Target,
    connection: &mut Connection,
    path: &str,
    media_type: &str,
    manifest: &[u8],
) -> Result<()> {
    let headers = [&format!("Content-Type: {media_type}"), &format!("Content-Length: {}", manifest.len())];
    let mut put = target.head("PUT", path, &headers.map(String::as_str));
    put.extend_from_slice(manifest);
    connection.send(&put).await?;
    let answer = connection.expect(201).await.context("put a manifest")?;
    connection.discard(answer.length).await
}

/// The manifest of an image whose first blob is its configuration.
fn manifest_of(blobs: &[(String, u64)]) -> Vec<u8> {
    let describe = |(index, (digest, size)): (usize, &(String, u64))| -> Value {
        let media_type = if index == 0 { CONFIG_TYPE } else { LAYER_TYPE };
        json!({ "mediaType": media_type, "size": size, "digest": digest })
    };
    let mut descriptors: Vec<_> = blobs.iter().enumerate().map(describe).collect();
    let layers = descriptors.split_off(1);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": descriptors[0], "layers": layers,
    });
    format!("{manifest:#}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_name_a_configuration_and_layers() {
        let blobs: Vec<_> = (1..4).map(|number| (format!("sha256:{number}"), number)).collect();
        let manifest: Value = serde_json::from_slice(&manifest_of(&blobs)).unwrap();
        assert_eq!(manifest["config"], json!({ "mediaType": CONFIG_TYPE, "size": 1, "digest": "sha256:1" }));
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 2);
        assert_eq!(manifest["layers"][1], json!({ "mediaType": LAYER_TYPE, "size": 3, "digest": "sha256:3" }));
    }
}
