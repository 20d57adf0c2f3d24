//! Manifests as docker, buildah, BuildKit, cosign and ORAS write them, changed.

use std::collections::HashSet;

use mutate::Form;
use oci::{Descriptor, Manifest, ManifestKind, MediaType, convert_image, other_image_format};
use serde_json::Value;

const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_V1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
const ORAS: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";

/// Manifests, and what they are pushed as.
const SEEDS: [(&str, &str); 8] = [
    (OCI_IMAGE, include_str!("seeds/oci_image.json")),
    (OCI_IMAGE, include_str!("seeds/oci_signature.json")),
    (OCI_INDEX, include_str!("seeds/oci_index.json")),
    (DOCKER_IMAGE, include_str!("seeds/docker_image.json")),
    (DOCKER_IMAGE, include_str!("seeds/docker_foreign_layer.json")),
    (DOCKER_LIST, include_str!("seeds/docker_list.json")),
    (DOCKER_V1, include_str!("seeds/docker_v1.json")),
    (ORAS, include_str!("seeds/oras_artifact.json")),
];

/// What a manifest's lists may have (`oci::manifest`).
const MAX_DESCRIPTORS: usize = 10_000;

fn seeds() -> [&'static str; SEEDS.len()] {
    SEEDS.map(|(_, text)| text)
}

fn media_type(text: &str) -> MediaType {
    text.parse().expect("a media type")
}

#[test]
fn the_seeds_are_manifests() {
    for (declared, text) in SEEDS {
        let manifest = Manifest::parse(text.as_bytes(), Some(&media_type(declared)));
        assert!(manifest.is_ok_and(|manifest| manifest.media_type.as_str() == declared), "{text}");
    }
}

#[test]
fn manifests() {
    mutate::inputs(Form::Json, &seeds(), 2_000, |input| {
        // Docker schema 1 does not say what it is.
        let is_v1 = String::from_utf8_lossy(input).contains("fsLayers");
        let pushed_as = if is_v1 { DOCKER_V1 } else { SEEDS[input.len() % SEEDS.len()].0 };
        for declared in [None, Some(media_type(pushed_as))] {
            let read = Manifest::parse(input, declared.as_ref());
            let again = Manifest::parse(input, declared.as_ref());
            assert_eq!(format!("{read:?}"), format!("{again:?}"));
            match read {
                Ok(manifest) => {
                    keeps_to_its_limits(&manifest);
                    is_what_others_read(input, &manifest, declared.as_ref());
                    has_one_counterpart(input, &manifest);
                }
                Err(error) => assert!(error.to_string().len() <= 10 * input.len() + 400, "{error}"),
            }
        }
    });
}

fn lists(manifest: &Manifest) -> Vec<&Descriptor> {
    let named: Vec<&Descriptor> = match &manifest.kind {
        ManifestKind::Image { config, layers } => std::iter::once(config).chain(layers).collect(),
        ManifestKind::Index { manifests } => manifests.iter().collect(),
        ManifestKind::Artifact { blobs } => blobs.iter().collect(),
        ManifestKind::SchemaV1 { .. } => Vec::new(),
    };
    named.into_iter().chain(&manifest.subject).collect()
}

fn keeps_to_its_limits(manifest: &Manifest) {
    let is_of_its_type = match &manifest.kind {
        ManifestKind::Image { .. } => [OCI_IMAGE, DOCKER_IMAGE].contains(&manifest.media_type.as_str()),
        ManifestKind::Index { .. } => [OCI_INDEX, DOCKER_LIST].contains(&manifest.media_type.as_str()),
        ManifestKind::Artifact { .. } => manifest.media_type.as_str().contains("artifact.manifest.v1+json"),
        ManifestKind::SchemaV1 { .. } => manifest.media_type.as_str().contains("manifest.v1+"),
    };
    assert!(is_of_its_type, "{manifest:?}");
    let blobs = manifest.blobs();
    assert!(blobs.len() <= MAX_DESCRIPTORS + 1, "{} blobs", blobs.len());
    let distinct: HashSet<_> = blobs.iter().map(|blob| blob.digest).collect();
    assert_eq!(distinct.len(), blobs.len(), "a blob twice");
    assert!(lists(manifest).len() <= MAX_DESCRIPTORS + 2);
    if let ManifestKind::SchemaV1 { layers } = &manifest.kind {
        assert!(layers.len() <= MAX_DESCRIPTORS, "{} layers", layers.len());
    }
    assert!(manifest.children().is_empty() || blobs.is_empty());
    assert!(i64::try_from(manifest.image_size_bytes()).is_ok());
    // What databases hold and pages show.
    let texts = lists(manifest).into_iter().map(|descriptor| &descriptor.media_type);
    let texts = texts.chain(manifest.annotations.iter().flat_map(|(key, value)| [key, value]));
    assert!(texts.chain(&manifest.artifact_type).all(|text| !text.contains('\0')));
    assert!(manifest.artifact_media_type().is_none_or(|text| !text.is_empty()));
}

