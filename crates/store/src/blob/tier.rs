//! Where an object is kept and in which form: what a blob's row says beside the object's name.

use crate::stored_enum::stored_enum;

stored_enum! {
    /// One of the stores that objects are in.
    pub enum Tier {
        /// What is pulled.
        Standard = "STANDARD",
        /// What only archived images need: slower and cheaper.
        Archive = "ARCHIVE",
    }
}

stored_enum! {
    /// What was done to content before it was encrypted.
    pub enum Encoding {
        /// Nothing.
        Identity = "IDENTITY",
        /// One zstd frame holds it.
        Zstd = "ZSTD",
    }
}
