//! What a KMS key encrypts: it names the key and the version of its material, and is bound to an encryption context.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{Aad, Nonce};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::keys::{DataKey, NONCE_BYTES, TAG_BYTES, random};

/// First byte, so that the form can change. It is greater than that of what a root key has sealed.
pub const KMS_FORM: u8 = 3;
const ID_BYTES: usize = 16;
const HEAD_BYTES: usize = 1 + ID_BYTES + 4;

/// Names and values that are authenticated and not stored: who decrypts must give the same.
pub type EncryptionContext = BTreeMap<String, String>;

/// Which key encrypted something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KmsCiphertextHead {
    /// The key.
    pub key_id: Uuid,
    /// The version of its material, from 1.
    pub version: u32,
}

impl KmsCiphertextHead {
    /// Reads it; none if the bytes are no ciphertext of a KMS key.
    pub fn of(ciphertext: &[u8]) -> Option<Self> {
        let (head, rest) = ciphertext.split_first_chunk::<HEAD_BYTES>()?;
        if head[0] != KMS_FORM || rest.len() < NONCE_BYTES + TAG_BYTES {
            return None;
        }
        let key_id = Uuid::from_slice(&head[1..=ID_BYTES]).ok()?;
        let version = u32::from_be_bytes(head[1 + ID_BYTES..].try_into().ok()?);
        Some(Self { key_id, version })
    }

    fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let mut head = [KMS_FORM; HEAD_BYTES];
        head[1..=ID_BYTES].copy_from_slice(self.key_id.as_bytes());
        head[1 + ID_BYTES..].copy_from_slice(&self.version.to_be_bytes());
        head
    }
}

/// The head and the context, so that no two different contexts are written in the same way.
fn associated(head: KmsCiphertextHead, context: &EncryptionContext) -> Vec<u8> {
    let mut data = head.to_bytes().to_vec();
    for (name, value) in context {
        for text in [name, value] {
            data.extend_from_slice(&(text.len() as u64).to_be_bytes());
            data.extend_from_slice(text.as_bytes());
        }
    }
    data
}

/// Encrypts with the material of a key's version, bound to the context. 49 bytes longer than the plaintext.
pub fn kms_encrypt(
    material: &DataKey,
    head: KmsCiphertextHead,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = random();
    let mut ciphertext = head.to_bytes().to_vec();
    ciphertext.extend_from_slice(&nonce);
    let start = ciphertext.len();
    ciphertext.extend_from_slice(plaintext);
    let tag = material
        .cipher()
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated(head, context)),
            &mut ciphertext[start..],
        )
        .expect("plaintexts are far shorter than AES-GCM's limit");
    ciphertext.extend_from_slice(tag.as_ref());
    ciphertext
}

/// Undoes [`kms_encrypt`]; none if anything about the ciphertext or the context is not as it was.
pub fn kms_decrypt(material: &DataKey, context: &EncryptionContext, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let head = KmsCiphertextHead::of(ciphertext)?;
    let (nonce, rest) = ciphertext[HEAD_BYTES..].split_at_checked(NONCE_BYTES)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut value = Zeroizing::new(rest.to_vec());
    let length = material.cipher().open_in_place(nonce, Aad::from(associated(head, context)), &mut value).ok()?.len();
    value.truncate(length);
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head() -> KmsCiphertextHead {
        KmsCiphertextHead { key_id: Uuid::from_u128(7), version: 3 }
    }

    fn contexts() -> impl Strategy<Value = EncryptionContext> {
        proptest::collection::btree_map("[a-c:=]{0,4}", "[a-c:=]{0,4}", 0..4)
    }

    proptest! {
        /// Only the context that it was encrypted with decrypts a ciphertext, however alike another is.
        #[test]
        fn ciphertexts_are_bound_to_their_context(
            context in contexts(), other in contexts(), plaintext in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let material = DataKey::generate();
            let ciphertext = kms_encrypt(&material, head(), &context, &plaintext);
            prop_assert_eq!(KmsCiphertextHead::of(&ciphertext), Some(head()));
            prop_assert_eq!(&*kms_decrypt(&material, &context, &ciphertext).expect("decrypts"), &plaintext);
            prop_assert_eq!(kms_decrypt(&material, &other, &ciphertext).is_some(), context == other);
        }
    }

    #[test]
    fn whatever_is_changed_is_refused() {
        let (material, context) = (DataKey::generate(), EncryptionContext::new());
        let ciphertext = kms_encrypt(&material, head(), &context, b"value");
        assert!(kms_decrypt(&DataKey::generate(), &context, &ciphertext).is_none());
        for at in 0..ciphertext.len() {
            let mut changed = ciphertext.clone();
            changed[at] ^= 1;
            assert!(kms_decrypt(&material, &context, &changed).is_none(), "byte {at}");
            assert!(kms_decrypt(&material, &context, &ciphertext[..at]).is_none(), "length {at}");
        }
    }
}
