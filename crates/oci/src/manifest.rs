//! Reading manifests: what an image, a list or an artifact names (OCI image specification; Docker schema 2 and 1).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::error::Category;

use crate::digest::Digest;
use crate::media_type::{
    DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, DOCKER_V1, DOCKER_V1_SIGNED, MediaType, OCI_ARTIFACT, OCI_INDEX,
    OCI_MANIFEST, ORAS_ARTIFACT,
};
use crate::member_names::{Members, Object, Platform};

/// reference/repositories-images.md 4: 'imageManifest'.
pub const MAX_MANIFEST_BYTES: usize = 4_194_304;
/// More than any real image has; bounds the work that one manifest can cause.
const MAX_DESCRIPTORS: usize = 10_000;

/// A manifest as far as a registry needs it.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its media type.
    pub media_type: MediaType,
    /// What it names.
    pub kind: ManifestKind,
    /// `artifactType`, if it has one.
    pub artifact_type: Option<String>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What a manifest names.
#[derive(Clone, Debug)]
pub enum ManifestKind {
    /// An image, or an artifact in the form of one.
    Image {
        /// Its config.
        config: Descriptor,
        /// Its layers.
        layers: Vec<Descriptor>,
    },
    /// A list of manifests.
    Index {
        /// The manifests.
        manifests: Vec<Descriptor>,
    },
    /// An artifact manifest of OCI's release candidates or ORAS.
    Artifact {
        /// Its blobs.
        blobs: Vec<Descriptor>,
    },
    /// Docker schema 1.
    SchemaV1 {
        /// Its layers.
        layers: Vec<Digest>,
    },
}

/// A descriptor (OCI image specification, "Content Descriptors").
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Length of the content in bytes.
    pub size: u64,
}

impl Descriptor {
    /// Whether it can be an image's: its media type is a manifest's, or not given.
    pub fn may_be_manifest(&self) -> bool {
        const MANIFESTS: [&str; 8] = [
            OCI_MANIFEST,
            OCI_INDEX,
            DOCKER_MANIFEST,
            DOCKER_MANIFEST_LIST,
            ORAS_ARTIFACT,
            OCI_ARTIFACT,
            DOCKER_V1,
            DOCKER_V1_SIGNED,
        ];
        self.media_type.is_empty() || MANIFESTS.contains(&self.media_type.as_str())
    }

    /// Whether it is a layer that may not be distributed, and so is to be had elsewhere (OCI image specification,
    /// "Non-Distributable Layers"; Docker's foreign layers).
    pub fn is_foreign(&self) -> bool {
        ["nondistributable", "diff.tar.foreign", "rootfs.foreign"].iter().any(|part| self.media_type.contains(part))
    }
}

/// A blob that a manifest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedBlob<'a> {
    /// Its digest.
    pub digest: Digest,
    /// The media type that the manifest gives it.
    pub media_type: &'a str,
    /// Its length in bytes, if the manifest says; Docker schema 1 does not.
    pub size_bytes: Option<u64>,
    /// Whether the repository must have it before the manifest.
    pub is_required: bool,
}

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON.
    #[error("Invalid JSON syntax")]
    InvalidJson,
    /// Neither declared nor inside.
    #[error("image manifest mediatype not provided in manifest or parameter")]
    MediaTypeMissing,
    /// Declared and inside, and different.
    #[error("the manifest's mediaType is '{inside}', but it was pushed as '{declared}'")]
    MediaTypeMismatch {
        /// What the client says.
        declared: String,
        /// What the manifest says.
        inside: String,
    },
    /// No manifest's type.
    #[error("manifests of media type '{0}' are not supported")]
    UnsupportedMediaType(String),
    /// JSON, but no manifest.
    #[error("{0}")]
    Invalid(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<i64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Object<RawDescriptor>>,
    layers: Option<Vec<Object<RawDescriptor>>>,
    manifests: Option<Vec<Object<RawDescriptor>>>,
    blobs: Option<Vec<Object<RawDescriptor>>>,
    fs_layers: Option<Vec<Object<FsLayer>>>,
    subject: Option<Object<RawDescriptor>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: Option<String>,
    digest: Option<String>,
    size: Option<i64>,
    #[serde(default, rename = "platform")]
    _platform: Option<Platform>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FsLayer {
    blob_sum: Option<String>,
}

impl Members for Document {
    const KNOWN: &'static [&'static str] = &[
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "manifests",
        "blobs",
        "fsLayers",
        "subject",
        "annotations",
    ];
}

