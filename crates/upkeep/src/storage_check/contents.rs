//! Looking at the bytes of one blob.

use std::time::Duration;

use aws_lc_rs::digest;
use oci::{Algorithm, Digest};
use registry::Registry;
use registry::images::errors::RegistryError;
use runtime::boxed;
use runtime::timer::{self, Instant};
use store::blob::{BlobReader, Encoding};
use store::error::{ObjectDamage, StoreError, StoreErrorKind};
use store::tables::blobs::StoredBlob;

use super::finding::FindingKind;

/// How much of an object is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// All of it.
    Whole,
    /// That it is there, how long it is, and its last segment, which tells whether it was cut or, of a plain object, only
    /// whether it can be read.
    End,
}

/// What is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What.
    pub kind: FindingKind,
    /// In words.
    pub detail: String,
}

impl Damage {
    /// Whether the object was read for it: one that is locked, gone or cut off was not.
    pub const fn was_read(&self) -> bool {
        !matches!(self.kind, FindingKind::KeyUnusable | FindingKind::MissingObject | FindingKind::WrongLength)
    }
}

/// Keeps reading below a rate.
pub struct Throttle {
    bytes_per_second: u64,
    begun: Instant,
    bytes: u64,
}

impl Throttle {
    /// So many bytes in a second.
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), begun: timer::now(), bytes: 0 }
    }

    /// Waits as long as these bytes must take.
    #[boxed]
    pub async fn take(&mut self, bytes: u64) {
        self.bytes += bytes;
        let due = Duration::from_secs_f64(self.bytes as f64 / self.bytes_per_second as f64);
        timer::sleep_until(self.begun + due).await;
        // A pause earns nothing: what could have been read before is not caught up on.
        if timer::since(self.begun) > due + Duration::from_secs(1) {
            (self.begun, self.bytes) = (timer::now(), 0);
        }
    }
}

/// Looks at the object of a blob. An error means that it could not be looked at, which says nothing about it.
#[boxed]
pub async fn examine(
    app: &Registry,
    stored: &StoredBlob,
    digest: &Digest,
    depth: Depth,
    throttle: Option<&mut Throttle>,
) -> Result<Option<Damage>, StoreError> {
    let reader = match registry::images::blobs::open(app, stored).await {
        Ok(reader) => Ok(reader),
        Err(RegistryError::Store(error)) => Err(error),
        Err(other) => {
            return Ok(Some(Damage { kind: FindingKind::KeyUnusable, detail: other.to_string() }));
        }
    };
    let actual = match reader {
        Ok(reader) => read(reader, stored, digest, depth, throttle).await,
        Err(error) => Err(error),
    };
    match actual {
        Ok(actual) if actual.is_none_or(|actual| actual == *digest) => Ok(None),
        Ok(actual) => Ok(Some(Damage {
            kind: FindingKind::DigestMismatch,
            detail: format!(
                "its content has the digest {}",
                actual.map_or_else(String::new, |found| found.to_string())
            ),
        })),
        Err(error) if error.kind() == StoreErrorKind::Corrupt => {
            Ok(Some(Damage { kind: kind_of(error.object_damage()), detail: error.to_string() }))
        }
        Err(error) => Err(error),
    }
}

/// What is found of an object whose damage the store has told; of one that cannot be opened at all it tells none.
const fn kind_of(damage: Option<ObjectDamage>) -> FindingKind {
    match damage {
        Some(ObjectDamage::Missing) => FindingKind::MissingObject,
        Some(ObjectDamage::WrongLength) => FindingKind::WrongLength,
        Some(ObjectDamage::Altered) | None => FindingKind::DamagedObject,
    }
}

/// Reads what the depth asks for; the digest, if that was all.
async fn read(
    reader: BlobReader,
    stored: &StoredBlob,
    digest: &Digest,
    depth: Depth,
    mut throttle: Option<&mut Throttle>,
) -> Result<Option<Digest>, StoreError> {
    let size = stored.size_bytes;
    if size == 0 {
        return reader.digest(digest.algorithm()).await.map(Some);
    }
    // Compressed content cannot be read from its middle.
    let is_whole = depth == Depth::Whole || stored.encoding != Encoding::Identity;
    let mut stream = reader.stream(if is_whole { 0 } else { size - 1 }, size - 1);
    let mut context = digest::Context::new(match digest.algorithm() {
        Algorithm::Sha256 => &digest::SHA256,
        Algorithm::Sha512 => &digest::SHA512,
    });
    while let Some(bytes) = stream.next().await {
        let bytes = bytes?;
        context.update(&bytes);
        if let Some(throttle) = &mut throttle {
            throttle.take(bytes.len() as u64).await;
        }
    }
    if !is_whole {
        return Ok(None);
    }
    let hash = context.finish();
    let wrong = |_| StoreError::new(StoreErrorKind::Other, "a hash has a wrong length");
    Ok(Some(match digest.algorithm() {
        Algorithm::Sha256 => Digest::from_sha256(hash.as_ref().try_into().map_err(wrong)?),
        Algorithm::Sha512 => Digest::from_sha512(hash.as_ref().try_into().map_err(wrong)?),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_throttle_keeps_to_its_rate_and_saves_nothing_up() {
        let mut throttle = Throttle::new(10_000);
        let begun = Instant::now();
        for _ in 0..4 {
            throttle.take(500).await;
        }
        // Less cannot be, however busy the machine is.
        assert!(begun.elapsed() >= Duration::from_millis(200));
        // As after a pause of an hour, in which nothing was read.
        throttle.begun -= Duration::from_secs(3_600).min(throttle.begun.elapsed() + Duration::from_secs(2));
        throttle.take(1).await;
        let begun = Instant::now();
        throttle.take(1_000).await;
        assert!(begun.elapsed() >= Duration::from_millis(100));
    }
}