/// The same document in other bytes is the same manifest, and whoever reads it as plain JSON finds the same in it.
fn is_what_others_read(input: &[u8], manifest: &Manifest, declared: Option<&MediaType>) {
    // Not every reader of JSON takes what one takes that passes over values unread.
    let Ok(document) = serde_json::from_slice::<Value>(input) else { return };
    has_one_reading(&document);
    for text in [document.to_string(), format!("\n {document:#}\t")] {
        let again = Manifest::parse(text.as_bytes(), declared).expect("the same document");
        assert_eq!(format!("{again:?}"), format!("{manifest:?}"));
    }
    let digests = |member: &str, name: &str| -> Vec<String> {
        let items = document[member].as_array().into_iter().flatten();
        items.map(|item| item[name].as_str().expect("it was read").to_owned()).collect()
    };
    let read = |descriptors: &[Descriptor]| -> Vec<String> {
        descriptors.iter().map(|descriptor| descriptor.digest.to_string()).collect()
    };
    match &manifest.kind {
        ManifestKind::Image { config, layers } => {
            assert_eq!(document["config"]["digest"], config.digest.to_string());
            assert_eq!(document["config"]["size"], config.size);
            assert_eq!(digests("layers", "digest"), read(layers));
        }
        ManifestKind::Index { manifests } => assert_eq!(digests("manifests", "digest"), read(manifests)),
        ManifestKind::Artifact { blobs } => assert_eq!(digests("blobs", "digest"), read(blobs)),
        ManifestKind::SchemaV1 { layers } => {
            let layers: Vec<String> = layers.iter().map(ToString::to_string).collect();
            assert_eq!(digests("fsLayers", "blobSum"), layers);
        }
    }
    assert_eq!(document["subject"]["digest"].as_str().is_some(), manifest.subject.is_some());
}

/// Clients in Go take a member's name in any case, and some letters for others. None of them may find another member.
fn has_one_reading(document: &Value) {
    const OWN: [&str; 7] = ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "annotations"];
    const OF_DESCRIPTORS: [&str; 3] = ["mediaType", "digest", "size"];
    let folded = |name: &str| name.replace('\u{17f}', "s").replace('\u{212a}', "k").to_ascii_lowercase();
    let lists = ["layers", "manifests", "blobs"].map(|list| document[list].as_array());
    let descriptors = lists.into_iter().flatten().flatten().chain([&document["config"], &document["subject"]]);
    let objects = descriptors.map(|descriptor| (descriptor, &OF_DESCRIPTORS[..])).chain([(document, &OWN[..])]);
    for (object, known) in objects {
        for name in object.as_object().into_iter().flat_map(|members| members.keys()) {
            let alike = known.iter().find(|known| folded(known) == folded(name));
            assert!(alike.is_none_or(|known| known == name), "{name} is read as {alike:?}");
        }
    }
}

/// What can be had in the other format names the same blobs there, and comes back as the same bytes.
fn has_one_counterpart(input: &[u8], manifest: &Manifest) {
    let own = manifest.media_type.as_str();
    let Some(converted) = convert_image(input, own) else { return };
    let other = other_image_format(own).expect("it was converted");
    let read = Manifest::parse(converted.as_bytes(), None).expect("a manifest");
    assert_eq!(read.media_type.as_str(), other);
    let blobs = |manifest: &Manifest| -> Vec<_> {
        manifest.blobs().iter().map(|blob| (blob.digest, blob.size_bytes, blob.is_required)).collect()
    };
    assert_eq!(blobs(&read), blobs(manifest));
    let back = convert_image(converted.as_bytes(), other).expect("what was converted");
    assert_eq!(convert_image(back.as_bytes(), own).expect("what was converted"), converted);
    assert_eq!(convert_image(input, own), Some(converted));
}