impl Members for RawDescriptor {
    const KNOWN: &'static [&'static str] =
        &["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"];
}

impl Members for FsLayer {
    const KNOWN: &'static [&'static str] = &["blobSum"];
}

impl Document {
    /// Refuses NUL in what a registry shows and stores of a manifest; not every database can hold it.
    fn check_texts(&self) -> Result<(), ManifestError> {
        let lists = [&self.layers, &self.manifests, &self.blobs];
        let descriptors = self.config.iter().chain(&self.subject).chain(lists.into_iter().flatten().flatten());
        let annotations = self.annotations.iter().flatten().flat_map(|(key, value)| [key, value]);
        let own = [&self.media_type, &self.artifact_type].into_iter().flatten();
        let mut texts = own.chain(descriptors.filter_map(|raw| raw.0.media_type.as_ref())).chain(annotations);
        if texts.any(|text| text.contains('\0')) { Err(invalid("a text holds a NUL character")) } else { Ok(()) }
    }
}

fn invalid(text: impl Into<String>) -> ManifestError {
    ManifestError::Invalid(text.into())
}

impl RawDescriptor {
    fn check(self, member: &str) -> Result<Descriptor, ManifestError> {
        let digest = self.digest.ok_or_else(|| invalid(format!("{member}.digest is missing")))?;
        let digest = digest.parse().map_err(|error| invalid(format!("{member}.digest '{digest}': {error}")))?;
        let size = self.size.ok_or_else(|| invalid(format!("{member}.size is missing")))?;
        let size = u64::try_from(size).map_err(|_| invalid(format!("{member}.size is negative")))?;
        let media_type = self.media_type.unwrap_or_default();
        Ok(Descriptor { media_type, digest, size })
    }
}

fn check_length<T>(list: &[T], member: &str) -> Result<(), ManifestError> {
    if list.len() > MAX_DESCRIPTORS {
        return Err(invalid(format!("{member} has more than {MAX_DESCRIPTORS} entries")));
    }
    Ok(())
}

fn check_all(list: Vec<Object<RawDescriptor>>, member: &str) -> Result<Vec<Descriptor>, ManifestError> {
    check_length(&list, member)?;
    list.into_iter().enumerate().map(|(at, raw)| raw.0.check(&format!("{member}[{at}]"))).collect()
}

fn check_sums(list: Vec<Object<FsLayer>>) -> Result<Vec<Digest>, ManifestError> {
    check_length(&list, "fsLayers")?;
    let sums = list.into_iter().map(|layer| layer.0.blob_sum.unwrap_or_default()).enumerate();
    sums.map(|(at, sum)| sum.parse().map_err(|error| invalid(format!("fsLayers[{at}].blobSum '{sum}': {error}"))))
        .collect()
}

