//! Whether what is stored is whole: rows against rows, rows against objects in both directions, and objects against the
//! digests that name them. What is found is told with what to do about it; only what is safe is repaired, if asked.
//!
//! Pages of the embedded database have checksums (the crate `page-checksums`, on every connection that `store::db` opens); what does
//! not fit is noted for all connections to the file and told by `store::db::pages`, which also gives checksums to a database from
//! before. What SQLite cannot open is looked at without it: flipped bits of header and schema are put back at a start, those of all
//! pages by `wharf fsck --offline --repair`, and `maintenance::unreadable` reports what cannot be mended.

mod advisories;
pub mod check;
pub mod check_storage;
pub mod contents;
pub mod documents;
pub mod finding;
mod heal;
mod objects;
pub mod pages;
mod rows;
pub mod scrub_storage;
pub mod values;
