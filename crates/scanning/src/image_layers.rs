//! Which layers an image is made of, as its manifest says, and whether such an image can be scanned.

use oci::media_type::DOCKER_MANIFEST;
use oci::{Descriptor, Digest, Manifest, ManifestKind};

use crate::platforms::has_image_config;

/// An image's layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageLayers {
    /// From the lowest on.
    Layers(Vec<ImageLayer>),
    /// The same, of kinds that are none of files: statements on images if that is what is in them, and else layers that cannot be
    /// read, whatever whoever runs the image makes of them.
    Statements(Vec<ImageLayer>),
    /// It is no image that could be run; says what it is.
    Artifact(String),
    /// It is a list of images.
    List,
}

/// Why a layer is not read that has a media type of its own.
const UNKNOWN: &str = "the layer is of a kind that is not known";

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
            Some(UNKNOWN)
        };
        Self { digest: descriptor.digest, problem }
    }
}

fn is_dockers(manifest: &Manifest) -> bool {
    manifest.media_type.as_str().eq_ignore_ascii_case(DOCKER_MANIFEST)
}

/// How the media types of layers of files begin.
const FILES: [&str; 2] = ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."];

impl ImageLayers {
    /// What a manifest says of them. Neither what it refers to nor what it calls itself keeps it from being run.
    pub fn of(manifest: &Manifest) -> Self {
        let artifact = |what: &str| Self::Artifact(format!("it is an artifact ({what}), and no image that is run"));
        match &manifest.kind {
            ManifestKind::Image { config, layers } => {
                let is_of_files = |layer: &Descriptor| {
                    let media_type = layer.media_type.to_ascii_lowercase();
                    FILES.iter().any(|files| media_type.starts_with(files))
                };
                // Who pulls a manifest of Docker's runs it, whatever its config is called.
                let is_image = has_image_config(&config.media_type) || is_dockers(manifest);
                if !is_image && !layers.iter().any(is_of_files) {
                    return artifact(manifest.artifact_type.as_ref().unwrap_or(&config.media_type));
                }
                let named: Vec<ImageLayer> = layers.iter().map(ImageLayer::of).collect();
                // Attestations and signatures have the form of images, with statements in place of layers.
                let are_others = !named.is_empty() && named.iter().all(|layer| layer.problem == Some(UNKNOWN));
                if are_others { Self::Statements(named) } else { Self::Layers(named) }
            }
            // The topmost is the first there.
            ManifestKind::SchemaV1 { layers } => {
                let layers = layers.iter().rev();
                Self::Layers(layers.map(|digest| ImageLayer { digest: *digest, problem: None }).collect())
            }
            ManifestKind::Index { .. } => Self::List,
            ManifestKind::Artifact { .. } => artifact(manifest.artifact_type.as_deref().unwrap_or("of no type")),
        }
    }
}

#[cfg(test)]
mod tests {
    use oci::media_type::OCI_MANIFEST;

    use super::*;
    use crate::platforms::IMAGE_CONFIGS;

    fn of(config: &str, layers: &[&str], more: &str) -> ImageLayers {
        of_type(OCI_MANIFEST, config, layers, more)
    }

    fn of_type(manifest: &str, config: &str, layers: &[&str], more: &str) -> ImageLayers {
        let descriptor = |media_type: &str, number: usize| {
            format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{number:064x}","size":1}}"#)
        };
        let layers: Vec<String> =
            layers.iter().enumerate().map(|(number, media_type)| descriptor(media_type, number)).collect();
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]{more}}}"#,
            manifest,
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
        let chart = "application/vnd.cncf.helm.config.v1+json";
        for (config, layer, more) in [
            (chart, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", ""),
            ("application/vnd.oci.empty.v1+json", "application/vnd.in-toto+json", ""),
        ] {
            assert!(matches!(of(config, &[layer], more), ImageLayers::Artifact(_)), "{config} {layer}");
        }
        for layer in ["application/vnd.in-toto+json", "application/octet-stream"] {
            assert!(matches!(of(IMAGE_CONFIGS[0], &[layer, layer], ""), ImageLayers::Statements(_)), "{layer}");
        }
        // Whoever pulls these can run them, whatever they are called.
        let subject = format!(r#","subject":{{"mediaType":"a/b","digest":"sha256:{:064x}","size":1}}"#, 7);
        for (config, layer, more) in [
            (IMAGE_CONFIGS[0], packed, r#","artifactType":"application/spdx+json""#),
            (IMAGE_CONFIGS[0], packed, subject.as_str()),
            (IMAGE_CONFIGS[0], "application/x-tar", ""),
            (chart, packed, ""),
        ] {
            assert!(matches!(of(config, &[layer], more), ImageLayers::Layers(_)), "{config} {layer} {more}");
        }
        assert!(matches!(of(IMAGE_CONFIGS[0], &[packed, "application/vnd.in-toto+json"], ""), ImageLayers::Layers(_)));
        let odd = of_type(DOCKER_MANIFEST, "application/octet-stream", &["application/octet-stream"], "");
        assert!(matches!(odd, ImageLayers::Statements(_)), "its layers are looked at");
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
            let (ImageLayers::Layers(layers) | ImageLayers::Statements(layers)) =
                of(IMAGE_CONFIGS[0], &[media_type], "")
            else {
                panic!("{media_type}")
            };
            let says = layers[0].problem.unwrap_or_default();
            assert_eq!(!says.is_empty(), problem.is_some(), "{media_type}");
            assert!(says.contains(problem.unwrap_or_default()), "{media_type}: {says}");
        }
    }
}
