//! Documents: what is made once and read whole, sealed as an object is and kept in a row of the database.

use super::keys::DataKey;
use super::object_id::ObjectId;
use super::protection::Protection;
use super::reader::damaged;
use super::segment::{Form, SEGMENT, count, seal_all};
use crate::error::{ObjectDamage, StoreError};

/// Seals a document under a data key of its own, bound to the name of an object that no store has.
pub fn seal_document(id: ObjectId, key: &DataKey, content: &[u8]) -> Vec<u8> {
    seal_all(Protection::Sealed(key.clone()).sealer(id), content)
}

/// Opens what [`seal_document`] sealed under the same key and name.
pub fn open_document(id: ObjectId, key: &DataKey, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let altered = || damaged(id, ObjectDamage::Altered, "what the database keeps of it does not open");
    let length = sealed.len() as u64;
    let segments = length.div_ceil(Form::Sealed.segment_bytes()).max(1);
    let overhead = Form::Sealed.segment_bytes() - SEGMENT as u64;
    let size_bytes = length.checked_sub(segments * overhead).ok_or_else(altered)?;
    if count(size_bytes) != segments {
        return Err(altered());
    }
    let mut content = vec![0; size_bytes as usize];
    let opener = Protection::Sealed(key.clone()).opener();
    opener.open_run(id, 0, segments, sealed, &mut content).map_err(|_| altered())?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_whole_or_not_at_all() {
        let (id, key) = (ObjectId::random(), DataKey::generate());
        for length in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 3 * SEGMENT + 7] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let sealed = seal_document(id, &key, &content);
            assert_eq!(open_document(id, &key, &sealed).expect("opens"), content);
            assert!(open_document(ObjectId::random(), &key, &sealed).is_err());
            assert!(open_document(id, &DataKey::generate(), &sealed).is_err());
            for cut in [0, 1, 27, 28, sealed.len() / 2, sealed.len() - 1] {
                assert!(
                    open_document(id, &key, &sealed[..cut.min(sealed.len() - 1)]).is_err(),
                    "{length} cut at {cut}"
                );
            }
            let mut altered = sealed;
            let last = altered.len() - 1;
            altered[last] ^= 1;
            assert!(open_document(id, &key, &altered).is_err());
        }
    }
}