impl Manifest {
    /// Reads a manifest that was declared as `declared`, if the client said.
    pub fn parse(bytes: &[u8], declared: Option<&MediaType>) -> Result<Self, ManifestError> {
        // The API gives manifests as texts, so what is no text can be no manifest, not even in members that nobody reads.
        let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::InvalidJson)?;
        let Object(document) =
            serde_json::from_str::<Object<Document>>(text).map_err(|error| match error.classify() {
                Category::Data => invalid(format!("not a manifest: {error}")),
                Category::Io | Category::Syntax | Category::Eof => ManifestError::InvalidJson,
            })?;
        let media_type = media_type(&document, declared)?;
        let kind = kind(&media_type, &document)?;
        document.check_texts()?;
        let Document { artifact_type, config, layers, manifests, blobs, fs_layers, subject, annotations, .. } =
            document;
        let kind = match kind {
            Kind::Image => ManifestKind::Image {
                config: config.ok_or_else(|| invalid("config is missing"))?.0.check("config")?,
                layers: check_all(layers.ok_or_else(|| invalid("layers is missing"))?, "layers")?,
            },
            Kind::Index => ManifestKind::Index {
                manifests: check_all(manifests.ok_or_else(|| invalid("manifests is missing"))?, "manifests")?,
            },
            Kind::Artifact => ManifestKind::Artifact { blobs: check_all(blobs.unwrap_or_default(), "blobs")? },
            Kind::SchemaV1 => {
                ManifestKind::SchemaV1 { layers: check_sums(fs_layers.ok_or_else(|| invalid("fsLayers is missing"))?)? }
            }
        };
        Ok(Self {
            media_type,
            kind,
            artifact_type: artifact_type.filter(|text| !text.is_empty()),
            subject: subject.map(|subject| subject.0.check("subject")).transpose()?,
            annotations: annotations.unwrap_or_default(),
        })
    }

    /// The blobs that it names, each once.
    pub fn blobs(&self) -> Vec<NamedBlob<'_>> {
        const SCHEMA_V1_LAYER: &str = "application/vnd.docker.container.image.rootfs.diff+x-gtar";
        fn required(descriptor: &Descriptor) -> NamedBlob<'_> {
            NamedBlob {
                digest: descriptor.digest,
                media_type: &descriptor.media_type,
                size_bytes: Some(descriptor.size),
                is_required: true,
            }
        }
        let mut seen = std::collections::HashSet::new();
        let named: Vec<NamedBlob<'_>> = match &self.kind {
            ManifestKind::Image { config, layers } => {
                let layers =
                    layers.iter().map(|layer| NamedBlob { is_required: !layer.is_foreign(), ..required(layer) });
                std::iter::once(required(config)).chain(layers).collect()
            }
            ManifestKind::Artifact { blobs } => blobs.iter().map(required).collect(),
            ManifestKind::SchemaV1 { layers } => layers
                .iter()
                .map(|digest| NamedBlob {
                    digest: *digest,
                    media_type: SCHEMA_V1_LAYER,
                    size_bytes: None,
                    is_required: true,
                })
                .collect(),
            ManifestKind::Index { .. } => Vec::new(),
        };
        named.into_iter().filter(|blob| seen.insert(blob.digest)).collect()
    }

    /// The manifests of a list.
    pub fn children(&self) -> &[Descriptor] {
        match &self.kind {
            ManifestKind::Index { manifests } => manifests,
            ManifestKind::Image { .. } | ManifestKind::Artifact { .. } | ManifestKind::SchemaV1 { .. } => &[],
        }
    }

    /// Bytes of config and layers, as the manifest states them; 0 for lists.
    pub fn image_size_bytes(&self) -> u64 {
        let sum = |list: &[Descriptor]| list.iter().fold(0_u64, |sum, descriptor| sum.saturating_add(descriptor.size));
        let bytes = match &self.kind {
            ManifestKind::Image { config, layers } => config.size.saturating_add(sum(layers)),
            ManifestKind::Artifact { blobs } => sum(blobs),
            ManifestKind::Index { .. } | ManifestKind::SchemaV1 { .. } => 0,
        };
        bytes.min(i64::MAX as u64)
    }

    /// ECR's `artifactMediaType`: `artifactType`, else the config's type; none for lists (reference/repositories-images.md
    /// 4).
    pub fn artifact_media_type(&self) -> Option<&str> {
        match &self.kind {
            ManifestKind::Index { .. } => None,
            ManifestKind::Image { .. } | ManifestKind::Artifact { .. } | ManifestKind::SchemaV1 { .. } => {
                self.referrer_artifact_type()
            }
        }
    }

    /// The type under which referrers lists show it: `artifactType`, else the config's (OCI distribution, "Listing
    /// Referrers").
    pub fn referrer_artifact_type(&self) -> Option<&str> {
        let config = match &self.kind {
            ManifestKind::Image { config, .. } => Some(config.media_type.as_str()),
            ManifestKind::Index { .. } | ManifestKind::Artifact { .. } | ManifestKind::SchemaV1 { .. } => None,
        };
        self.artifact_type.as_deref().or(config).filter(|text| !text.is_empty())
    }
}

