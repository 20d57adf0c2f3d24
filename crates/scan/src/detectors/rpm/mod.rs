//! The package database of rpm, in each of the forms that it has had: SQLite ([`sqlite`]), NDB ([`ndb`]) and Berkeley DB
//! ([`berkeley`]). In each of them a package is one header ([`header`]), a blob of numbered fields.
//!
//! The three readers go over the pages of the file as it lies in memory. Whatever they find there is held to the file's size:
//! no page is read twice for one purpose, and all blobs together are not larger than the file.

mod berkeley;
mod bytes;
mod header;
mod ndb;
mod package;
mod sqlite;

pub(super) use package::{Fields, is_package};

use super::{Candidate, Detector, gather::Gather};
use crate::{facts::Found, limits::Limits};

/// Where systems keep the database: the usual place, SUSE's and newer Fedora's, and that of systems which are built of trees.
pub(super) const FOLDERS: [&str; 3] = ["var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/"];
/// The database, by its form.
pub(super) const FILES: [&str; 3] = ["rpmdb.sqlite", "Packages.db", "Packages"];
/// What SQLite keeps beside its file while that is open, and after it was not closed.
const LOGS: [&str; 2] = ["rpmdb.sqlite-wal", "rpmdb.sqlite-journal"];

/// The reader of rpm's database.
#[derive(Debug, Clone, Copy)]
pub struct Rpm;

impl Detector for Rpm {
    fn name(&self) -> &'static str {
        "rpm"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        let Some(name) = FOLDERS.iter().find_map(|folder| file.path.strip_prefix(folder)) else { return false };
        FILES.contains(&name) || (LOGS.contains(&name) && file.size > 0)
    }

    fn read(&self, path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        let read = if LOGS.iter().any(|log| path.ends_with(log)) {
            sqlite::log(content)
        } else if sqlite::is_one(content) {
            sqlite::read(content, &mut gather)
        } else if ndb::is_one(content) {
            ndb::read(content, &mut gather)
        } else {
            berkeley::read(content, &mut gather)
        };
        if let Err(problem) = read {
            gather.problem(problem);
        }
        gather.finish()
    }
}
