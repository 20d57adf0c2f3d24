//! What is kept of layers: found, opened and stored, once for each account that has the layer.

use aws::AccountId;
use oci::Digest;
use registry::Registry;
use registry::images::encryption;
use registry::images::errors::RegistryError;
use runtime::boxed;
use scan::detectors::{self, Detector};
use scan::facts::LayerFacts;
use scan::layer;
use scan::limits::Limits;
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::blobs::StoredBlob;
use store::tables::layer_facts::{self, AnalysedLayer};
use store::tables::{repository_blobs, upstream_blobs};

/// How hard facts are packed: they are made once, and read with each image that has the layer.
const LEVEL: i32 = 3;

/// The revision of what is found in layers: another one than that of a layer means that something about reading has changed.
pub fn revision(detectors: &[&dyn Detector]) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for detector in detectors {
        add(detector.name().as_bytes());
        add(&detector.revision().to_be_bytes());
    }
    add(&layer::REVISION.to_be_bytes());
    hash.cast_signed()
}

/// What is known of a layer of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was analysed, as it would be now.
    Analysed {
        /// The row of its blob.
        blob_id: i64,
    },
    /// It was not, or something about analysing has changed since.
    NotAnalysed,
    /// The repository does not have it.
    Missing,
}

/// Whether what is known of a layer is what would be found now, for a scan that wants those layers read again which could be
/// read in part alone before that time: what kept them from being read may be over, as a shortage of memory.
pub fn is_current(layer: &AnalysedLayer, partial_since_ms: Option<i64>) -> bool {
    layer.revision == revision(&detectors::all())
        && (layer.is_whole || partial_since_ms.is_none_or(|since_ms| layer.analysed_at_ms >= since_ms))
}

/// What is known of a layer of a repository of an account, for such a scan.
pub fn find_known(
    tx: &mut dyn Tx,
    account: &AccountId,
    repository_id: i64,
    digest: &Digest,
    partial_since_ms: Option<i64>,
) -> Result<Known, StoreError> {
    let Some(blob) = repository_blobs::find(tx, repository_id, digest)? else {
        let is_upstream = upstream_blobs::find(tx, repository_id, digest)?.is_some();
        return Ok(if is_upstream { Known::NotAnalysed } else { Known::Missing });
    };
    let blob_id = blob.stored.id;
    let known = layer_facts::find_analysed(tx, account, blob_id)?;
    let is_current = known.is_some_and(|layer| is_current(&layer, partial_since_ms));
    Ok(if is_current { Known::Analysed { blob_id } } else { Known::NotAnalysed })
}

/// The facts of a layer, and how many bytes they take as they are stored, unpacked.
pub struct OpenFacts {
    /// The facts.
    pub facts: LayerFacts,
    /// What they take.
    pub bytes: usize,
}

/// Opens the facts of a layer; none if there are none any more.
#[boxed]
pub async fn open(
    app: &Registry,
    account: &AccountId,
    blob_id: i64,
    limits: &Limits,
) -> Result<Option<OpenFacts>, RegistryError> {
    let asked = *account;
    let found = app.db.read(move |tx| layer_facts::find(tx, &asked, blob_id)).await?;
    let Some(document) = found else { return Ok(None) };
    let packed = encryption::open_document(app, &document).await?;
    let limits = *limits;
    let opened = runtime::tasks::blocking("reading a layer's facts", move || from_bytes(&packed, &limits)).await?;
    Ok(Some(opened?))
}

/// Stores the facts of a layer, sealed as its blob is. `false` if the blob is gone.
#[boxed]
pub async fn store(
    app: &Registry,
    account: &AccountId,
    blob: &StoredBlob,
    facts: LayerFacts,
) -> Result<bool, RegistryError> {
    let is_whole = facts.is_whole();
    let packed = runtime::tasks::blocking("packing a layer's facts", move || to_bytes(&facts)).await??;
    let document = encryption::of_scope(app, &blob.scope).await?.seal_document(app, &packed)?;
    let (revision, analysed_at_ms) = (revision(&detectors::all()), app.now_ms());
    let layer = AnalysedLayer { blob_id: blob.id, revision, is_whole, analysed_at_ms };
    let account = *account;
    let stored = app.db.write(move |tx| layer_facts::upsert(tx, &account, &layer, &document));
    stored.await.map_err(|error: StoreError| RegistryError::from(error))
}

/// Whether the facts that are there of a layer are as they would be now though the revision has changed, which is noted then.
#[boxed]
pub async fn is_as_before(
    app: &Registry,
    account: &AccountId,
    blob: &StoredBlob,
    limits: &Limits,
) -> Result<bool, RegistryError> {
    let facts = match open(app, account, blob.id, limits).await {
        Ok(Some(opened)) => opened.facts,
        Ok(None) => return Ok(false),
        // They are made anew.
        Err(RegistryError::Store(error)) if error.kind() == StoreErrorKind::Corrupt => return Ok(false),
        Err(error) => return Err(error),
    };
    if layer::is_outdated(&facts, &detectors::all()) {
        return Ok(false);
    }
    let (account, blob_id, revision) = (*account, blob.id, revision(&detectors::all()));
    let noted = app.db.write(move |tx| layer_facts::set_revision(tx, &account, blob_id, revision));
    noted.await.map_err(|error: StoreError| RegistryError::from(error))
}

/// Rows that one transaction looks at.
const BATCH: usize = 200;

/// Forgets the facts of layers that no repository of their account has any more. Those of blobs that are gone went with these.
#[boxed]
pub async fn forget_unneeded(app: &Registry) -> Result<(), StoreError> {
    let mut after_id = 0;
    loop {
        let searched = app.db.make_room(move |tx| layer_facts::delete_unneeded(tx, after_id, BATCH)).await?;
        match searched.last_id {
            Some(last_id) => after_id = last_id,
            None => return Ok(()),
        }
    }
}

fn to_bytes(facts: &LayerFacts) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::compress(&facts.to_bytes(), LEVEL)
        .map_err(|error| StoreError::new(StoreErrorKind::Other, format!("facts of a layer cannot be packed: {error}")))
}

fn from_bytes(packed: &[u8], limits: &Limits) -> Result<OpenFacts, StoreError> {
    let damaged = |why: &dyn std::fmt::Display| {
        StoreError::new(StoreErrorKind::Corrupt, format!("the facts of a layer are damaged: {why}"))
    };
    // They are counted by what they take in memory, which is more than their bytes.
    let bytes =
        zstd::bulk::decompress(packed, limits.facts_bytes.saturating_mul(2)).map_err(|error| damaged(&error))?;
    let facts = LayerFacts::from_bytes(&bytes, limits).map_err(|error| damaged(&error))?;
    Ok(OpenFacts { facts, bytes: bytes.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_back_or_are_damaged() {
        let limits = Limits::default();
        let facts = LayerFacts { problems: vec!["it ends early".to_owned()], ..LayerFacts::default() };
        let packed = to_bytes(&facts).expect("packed");
        assert_eq!(from_bytes(&packed, &limits).expect("they are whole").facts, facts);
        for cut in 0..packed.len() {
            let error = from_bytes(&packed[..cut], &limits).map(|opened| opened.facts).expect_err("they are cut");
            assert_eq!(error.kind(), StoreErrorKind::Corrupt);
        }
    }

    #[test]
    fn the_revision_changes_with_each_detector() {
        let all = detectors::all();
        assert_eq!(revision(&all), revision(&detectors::all()));
        assert_ne!(revision(&all), revision(&all[1..]));
    }
}
