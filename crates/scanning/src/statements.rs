//! Statements on images that have the form of images: attestations and signatures, with JSON in place of layers of files.

use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::Arc;

use registry::images::blobs;
use registry::images::errors::RegistryError;
use registry::images::repositories::reference;
use registry::layers;
use serde::de::IgnoredAny;
use store::error::{StoreError, StoreErrorKind};
use store::tables::repositories::Repository;

use crate::context::Scanning;
use crate::image_layers::ImageLayer;

/// Layers that have more than this together hold no statements: the largest inventories of images have some tens of millions of
/// bytes. It is also what reading them may cost.
const MOST_BYTES: u64 = 128 << 20;
/// Where the header of a tar archive has the sum of its bytes (POSIX, "ustar Interchange Format").
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Whether the layers of an image, which are of kinds of their own, hold statements: JSON that nobody can take for an archive of
/// files.
pub(crate) async fn are_statements(
    app: &Arc<Scanning>,
    repository: &Repository,
    layers: &[ImageLayer],
) -> Result<bool, RegistryError> {
    let (mut seen, mut left) = (HashSet::new(), MOST_BYTES);
    for layer in layers.iter().filter(|layer| seen.insert(layer.digest)) {
        let found = layers::find(app, &reference(repository), layer.digest).await?.for_the_server();
        let stored = found.stored(&app.registry).await.map_err(|failure| {
            RegistryError::Store(StoreError::new(StoreErrorKind::Unavailable, failure.to_string()))
        })?;
        let Some(rest) = left.checked_sub(stored.stored.size_bytes) else { return Ok(false) };
        left = rest;
        let reader = blobs::open(app, &stored.stored).await?.blocking();
        let is_statement = runtime::tasks::blocking("reading statements", move || is_statement(reader));
        let is_statement = is_statement.await?.map_err(|error| StoreError::io("a layer cannot be read", error))?;
        if !is_statement {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether it is JSON, and no archive as well.
fn is_statement(mut reader: impl Read) -> io::Result<bool> {
    let mut head = Vec::new();
    reader.by_ref().take(512).read_to_end(&mut head)?;
    if is_header(&head) {
        return Ok(false);
    }
    let whole = io::BufReader::new(head.chain(reader));
    match serde_json::from_reader::<_, IgnoredAny>(whole) {
        Ok(_) => Ok(true),
        Err(error) if error.is_io() => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// Whether bytes can be taken for the header of an archive's member: programs that read archives look at its sum, whatever else
/// is in it.
fn is_header(head: &[u8]) -> bool {
    let Some(told) = head.get(CHECKSUM).filter(|_| head.len() == 512) else { return false };
    let digits: String =
        told.iter().filter(|byte| (b'0'..=b'7').contains(byte)).map(|byte| char::from(*byte)).collect();
    let blank = |at: usize, byte: u8| if CHECKSUM.contains(&at) { b' ' } else { byte };
    let unsigned: i64 = head.iter().enumerate().map(|(at, byte)| i64::from(blank(at, *byte))).sum();
    let signed: i64 = head.iter().enumerate().map(|(at, byte)| i64::from(blank(at, *byte).cast_signed())).sum();
    i64::from_str_radix(&digits, 8).is_ok_and(|told| told == unsigned || told == signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with the sum of its bytes, for JSON that goes on behind it.
    fn header(name: &str) -> Vec<u8> {
        let mut head = vec![b' '; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[CHECKSUM].copy_from_slice(format!("{sum:06o}  ").as_bytes());
        head
    }

    #[test]
    fn json_is_a_statement_unless_it_is_an_archive_as_well() {
        let is_statement = |bytes: &[u8]| super::is_statement(bytes).expect("readable");
        let long = format!(r#"{{"predicate": "{}"}}"#, "a".repeat(2_000));
        for text in ["{}", r#"{"predicateType": "sbom"}"#, "[1]", long.as_str()] {
            assert!(is_statement(text.as_bytes()), "{text}");
        }
        for text in ["", "{", "no JSON", "{} {}", "\u{1f}\u{8b}"] {
            assert!(!is_statement(text.as_bytes()), "{text}");
        }
        // The digits of the sum stand in a text, so that all of it is JSON.
        let both = [header(r#"["a"#), br#""]"#.to_vec()].concat();
        assert!(serde_json::from_slice::<IgnoredAny>(&both).is_ok());
        assert!(!is_statement(&both));
        let mut other = both.clone();
        other[10] = b'x';
        assert!(is_statement(&other), "its sum is another");
    }
}
