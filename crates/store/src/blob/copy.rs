//! Copying a blob's content into a store, in another form if that pays.

use std::sync::Arc;

use oci::{Algorithm, Digest};

use super::compress::Compressor;
use super::protection::Protection;
use super::reader::BlobReader;
use super::session::{PartLedger, SharedSession};
use super::tier::Encoding;
use super::upload::UploadState;
use super::{BlobStore, blocking};
use crate::error::{StoreError, StoreErrorKind};

impl BlobReader {
    /// The encoding in which the content is worth keeping in an archive.
    pub async fn archive_encoding(&self) -> Result<Encoding, StoreError> {
        let reader = self.clone();
        let compresses = blocking(move || reader.compresses()).await?;
        Ok(if compresses { Encoding::Zstd } else { Encoding::Identity })
    }
}

impl BlobStore {
    /// Writes the content of `source` as the object that was begun with `state`, and returns the bytes that it holds.
    /// The object is durable and was seen to be the content of `digest` when this returns. If it fails or is dropped, a
    /// part of the object may be left, and its multipart upload, of which the ledger then knows. Nobody else may write the
    /// object.
    pub async fn copy(
        &self,
        source: BlobReader,
        digest: &Digest,
        state: UploadState,
        protection: impl Into<Protection>,
        encoding: Encoding,
        ledger: Arc<dyn PartLedger>,
    ) -> Result<u64, StoreError> {
        let (object, size_bytes) = (state.object, source.size_bytes());
        let session = self.is_shared().then_some(SharedSession { spare: object, multipart: None, ledger });
        let protection = protection.into();
        let mut writer = self.writer(state, protection.clone(), session)?;
        let mut compressor = match encoding {
            Encoding::Identity => None,
            Encoding::Zstd => Some(Compressor::new(size_bytes)?),
        };
        if size_bytes > 0 {
            let mut content = source.stream(0, size_bytes - 1);
            while let Some(bytes) = content.next().await {
                let bytes = bytes?;
                match compressor {
                    None => writer.write(bytes).await?,
                    Some(mut idle) => {
                        let (back, compressed) = blocking(move || {
                            let compressed = idle.compress(&bytes)?;
                            Ok((idle, compressed))
                        })
                        .await?;
                        compressor = Some(back);
                        writer.write(compressed.into()).await?;
                    }
                }
            }
        }
        if let Some(compressor) = compressor {
            let end = blocking(move || compressor.finish()).await?;
            writer.write(end.into()).await?;
        }
        let written = writer.finish().await?;
        let actual = match (encoding, digest.algorithm()) {
            (Encoding::Identity, Algorithm::Sha256) => written.sha256,
            (Encoding::Identity, Algorithm::Sha512) | (Encoding::Zstd, _) => {
                let reader = self.open_encoded(object, protection, (encoding, written.size_bytes), size_bytes)?;
                let algorithm = digest.algorithm();
                blocking(move || reader.hash(algorithm)).await?
            }
        };
        if actual != *digest {
            return Err(StoreError::new(
                StoreErrorKind::Corrupt,
                format!("the copy {object} of blob {digest} has the digest {actual}: what it was made from is damaged"),
            ));
        }
        Ok(written.size_bytes)
    }
}
