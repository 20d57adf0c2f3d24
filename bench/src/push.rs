//! A push of a blob, as a client makes it.

use anyhow::{Context, Result};
use aws_lc_rs::digest;

use crate::http::{Connection, Target};
use crate::payload::{Blob, Payload, sha256_name};

/// Up to this size, a blob leaves in one write with the head of its request.
const ONE_WRITE_BYTES: u64 = 64 * 1024;

/// Pushes of distinct blobs: POST starts an upload, one PUT with the digest brings all bytes.
pub struct Push {
    target: Target,
    start: Vec<u8>,
    payload: Payload,
}

impl Push {
    /// Pushes of blobs of `size` bytes to `repository`.
    pub fn new(target: &Target, repository: &str, size: u64) -> Result<Self> {
        Ok(Self { target: target.clone(), start: starting_head(target, repository), payload: Payload::new(size)? })
    }

    /// Pushes a blob never seen before.
    pub async fn once(&self, connection: &mut Connection) -> Result<Blob> {
        let blob = self.payload.distinct();
        let size = self.payload.size;
        let mut head = finishing_head(&self.target, connection, &self.start, &blob.digest, size).await?;
        if size <= ONE_WRITE_BYTES {
            self.payload.bytes(&blob).for_each(|piece| head.extend_from_slice(piece));
            connection.send(&head).await?;
        } else {
            connection.send(&head).await?;
            if let Err(error) = self.send_body(connection, &blob).await {
                // A server that refuses the body says why before it closes, and that is the better error.
                connection.expect(201).await?;
                return Err(error);
            }
        }
        let answer = connection.expect(201).await?;
        connection.discard(answer.length).await?;
        Ok(blob)
    }

    /// Pushes these bytes, and returns their digest.
    pub async fn bytes(target: &Target, connection: &mut Connection, repository: &str, bytes: &[u8]) -> Result<String> {
        let digest = sha256_name(&digest::digest(&digest::SHA256, bytes));
        let start = starting_head(target, repository);
        let head = finishing_head(target, connection, &start, &digest, bytes.len() as u64).await?;
        connection.send(&head).await?;
        connection.send(bytes).await?;
        let answer = connection.expect(201).await?;
        connection.discard(answer.length).await?;
        Ok(digest)
    }

    async fn send_body(&self, connection: &mut Connection, blob: &Blob) -> Result<()> {
        for piece in self.payload.bytes(blob) {
            connection.send(piece).await?;
        }
        Ok(())
    }
}

/// The request that starts an upload.
fn starting_head(target: &Target, repository: &str) -> Vec<u8> {
    target.head("POST", &format!("/v2/{repository}/blobs/uploads/"), &["Content-Length: 0"])
}

/// Starts an upload, and gives the head of the request that ends it.
async fn finishing_head(
    target: &Target,
    connection: &mut Connection,
    start: &[u8],
    digest: &str,
    size: u64,
) -> Result<Vec<u8>> {
    connection.send(start).await?;
    let answer = connection.expect(202).await?;
    connection.discard(answer.length).await?;
    let path = finishing_path(&answer.location.context("an upload without a Location")?, digest)?;
    let headers = ["Content-Type: application/octet-stream", &format!("Content-Length: {size}")];
    Ok(target.head("PUT", &path, &headers))
}

/// The path that ends an upload, from the `Location` (a URL or a path, with a query or without) that began it.
fn finishing_path(location: &str, digest: &str) -> Result<String> {
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|at| &rest[at..]),
        None => location.starts_with('/').then_some(location),
    };
    let path = path.with_context(|| format!("a Location without a path: {location:?}"))?;
    let separator = if path.contains('?') { '&' } else { '?' };
    Ok(format!("{path}{separator}digest={digest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_end_where_their_location_says() {
        let rows = [
            ("a path", "/v2/a/blobs/uploads/1", Some("/v2/a/blobs/uploads/1?digest=sha256:0")),
            ("a path with a query", "/v2/a?_state=x", Some("/v2/a?_state=x&digest=sha256:0")),
            ("a URL", "http://127.0.0.1:5000/v2/a", Some("/v2/a?digest=sha256:0")),
            ("a URL without a path", "http://127.0.0.1:5000", None),
            ("a relative path", "uploads/1", None),
        ];
        for (name, location, expected) in rows {
            assert_eq!(finishing_path(location, "sha256:0").ok().as_deref(), expected, "{name}");
        }
    }
}