fn media_type(document: &Document, declared: Option<&MediaType>) -> Result<MediaType, ManifestError> {
    // A client that names no type in particular (curl does) has not declared one.
    let unspecific = ["application/json", "application/octet-stream", "application/x-www-form-urlencoded"];
    let declared =
        declared.filter(|declared| !unspecific.iter().any(|text| declared.as_str().eq_ignore_ascii_case(text)));
    let inside = document.media_type.as_deref().filter(|text| !text.is_empty());
    match (declared, inside) {
        (Some(declared), Some(inside)) if !declared.as_str().eq_ignore_ascii_case(inside) => {
            Err(ManifestError::MediaTypeMismatch { declared: declared.to_string(), inside: inside.to_owned() })
        }
        // As the manifest spells it, which is what clients compare with.
        (_, Some(inside)) => {
            inside.parse().map_err(|_| ManifestError::UnsupportedMediaType(inside.chars().take(255).collect()))
        }
        (Some(declared), None) => Ok(declared.to_lowercase()),
        (None, None) => Err(ManifestError::MediaTypeMissing),
    }
}

enum Kind {
    Image,
    Index,
    Artifact,
    SchemaV1,
}

fn kind(media_type: &MediaType, document: &Document) -> Result<Kind, ManifestError> {
    // A document that could be read as two kinds would mean different things to different clients.
    if document.manifests.is_some() && (document.layers.is_some() || document.config.is_some()) {
        return Err(invalid("a manifest cannot have both 'manifests' and 'layers' or 'config'"));
    }
    let (kind, version) = match media_type.as_str() {
        DOCKER_MANIFEST | OCI_MANIFEST => (Kind::Image, Some(2)),
        DOCKER_MANIFEST_LIST | OCI_INDEX => (Kind::Index, Some(2)),
        ORAS_ARTIFACT | OCI_ARTIFACT => (Kind::Artifact, None),
        DOCKER_V1 | DOCKER_V1_SIGNED => (Kind::SchemaV1, Some(1)),
        other => return Err(ManifestError::UnsupportedMediaType(other.to_owned())),
    };
    if version.is_some() && document.schema_version != version {
        let version = version.unwrap_or_default();
        return Err(invalid(format!("schemaVersion must be {version}")));
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn descriptor(content: &[u8]) -> serde_json::Value {
        json!({"mediaType": "application/x", "digest": Digest::sha256_of(content).to_string(), "size": content.len()})
    }

    fn image() -> serde_json::Value {
        json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(b"c"),
            "layers": [descriptor(b"l1"), descriptor(b"l1"), descriptor(b"l22")], "annotations": null
        })
    }

    fn parse(document: &serde_json::Value) -> Result<Manifest, ManifestError> {
        Manifest::parse(document.to_string().as_bytes(), None)
    }

    #[test]
    fn an_image_names_its_blobs_once() {
        let manifest = parse(&image()).expect("valid");
        assert_eq!(manifest.blobs().len(), 3);
        assert_eq!(manifest.image_size_bytes(), 1 + 2 + 2 + 3);
        assert_eq!(manifest.artifact_media_type(), Some("application/x"));
        assert!(manifest.children().is_empty());
    }

    #[test]
    fn only_foreign_layers_need_not_be_there() {
        let mut document = image();
        document["config"]["urls"] = json!(["https://example.com/config"]);
        document["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.nondistributable.v1.tar");
        document["layers"][1] = descriptor(b"l2");
        document["layers"][1]["mediaType"] = json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
        document["layers"][2]["urls"] = json!(["https://example.com/layer"]);
        let manifest = parse(&document).expect("valid");
        assert_eq!(
            manifest.blobs().iter().map(|blob| blob.is_required).collect::<Vec<_>>(),
            [true, false, false, true]
        );
    }

    #[test]
    fn a_list_names_its_children() {
        let document = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(b"m")]});
        let manifest = parse(&document).expect("valid");
        assert_eq!(manifest.children().len(), 1);
        assert_eq!(manifest.artifact_media_type(), None);
    }

    #[test]
    fn refusals() {
        let with = |member: &str, value: serde_json::Value| {
            let mut document = image();
            document[member] = value;
            parse(&document).err()
        };
        let says = |error: Option<ManifestError>, part: &str| {
            let text = error.expect("refused").to_string();
            assert!(text.contains(part), "{text}");
        };
        assert_eq!(Manifest::parse(b"{", None).err(), Some(ManifestError::InvalidJson));
        assert_eq!(Manifest::parse(b"{}", None).err(), Some(ManifestError::MediaTypeMissing));
        says(Manifest::parse(b"[]", None).err(), "not a manifest");
        says(with("config", json!(["application/x", Digest::sha256_of(b"c").to_string(), 1])), "an object");
        says(with("layers", json!([["application/x", Digest::sha256_of(b"c").to_string(), 1]])), "an object");
        let unreadable = image()
            .to_string()
            .into_bytes()
            .iter()
            .map(|byte| if *byte == b'x' { 0xFF } else { *byte })
            .collect::<Vec<_>>();
        assert_eq!(Manifest::parse(&unreadable, None).err(), Some(ManifestError::InvalidJson));
        says(with("artifactType", json!("a\0b")), "NUL");
        says(with("annotations", json!({"a\0": "b"})), "NUL");
        says(with("annotations", json!({"a": "\0"})), "NUL");
        let mut typed = descriptor(b"c");
        typed["mediaType"] = json!("a\0b");
        says(with("config", typed.clone()), "NUL");
        says(with("layers", json!([typed])), "NUL");
        says(with("schemaVersion", json!(1)), "schemaVersion must be 2");
        says(with("config", json!(null)), "config is missing");
        says(with("layers", json!([{"size": 1}])), "layers[0].digest is missing");
        says(with("layers", json!([{"digest": Digest::sha256_of(b"").to_string(), "size": -1}])), "negative");
        says(with("manifests", json!([])), "both");
        says(with("mediaType", json!("text/plain")), "not supported");
        let declared = DOCKER_MANIFEST.parse().expect("valid");
        let mismatch = Manifest::parse(image().to_string().as_bytes(), Some(&declared)).err();
        assert!(matches!(mismatch, Some(ManifestError::MediaTypeMismatch { .. })));
    }

    #[test]
    fn no_list_is_longer_than_any_image_has() {
        let v1 = json!({"schemaVersion": 1, "mediaType": DOCKER_V1, "fsLayers": [{"blobSum": Digest::sha256_of(b"l").to_string()}]});
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(b"m")]});
        let artifact = json!({"mediaType": ORAS_ARTIFACT, "blobs": [descriptor(b"b")]});
        for (mut document, member) in [(image(), "layers"), (index, "manifests"), (artifact, "blobs"), (v1, "fsLayers")]
        {
            let entry = document[member][0].clone();
            document[member] = json!(vec![entry.clone(); MAX_DESCRIPTORS]);
            assert!(parse(&document).is_ok(), "{member}");
            document[member] = json!(vec![entry; MAX_DESCRIPTORS + 1]);
            let error = parse(&document).expect_err(member);
            assert_eq!(error, invalid(format!("{member} has more than 10000 entries")));
        }
    }

    #[test]
    fn members_in_another_case_are_refused_at_every_level() {
        let mut whole = image();
        let (list, v1) = (
            json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(b"m")]}),
            json!({"schemaVersion": 1, "mediaType": DOCKER_V1, "fsLayers": [{"blobSum": Digest::sha256_of(b"l").to_string()}]}),
        );
        whole["artifactType"] = json!("a/b");
        whole["subject"] = descriptor(b"s");
        whole["annotations"] = json!({"layers": "1", "Layers": "2"});
        let mut of_platform = list.clone();
        of_platform["manifests"][0]["platform"] = json!({"os": "linux", "os.version": "1", "OSx": {"OS": 1}});
        let artifact = json!({"mediaType": ORAS_ARTIFACT, "blobs": [descriptor(b"b")]});
        let of_platform_texts = |name: &str| {
            let mut document = of_platform.clone();
            document["manifests"][0]["platform"][name] = json!("x");
            document
        };
        for good in [&whole, &list, &v1, &of_platform, &artifact] {
            assert!(parse(good).is_ok(), "{good}");
        }
        let mut seen = 0;
        for (document, at) in [
            (&whole, ""),
            (&whole, "/config"),
            (&whole, "/layers/2"),
            (&whole, "/subject"),
            (&list, ""),
            (&list, "/manifests/0"),
            (&v1, ""),
            (&v1, "/fsLayers/0"),
            (&of_platform, "/manifests/0/platform"),
            (&artifact, ""),
            (&artifact, "/blobs/0"),
        ] {
            let names = document.pointer(at).and_then(serde_json::Value::as_object).expect("an object").keys().cloned();
            let names =
                names.chain(["urls".to_owned(), "data".to_owned()].into_iter().filter(|_| at.contains("layers")));
            for name in names.filter(|name| name != "OSx") {
                let first = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
                let long = name.replacen('s', "\u{17f}", 1).replacen('k', "\u{212a}", 1);
                for other in [first, name.to_uppercase(), long] {
                    let mut changed = document.clone();
                    let object = changed.pointer_mut(at).and_then(serde_json::Value::as_object_mut).expect("an object");
                    if other == name {
                        continue;
                    }
                    object.insert(other.clone(), json!(null));
                    let error = parse(&changed).expect_err(&format!("{at}/{other}")).to_string();
                    let says = format!("the member '{}' must be written '{name}'", other.escape_default());
                    assert!(error.contains(&says), "{at}/{other}: {error}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 60, "{seen}");
        // What no specification names is nobody's to take for something else.
        for name in ["layer", "Layer", "xlayers", "ÿlayers", ""] {
            let mut document = image();
            document[name] = json!({"Digest": 1});
            assert!(parse(&document).is_ok(), "{name}");
            assert!(parse(&of_platform_texts(name)).is_ok(), "{name}");
        }
        for platform in
            [json!(null), json!("linux/amd64"), json!([{"OS": 1}]), json!(1), json!(-1), json!(0.5), json!(true)]
        {
            let mut document = list.clone();
            document["manifests"][0]["platform"] = platform;
            assert!(parse(&document).is_ok(), "{document}");
        }
    }

    #[test]
    fn the_case_of_a_declared_type_does_not_matter() {
        let declared = OCI_MANIFEST.to_uppercase().parse().expect("valid");
        let mut document = image();
        for _ in 0..2 {
            let manifest = Manifest::parse(document.to_string().as_bytes(), Some(&declared)).expect("the same type");
            assert_eq!(manifest.media_type.as_str(), OCI_MANIFEST);
            document.as_object_mut().expect("an object").remove("mediaType");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes: Vec<u8>) {
            let _ = Manifest::parse(&bytes, None);
        }
    }
}
