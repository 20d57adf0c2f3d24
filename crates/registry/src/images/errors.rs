//! Everything that a registry can refuse, as data, with ECR's texts in one place.

use access::kms::KmsError;
use oci::{Digest, ManifestError, Tag};
use runtime::http::budget::Exhausted;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::RepositoryRef;

use super::protection::Protected;
use super::storage_class::NotSupported;

/// Why an archived image cannot be pulled.
pub const IMAGE_INACCESSIBLE: &str = "Requested image is archived. Restore it before pulling it.";

/// A refusal, or a failure of storage.
#[derive(Debug)]
pub enum RegistryError {
    /// No such repository.
    RepositoryNotFound(RepositoryRef),
    /// The name is taken.
    RepositoryAlreadyExists(RepositoryRef),
    /// It holds images, and deleting it was not forced.
    RepositoryNotEmpty(RepositoryRef),
    /// No such upload in the repository.
    UploadNotFound(RepositoryRef, String),
    /// Another request is writing the upload at this moment.
    UploadBusy,
    /// The part does not begin where the last one ended, or its length is not what it says.
    UploadOutOfOrder {
        /// The repository.
        repository: RepositoryRef,
        /// The upload.
        upload: uuid::Uuid,
        /// Bytes received so far.
        received: u64,
    },
    /// The upload has no bytes.
    EmptyUpload,
    /// A part before the last is shorter than 5 MiB.
    LayerPartTooSmall,
    /// The bytes do not have the digest that the client says.
    LayerDigestMismatch {
        /// What the client says.
        claimed: Digest,
        /// What the bytes have.
        actual: Digest,
    },
    /// The repository has the layer.
    LayerAlreadyExists(RepositoryRef, Digest),
    /// The repository does not have a layer that was asked for.
    LayerNotFound(RepositoryRef, Digest),
    /// The layer is there, but no image names it (reference/repositories-images.md 3).
    LayerInaccessible(RepositoryRef, Digest),
    /// Only archived images name the layer.
    LayerArchived(RepositoryRef, Digest),
    /// Longer than a layer may be: at most so many bytes.
    LayerTooLarge(u64),
    /// The manifest cannot be read.
    ManifestInvalid(ManifestError),
    /// The manifest does not have the digest that the client says.
    ImageDigestDoesNotMatch {
        /// What the client says.
        claimed: Digest,
        /// What the manifest has.
        actual: Digest,
    },
    /// A manifest names layers that the repository does not have.
    LayersNotFound(RepositoryRef, Vec<Digest>),
    /// A list names images that the repository does not have.
    ReferencedImagesNotFound(RepositoryRef, Vec<Digest>),
    /// An index lists something else than images, and the repository has no image of that digest; its media type.
    IndexOfBlobs(String),
    /// The image is there, with that tag.
    ImageAlreadyExists(RepositoryRef, Digest, Option<Tag>),
    /// The tag is on another image and may not move.
    ImageTagAlreadyExists(RepositoryRef, Tag),
    /// No such image.
    ImageNotFound,
    /// The image is archived, or on its way back.
    ImageInaccessible,
    /// The image stays in its storage class.
    StorageClassNotSupported(NotSupported),
    /// A list in the repository names the image.
    ImageReferenced(Vec<Digest>),
    /// The image, or the tag, is protected from deletion.
    ImageProtected(Protected),
    /// The repository, or an image in it, is protected from deletion.
    RepositoryProtected(RepositoryRef, Protected),
    /// The KMS key of a repository cannot be used.
    Kms(KmsError),
    /// As [`Kms`](Self::Kms), for whom nothing is told of the key: the code of KMS's error alone.
    VeiledKms(&'static str, RepositoryRef),
    /// A registry may have so many repositories.
    TooManyRepositories(RegistryId, u64),
    /// A repository may have so many images.
    TooManyImages(RepositoryRef, u64),
    /// An image may have so many tags.
    TooManyTagsOnImage(u64),
    /// A repository may have so many uploads open.
    TooManyUploads(RepositoryRef, u64),
    /// A registry may have so many uploads open.
    TooManyUploadsOfRegistry(RegistryId, u64),
    /// The server has no room in memory for the answer now.
    NoRoom,
    /// Storage failed.
    Store(StoreError),
}

impl From<Exhausted> for RegistryError {
    fn from(_: Exhausted) -> Self {
        Self::NoRoom
    }
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn join(digests: &[Digest]) -> String {
    digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl std::fmt::Display for RegistryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RepositoryNotFound(repository) => write!(
                f,
                "The repository with name '{}' does not exist in the registry with id '{}'",
                repository.name, repository.registry.account
            ),
            Self::RepositoryAlreadyExists(repository) => write!(
                f,
                "The repository with name '{}' already exists in the registry with id '{}'",
                repository.name, repository.registry.account
            ),
            Self::RepositoryNotEmpty(repository) => write!(
                f,
                "The repository with name '{}' in registry with id '{}' cannot be deleted because it still contains images",
                repository.name, repository.registry.account
            ),
            Self::UploadNotFound(repository, upload) => write!(
                f,
                "An upload with uploadId '{upload}' does not exist in the repository with name '{}' in the registry with id '{}'",
                repository.name, repository.registry.account
            ),
            Self::UploadBusy => f.write_str("Another request, which came later, is writing to this upload."),
            Self::UploadOutOfOrder { received, .. } => match received.checked_sub(1) {
                None => f.write_str("Layer parts must follow each other: this one must begin at byte 0"),
                Some(last) => write!(
                    f,
                    "Layer parts must follow each other: the last byte received was {last}, so this one must begin at byte {received} and be as long as it says"
                ),
            },
            Self::EmptyUpload => f.write_str("The upload contains no layer parts"),
            Self::LayerPartTooSmall => {
                f.write_str("Layer parts, except the last, must be at least 5242880 bytes in size")
            }
            Self::LayerDigestMismatch { claimed, actual } => {
                write!(f, "The layer's digest is '{actual}', not '{claimed}' as given")
            }
            Self::LayerAlreadyExists(repository, digest) => write!(
                f,
                "Layer with digest '{digest}' already exists in the repository with name '{}' in the registry with id '{}'",
                repository.name, repository.registry.account
            ),
            Self::LayerNotFound(repository, digest) => write!(
                f,
                "Layer with digest '{digest}' not found in the repository with name '{}' in the registry with id '{}'",
                repository.name, repository.registry.account
            ),
            Self::LayerInaccessible(repository, digest) => write!(
                f,
                "Layer with digest '{digest}' is not associated with any image in the repository with name '{}' in the registry with id '{}'",
                repository.name, repository.registry.account
            ),
            Self::LayerArchived(repository, digest) => write!(
                f,
                "Layer with digest '{digest}' is archived in the repository with name '{}' in the registry with id '{}': restore an image that needs it first",
                repository.name, repository.registry.account
            ),
            Self::LayerTooLarge(quota) => {
                write!(f, "A layer can be at most {quota} bytes, which is the quota 'Layer size'")
            }
            Self::ManifestInvalid(error) => write!(f, "{error}"),
            Self::ImageDigestDoesNotMatch { claimed, actual } => {
                write!(f, "Image digest '{actual}' does not match the requested digest '{claimed}'")
            }
            Self::LayersNotFound(repository, digests) => write!(
                f,
                "Layers with digests '[{}]' required for pushing image into repository with name '{}' in the registry with id '{}' do not exist",
                join(digests),
                repository.name,
                repository.registry.account
            ),
            Self::ReferencedImagesNotFound(repository, digests) => write!(
                f,
                "Images with digests '[{}]' required for pushing image into repository with name '{}' in the registry with id '{}' do not exist",
                join(digests),
                repository.name,
                repository.registry.account
            ),
            Self::IndexOfBlobs(media_type) => write!(
                f,
                "The index lists layers or configs as if they were images ('{media_type}'), as BuildKit's cache export does: add image-manifest=true,oci-mediatypes=true to --cache-to"
            ),
            Self::ImageAlreadyExists(repository, digest, tag) => write!(
                f,
                "Image with digest '{digest}' and tag '{}' already exists in the repository with name '{}' in registry with id '{}'",
                tag.as_ref().map_or("null", Tag::as_str),
                repository.name,
                repository.registry.account
            ),
            Self::ImageTagAlreadyExists(repository, tag) => write!(
                f,
                "The image tag '{tag}' already exists in the '{}' repository and cannot be overwritten because the tag is immutable.",
                repository.name
            ),
            Self::ImageNotFound => f.write_str("Requested image not found"),
            Self::ImageInaccessible => f.write_str(IMAGE_INACCESSIBLE),
            Self::StorageClassNotSupported(why) => write!(f, "{why}"),
            Self::ImageReferenced(lists) => {
                write!(f, "Requested image referenced by manifest list: [{}]", join(lists))
            }
            Self::ImageProtected(protected) => write!(f, "{protected}"),
            Self::RepositoryProtected(repository, protected) => write!(
                f,
                "The repository with name '{}' in registry with id '{}' cannot be deleted: {protected}",
                repository.name, repository.registry.account
            ),
            Self::TooManyRepositories(registry, quota) => write!(
                f,
                "The registry with id '{}' already has the maximum number of repositories, which is the quota 'Registered repositories' of {quota}",
                registry.account
            ),
            Self::TooManyImages(repository, quota) => write!(
                f,
                "The repository with name '{}' in registry with id '{}' already has the maximum number of images, which is the quota 'Images per repository' of {quota}",
                repository.name, repository.registry.account
            ),
            Self::TooManyTagsOnImage(quota) => {
                let tags = if *quota == 1 { "tag" } else { "tags" };
                write!(f, "An image can have at most {quota} {tags}, which is the quota 'Tags per image'")
            }
            Self::TooManyUploads(repository, quota) => write!(
                f,
                "The repository with name '{}' in registry with id '{}' already has the maximum number of open uploads, which is the quota 'Open uploads per repository' of {quota}",
                repository.name, repository.registry.account
            ),
            Self::TooManyUploadsOfRegistry(registry, quota) => write!(
                f,
                "The registry with id '{}' already has the maximum number of open uploads, which is the quota 'Open uploads per registry' of {quota}",
                registry.account
            ),
            Self::Kms(error) => write!(f, "{error}"),
            Self::VeiledKms(_, repository) => write!(
                f,
                "The KMS key of repository {} cannot be used: account {} has to see to it",
                repository.name, repository.registry.account
            ),
            Self::NoRoom => f.write_str("The server has no room for the request now: try again"),
            Self::Store(error) => write!(f, "{error}"),
        }
    }
}
