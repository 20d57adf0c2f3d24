//! The vocabulary of OCI: digests, names, references, media types, manifests, ranges and error codes. Pure.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod byte_count;
mod challenge;
mod convert;
mod digest;
mod error;
mod etag;
mod link;
mod manifest;
pub mod media_type;
mod member_names;
mod range;
mod reference;
mod referrers;
mod repository_name;
mod repository_prefix;
mod tag;

pub use byte_count::shown_bytes;
pub use challenge::Challenge;
pub use convert::{convert_image, other_image_format};
pub use digest::{Algorithm, Digest, DigestError, is_digest_like};
pub use error::{ErrorCode, error_body};
pub use etag::if_none_match;
pub use link::{next_link, next_target};
pub use manifest::{Descriptor, MAX_MANIFEST_BYTES, Manifest, ManifestError, ManifestKind, NamedBlob};
pub use media_type::{MediaType, MediaTypeError};
pub use range::{ByteRange, ContentRange, ContentRangeError, RangeOutcome};
pub use reference::{Reference, ReferenceError};
pub use referrers::{ReferrerEntry, referrers_index, referrers_tag};
pub use repository_name::{RepositoryName, RepositoryNameError};
pub use repository_prefix::{RepositoryPrefix, RepositoryPrefixError};
pub use tag::{Tag, TagError, TagFilter, TagFilterError};
