//! What checksums say of the pages of an embedded database: what is damaged, and what each page belongs to.

pub use super::sqlite::convert::{Conversion, add_checksums};
pub use super::sqlite::mend::{FilePages, check_file, mend_file, mend_schema};

/// What a look at every page found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageReport {
    /// How many pages there are.
    pub pages: u64,
    /// Those that are not what was written.
    pub damaged: Vec<DamagedPage>,
    /// Those that were not when they were read, and have been written since: what was wrong in them passes for right now.
    /// Known since this process has the database open.
    pub written_since: Vec<DamagedPage>,
    /// Those in which a flipped bit was put back before this process opened the database.
    pub mended: Vec<DamagedPage>,
}

/// A page that is, or was, not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedPage {
    /// Its number, from 1.
    pub number: u32,
    /// What it belongs to.
    pub owner: PageOwner,
}

/// What a page belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageOwner {
    /// A table.
    Table(String),
    /// An index of a table.
    Index {
        /// Its name.
        name: String,
        /// The table's.
        table: String,
    },
    /// Nothing: it is written anew before anything is in it.
    Nothing,
    /// It cannot be told, as the tables cannot be followed to all their pages.
    Unknown,
}
