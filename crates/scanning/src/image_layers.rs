//! Which layers an image is made of, as its manifest says, and whether such an image can be scanned.

use oci::{Descriptor, Digest, Manifest, ManifestKind};

use crate::platforms::IMAGE_CONFIGS;

/// An image's layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageLayers {
    /// From the lowest on.
    Layers(Vec<ImageLayer>),
    /// It is no image that could be scanned; says what it is.
    Unsupported(String),
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLayer {
    /// Its digest.
    pub digest: Digest,
    /// Why it cannot be read, if it cannot.
    pub problem: Option<&'static str>,
}

impl ImageLayer {
    fn of(descriptor: &Descriptor) -> Self {
        let media_type = descriptor.media_type.as_str();
        let problem = if descriptor.is_foreign() {
            Some("the layer is had elsewhere, as it may not be distributed")
        } else if media_type.contains("encrypted") {
            Some("the layer is encrypted by whoever pushed it")
        } else if media_type.contains("tar") || media_type.is_empty() {
            None
        } else {
            Some("the layer is of a kind that is not known")
        };
        Self { digest: descriptor.digest, problem }
    }
}

impl ImageLayers {
    /// What a manifest says of them.
    pub fn of(manifest: &Manifest) -> Self {
        let artifact = |what: &str| Self::Unsupported(format!("it is an artifact ({what}), and no image that is run"));
        match &manifest.kind {
            ManifestKind::Image { config, .. } if !IMAGE_CONFIGS.contains(&config.media_type.as_str()) => {
                artifact(&config.media_type)
            }
            ManifestKind::Image { layers, .. } => match &manifest.artifact_type {
                Some(artifact_type) => artifact(artifact_type),
                // What builders attest of images has the form of one, with statements in place of layers.
                None if !layers.is_empty() && layers.iter().all(|layer| layer.media_type.contains("in-toto")) => {
                    artifact("attestations")
                }
                None => Self::Layers(layers.iter().map(ImageLayer::of).collect()),
            },
            // The topmost is the first there.
            ManifestKind::SchemaV1 { layers } => {
                let layers = layers.iter().rev();
                Self::Layers(layers.map(|digest| ImageLayer { digest: *digest, problem: None }).collect())
            }
            ManifestKind::Index { .. } => Self::Unsupported("it is a list of images".to_owned()),
            ManifestKind::Artifact { .. } => artifact(manifest.artifact_type.as_deref().unwrap_or("of no type")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(config: &str, layers: &[&str], more: &str) -> ImageLayers {
        let descriptor = |media_type: &str, number: usize| {
            format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{number:064x}","size":1}}"#)
        };
        let layers: Vec<String> =
            layers.iter().enumerate().map(|(number, media_type)| descriptor(media_type, number)).collect();
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]{more}}}"#,
            "application/vnd.oci.image.manifest.v1+json",
            descriptor(config, 99),
            layers.join(",")
        );
        ImageLayers::of(&Manifest::parse(text.as_bytes(), None).expect("a manifest"))
    }

    #[test]
    fn images_have_layers_and_artifacts_have_none() {
        let packed = "application/vnd.oci.image.layer.v1.tar+gzip";
        for config in IMAGE_CONFIGS {
            let ImageLayers::Layers(layers) = of(config, &[packed, packed], "") else { panic!("{config}") };
            assert_eq!(layers.len(), 2);
            assert!(layers.iter().all(|layer| layer.problem.is_none()));
        }
        for (config, layer, more) in [
            ("application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", ""),
            ("application/vnd.oci.empty.v1+json", packed, ""),
            (IMAGE_CONFIGS[0], "application/vnd.in-toto+json", ""),
            (IMAGE_CONFIGS[0], packed, r#","artifactType":"application/spdx+json""#),
        ] {
            assert!(matches!(of(config, &[layer], more), ImageLayers::Unsupported(_)), "{config} {layer}");
        }
    }

    #[test]
    fn layers_that_cannot_be_read_say_why() {
        for (media_type, problem) in [
            ("application/vnd.oci.image.layer.v1.tar+zstd", None),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", None),
            ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Some("had elsewhere")),
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Some("had elsewhere")),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", Some("encrypted by")),
            ("application/octet-stream", Some("not known")),
        ] {
            let ImageLayers::Layers(layers) = of(IMAGE_CONFIGS[0], &[media_type], "") else { panic!("{media_type}") };
            let says = layers[0].problem.unwrap_or_default();
            assert_eq!(!says.is_empty(), problem.is_some(), "{media_type}");
            assert!(says.contains(problem.unwrap_or_default()), "{media_type}: {says}");
        }
    }
}
