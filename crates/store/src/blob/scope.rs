//! Which objects are kept together: those of one region that are encrypted under one key.

use aws_lc_rs::digest;

/// Where copies of a blob are shared: a region and the key that they are encrypted under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobScope {
    /// The region's name.
    pub region: String,
    /// See [`Repository::encryption_scope`](crate::tables::repositories::Repository::encryption_scope).
    pub encryption: String,
}

impl BlobScope {
    /// Letters, digits, dashes and a slash that no other scope has: the folder of its objects in a bucket, for policies
    /// and rules there. The names of keys are long and hold what a folder cannot, so they are shortened to a hash.
    pub(super) fn folder(&self) -> String {
        let is_plain =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let encryption = if is_plain(&self.encryption) && self.encryption.len() <= 16 {
            self.encryption.clone()
        } else {
            let hash = digest::digest(&digest::SHA256, self.encryption.as_bytes());
            let hex: String = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
            format!("key-{hex}")
        };
        let region = if is_plain(&self.region) { self.region.as_str() } else { "none" };
        format!("{region}/{encryption}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_a_folder_of_its_own() {
        let scope = |region: &str, encryption: &str| BlobScope { region: region.into(), encryption: encryption.into() };
        assert_eq!(scope("us-east-1", "AES256").folder(), "us-east-1/AES256");
        let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        let folder = scope("us-east-1", key).folder();
        assert!(folder.starts_with("us-east-1/key-") && folder.len() == 46, "{folder}");
        assert_ne!(folder, scope("us-east-1", &key.replace("34cd", "34ce")).folder());
        assert_eq!(scope("../x", "").folder().matches('/').count(), 1);
    }
}
