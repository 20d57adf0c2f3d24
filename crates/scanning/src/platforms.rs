//! Which images are scanned: those that are made of layers of files. What refers to another image, and what is stored as an
//! image and is none (attestations, signatures, charts), is not; an index stands for the images that it names.

use std::collections::{HashMap, HashSet};

use store::db::Tx;
use store::error::StoreError;
use store::tables::image_scans;
use store::tables::images::{self, Image};
use store::tables::scanning_configurations::ScanType;

/// The manifests of images.
const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
/// The configs of images that are run, by their media types: what is in other manifests are artifacts.
pub(crate) const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// How the media types of layers of files begin. Buildx's attestations have an image's config, and other layers.
const LAYERS: [&str; 2] = ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."];
/// Images that are looked at for one index: there are fewer platforms by far.
const MOST: usize = 200;

/// Whether an image is made of layers of files.
pub fn is_scannable(tx: &mut dyn Tx, repository_id: i64, image: &Image) -> Result<bool, StoreError> {
    let is_manifest = image
        .media_type
        .as_ref()
        .is_some_and(|media_type| MANIFESTS.iter().any(|known| media_type.as_str().eq_ignore_ascii_case(known)));
    let config = image.artifact_media_type.as_deref().unwrap_or_default();
    if !is_manifest || image.subject.is_some() || !IMAGE_CONFIGS.iter().any(|known| config.eq_ignore_ascii_case(known))
    {
        return Ok(false);
    }
    let media_types = images::blob_media_types(tx, repository_id, image.id)?;
    let has_layers = media_types.iter().any(|media_type| {
        let media_type = media_type.to_ascii_lowercase();
        LAYERS.iter().any(|layer| media_type.starts_with(layer))
    });
    // Blobs have the media types that the last image gave them: another must not take this one's findings away.
    Ok(has_layers || was_scanned(tx, image.id)?)
}

fn was_scanned(tx: &mut dyn Tx, image_id: i64) -> Result<bool, StoreError> {
    for scan_type in ScanType::ALL {
        if image_scans::find(tx, image_id, scan_type)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The images that are scanned for one: itself, or those that it names if it is an index, in the order of their digests.
pub fn of(tx: &mut dyn Tx, repository_id: i64, image: &Image) -> Result<Vec<Image>, StoreError> {
    of_known(tx, repository_id, image, &mut HashMap::new())
}

/// As [`of`], for one of several images: many indexes may name the same ones, and which of them are scannable is asked once.
pub(crate) fn of_known(
    tx: &mut dyn Tx,
    repository_id: i64,
    image: &Image,
    scannable: &mut HashMap<i64, bool>,
) -> Result<Vec<Image>, StoreError> {
    let mut known = HashSet::from([image.id]);
    let mut looked_at = vec![image.clone()];
    let mut at = 0;
    while let Some(list) = looked_at.get(at).map(|image| image.id) {
        let room = MOST.saturating_sub(looked_at.len());
        let children = images::children(tx, list)?;
        looked_at.extend(children.into_iter().filter(|child| known.insert(child.id)).take(room));
        at += 1;
    }
    let mut scanned = Vec::new();
    for image in looked_at {
        let is_scanned = match scannable.get(&image.id) {
            Some(known) => *known,
            None => is_scannable(tx, repository_id, &image)?,
        };
        scannable.insert(image.id, is_scanned);
        if is_scanned {
            scanned.push(image);
        }
    }
    scanned.sort_by_key(|image| image.digest.to_string());
    Ok(scanned)
}
