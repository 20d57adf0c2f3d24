//! An image manifest of one format in the other: OCI and Docker schema 2 say the same in different media types.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::media_type::{DOCKER_CONFIG, DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST};

/// Media types that mean the same, of configs and layers: OCI's, and Docker's.
const SAME: [(&str, &str); 5] = [
    (OCI_CONFIG, DOCKER_CONFIG),
    ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"),
    (
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ),
    ("application/vnd.oci.image.layer.nondistributable.v1.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar"),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    config: Descriptor,
    layers: Vec<Descriptor>,
    /// Only OCI can say that an image is an artifact, or what it refers to.
    artifact_type: Option<Value>,
    subject: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Converted<'a> {
    schema_version: u8,
    media_type: &'a str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    size: u64,
    digest: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    urls: Vec<String>,
}

impl Descriptor {
    /// With the media type that `to_docker` or OCI has for the same; none if it has none.
    fn convert(mut self, to_docker: bool) -> Option<Self> {
        let (_, other) = SAME
            .iter()
            .map(|(oci, docker)| if to_docker { (oci, docker) } else { (docker, oci) })
            .find(|(own, _)| **own == self.media_type)?;
        (*other).clone_into(&mut self.media_type);
        Some(self)
    }
}

/// Which format an image manifest of that media type can be had in beside its own, if any.
pub fn other_image_format(media_type: &str) -> Option<&'static str> {
    match media_type {
        OCI_MANIFEST => Some(DOCKER_MANIFEST),
        DOCKER_MANIFEST => Some(OCI_MANIFEST),
        _ => None,
    }
}

/// An image manifest in the other format than `media_type`, which is its own, with the same config and layers. The same
/// manifest always becomes the same bytes. What Docker has no place for, annotations, is left out.
///
/// None for what is no image of a container in both formats: lists, artifacts, attestations, layers in zstd.
pub fn convert_image(manifest: &[u8], media_type: &str) -> Option<String> {
    let other = other_image_format(media_type)?;
    let to_docker = other == DOCKER_MANIFEST;
    let image: Image = serde_json::from_slice(manifest).ok()?;
    if image.artifact_type.is_some() || image.subject.is_some() {
        return None;
    }
    // A config may be any artifact's, and only a container's is known to both.
    let is_config = |kind: &str| kind == SAME[0].0 || kind == SAME[0].1;
    if !is_config(&image.config.media_type) || image.layers.iter().any(|layer| is_config(&layer.media_type)) {
        return None;
    }
    let converted = Converted {
        schema_version: 2,
        media_type: other,
        config: image.config.convert(to_docker)?,
        layers: image.layers.into_iter().map(|layer| layer.convert(to_docker)).collect::<Option<_>>()?,
    };
    serde_json::to_string(&converted).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{Digest, Manifest, ManifestKind};

    fn image(format: usize, layers: &[usize]) -> Value {
        let kind = |at: usize| if format == 0 { SAME[at].0 } else { SAME[at].1 };
        let descriptor = |at: usize, content: &str| {
            let digest = Digest::sha256_of(content.as_bytes()).to_string();
            json!({"mediaType": kind(at), "size": content.len(), "digest": digest})
        };
        let media_type = if format == 0 { OCI_MANIFEST } else { DOCKER_MANIFEST };
        json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(0, "config"),
            "layers": layers.iter().map(|at| descriptor(*at, &format!("layer {at}"))).collect::<Vec<_>>(),
        })
    }

    fn convert(document: &Value) -> Option<Value> {
        let media_type = document["mediaType"].as_str().expect("a text");
        let converted = convert_image(document.to_string().as_bytes(), media_type)?;
        Some(serde_json::from_str(&converted).expect("JSON"))
    }

    #[test]
    fn what_only_one_format_can_say_stays() {
        let mut annotated = image(0, &[1]);
        annotated["annotations"] = json!({"a": "b"});
        annotated["layers"][0]["annotations"] = json!({"a": "b"});
        assert_eq!(convert(&annotated), Some(image(1, &[1])), "annotations are left out");
        for (member, value) in [
            ("artifactType", json!("application/x")),
            ("subject", annotated["config"].clone()),
            ("config", json!({"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": "sha256:0"})),
            ("layers", json!([{"mediaType": "application/vnd.in-toto+json", "size": 2, "digest": "sha256:0"}])),
            (
                "layers",
                json!([{"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "size": 2, "digest": "sha256:0"}]),
            ),
            ("layers", json!([annotated["config"]])),
            ("mediaType", json!("application/vnd.oci.image.index.v1+json")),
        ] {
            let mut document = image(0, &[1]);
            document[member] = value;
            assert_eq!(convert(&document), None, "{member}: {}", document[member]);
        }
    }

    #[test]
    fn foreign_layers_keep_their_places() {
        let mut document = image(1, &[3]);
        document["layers"][0]["urls"] = json!(["https://example.com/layer"]);
        let converted = convert(&document).expect("converted");
        assert_eq!(converted["layers"][0]["mediaType"], SAME[3].0);
        assert_eq!(converted["layers"][0]["urls"], document["layers"][0]["urls"]);
    }

    proptest! {
        #[test]
        fn there_and_back(format in 0..2_usize, layers in prop::collection::vec(1..5_usize, 0..6)) {
            let document = image(format, &layers);
            let converted = convert(&document).expect("an image");
            prop_assert_eq!(&converted, &image(1 - format, &layers));
            prop_assert_eq!(convert(&converted), Some(document));
            let manifest = Manifest::parse(converted.to_string().as_bytes(), None).expect("a manifest");
            let is_image = matches!(manifest.kind, ManifestKind::Image { .. });
            prop_assert!(is_image);
        }

        #[test]
        fn converting_never_panics(bytes: Vec<u8>) {
            let _ = convert_image(&bytes, OCI_MANIFEST);
        }
    }
}
