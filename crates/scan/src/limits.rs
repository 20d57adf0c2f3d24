//! What reading a layer may cost at most: hostile layers reach these bounds, real ones do not.

/// The bounds of one layer. Reaching one makes the layer "partly analysed", never clean.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries of the layer's archive.
    pub entries: u64,
    /// Bytes of the layer without its compression.
    pub unpacked_bytes: u64,
    /// How many times its size a layer may unpack to, once it has unpacked to more than [`Limits::ratio_from_bytes`].
    pub ratio: u64,
    /// Unpacked bytes up to which [`Limits::ratio`] is not asked: small layers of much the same pack very well.
    pub ratio_from_bytes: u64,
    /// Bytes of one file that is read whole: a package database, an archive of Java.
    pub file_bytes: u64,
    /// Bytes of all text files that are no database (`package.json`, `METADATA`), each.
    pub text_bytes: u64,
    /// Bytes of a path, and of a link's target.
    pub path_bytes: usize,
    /// Packages of the whole layer.
    pub packages: usize,
    /// Bytes of all facts that are kept of the layer.
    pub facts_bytes: usize,
    /// How deep archives lie in archives: 1 is a jar in the layer.
    pub archive_depth: usize,
    /// Entries of one archive that lies in the layer, and bytes of all that is unpacked from it and those within it.
    pub archive_entries: u64,
    /// Bytes of all that is unpacked from one archive that lies in the layer and those within it.
    pub archive_bytes: u64,
    /// Bytes of all that is unpacked from all archives that lie in the layer and those within them.
    pub archives_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 2_000_000,
            unpacked_bytes: 32 << 30,
            ratio: 200,
            ratio_from_bytes: 1 << 30,
            file_bytes: 256 << 20,
            text_bytes: 4 << 20,
            path_bytes: 4096,
            packages: 200_000,
            facts_bytes: 128 << 20,
            archive_depth: 5,
            archive_entries: 200_000,
            archive_bytes: 2 << 30,
            archives_bytes: 8 << 30,
        }
    }
}
