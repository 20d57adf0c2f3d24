//! Limits of one node, as the configuration has them.

/// Limits of one node. Units are in the names; all bound what a client can make the server hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// An upload that has not grown for so long is abandoned.
    pub upload_expiry_ms: i64,
    /// A blob that no image names stays so long.
    pub blob_grace_ms: i64,
    /// Images can be restored for so many days after they were deleted, where their repository says nothing; 0 for
    /// not at all.
    pub restore_window_days: i64,
    /// Bytes of an object stay so long after the last row that named it is gone.
    pub object_grace_ms: i64,
    /// What the scrub reads in a second; none if it does not run.
    pub scrub_bytes_per_second: Option<u64>,
    /// From the beginning of one round of the scrub to that of the next.
    pub scrub_interval_ms: i64,
    /// A lifecycle policy runs at least so often.
    pub lifecycle_interval_ms: i64,
    /// How long a registry token is valid (reference/access.md 6: 12 h).
    pub token_lifetime_ms: i64,
    /// How long a layer download URL is valid (reference/repositories-images.md 3: about 1 h).
    pub download_url_lifetime_ms: i64,
    /// A root key is followed by a new one after so long; never if none.
    pub root_key_rotation_ms: Option<i64>,
}

impl Default for Limits {
    fn default() -> Self {
        const HOUR_MS: i64 = 60 * 60 * 1000;
        Self {
            upload_expiry_ms: 24 * HOUR_MS,
            blob_grace_ms: 24 * HOUR_MS,
            restore_window_days: 7,
            object_grace_ms: 60 * 1000,
            scrub_bytes_per_second: Some(8 * 1024 * 1024),
            scrub_interval_ms: 30 * 24 * HOUR_MS,
            lifecycle_interval_ms: 24 * HOUR_MS,
            token_lifetime_ms: 12 * HOUR_MS,
            download_url_lifetime_ms: HOUR_MS,
            root_key_rotation_ms: None,
        }
    }
}
