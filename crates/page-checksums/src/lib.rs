//! Checksums on the pages of an embedded SQLite database: a file system for SQLite (a VFS) between it and the real one.
//!
//! A database whose header reserves eight bytes at the end of each page has a checksum there: it is put in where a page is
//! written, and compared where one is read. What does not fit is noted and the read goes on, so that one flipped bit denies
//! nobody the rest of its page. A wrong header would deny everybody everything, or make SQLite write where it must not: the
//! checksum of its page tells which bit of it is wrong, and SQLite gets the header that was written. Logs and journals go
//! through as they are; SQLite has checksums of its own in them.
//!
//! This crate alone may use unsafe code. It knows no table and no caller.

mod checksum;
mod damage;
mod disk;
mod file;
mod format;
mod look;
mod raw;
mod vfs;

pub use checksum::RESERVED_BYTES;
pub use damage::PageDamage;
pub use look::{PageCheck, check_pages, damage_of, has_checksums, is_contradictory, request_checksums};
pub use raw::RawPages;
pub use vfs::{NAME, register};
