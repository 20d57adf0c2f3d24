//! Reading a whole object to compare it with what it should be.

use oci::{Algorithm, Digest};

use super::blocking;
use super::reader::BlobReader;
use crate::error::StoreError;

impl BlobReader {
    /// The digest of the whole content.
    pub async fn digest(&self, algorithm: Algorithm) -> Result<Digest, StoreError> {
        let reader = self.clone();
        blocking(move || reader.hash(algorithm)).await
    }
}
