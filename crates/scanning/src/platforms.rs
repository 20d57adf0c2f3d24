//! Which images are scanned: those that may be run. An index stands for the images that it names. What is stored as an image
//! and is none (charts, attestations, signatures) is not scanned; where only its layers tell, they are looked at first.

use std::collections::HashSet;

use oci::media_type::{DOCKER_CONFIG, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use store::db::Tx;
use store::error::StoreError;
use store::tables::images::{self, Image};

/// The manifests of images.
const MANIFESTS: [&str; 2] = [OCI_MANIFEST, DOCKER_MANIFEST];
/// The lists of images.
const LISTS: [&str; 2] = [OCI_INDEX, DOCKER_MANIFEST_LIST];
/// The configs of images that are run, by their media types: what is in other manifests are artifacts.
pub(crate) const IMAGE_CONFIGS: [&str; 2] = [OCI_CONFIG, DOCKER_CONFIG];
/// Manifests that are looked at for one index: there are fewer platforms by far.
const MOST: usize = 200;

/// The images that are scanned for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platforms {
    /// In the order of their digests.
    pub images: Vec<Image>,
    /// Whether these are all: an index may name more than are looked at.
    pub is_whole: bool,
}

impl Platforms {
    /// What is to be said of an index whose images are not all looked at.
    pub const TOO_MANY: &str =
        "The index names more than 200 manifests, and no more are looked at: scan its images one by one";
}

/// Whether the media type of a manifest is one of those.
fn is_one_of(image: &Image, known: &[&str]) -> bool {
    let media_type = image.media_type.as_ref();
    media_type.is_some_and(|media_type| known.iter().any(|known| media_type.as_str().eq_ignore_ascii_case(known)))
}

/// Whether an image may be run, as far as is known without its layers.
fn is_scannable(image: &Image) -> bool {
    let config = image.artifact_media_type.as_deref().unwrap_or_default();
    is_one_of(image, &MANIFESTS) && has_image_config(config) && !image.is_artifact
}

/// Whether a config of that media type is an image's.
pub(crate) fn has_image_config(media_type: &str) -> bool {
    IMAGE_CONFIGS.iter().any(|known| media_type.eq_ignore_ascii_case(known))
}

/// The images that are scanned for one: itself, or those that it names if it is an index. Whatever an index names may be run by
/// somebody who pulls the index, but for what was looked at and is none.
pub fn of(tx: &mut dyn Tx, image: &Image) -> Result<Platforms, StoreError> {
    if !is_one_of(image, &LISTS) {
        let images = if is_scannable(image) { vec![image.clone()] } else { Vec::new() };
        return Ok(Platforms { images, is_whole: true });
    }
    let mut known = HashSet::from([image.id]);
    let (mut lists, mut scanned, mut is_whole) = (vec![image.id], Vec::new(), true);
    let mut at = 0;
    while let Some(list) = lists.get(at).copied() {
        for child in images::children(tx, list)? {
            if known.len() > MOST {
                is_whole = false;
                break;
            }
            if child.is_artifact || !known.insert(child.id) {
                continue;
            }
            if is_one_of(&child, &LISTS) {
                lists.push(child.id);
            } else {
                scanned.push(child);
            }
        }
        at += 1;
    }
    scanned.sort_by_key(|image| image.digest.to_string());
    Ok(Platforms { images: scanned, is_whole })
}
