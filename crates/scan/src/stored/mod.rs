//! What feeds tell, as bytes for storage: small, the same for the same content, and read without trust.
//!
//! What a row is looked up by (ecosystem, release, name) and what an advisory is known by (source, id) are columns of their
//! own and not in the bytes. An advisory's head, which matching reads for each row, is apart from what only people read. Each
//! record has a hash of all that it says, so that an update of a feed is the difference of two lists of hashes.

mod codec;
mod head;
mod known;
mod row;

use sha2::{Digest as _, Sha256};

use crate::{
    advisory::{Advisory, Affected, Head},
    ecosystem::Ecosystem,
};

pub use codec::Damaged;
pub use head::{Details, head_from_bytes, head_to_bytes};
pub use known::{
    exploited_from_bytes, exploited_to_bytes, likelihood_from_bytes, likelihood_to_bytes, scores_from_bytes,
    scores_to_bytes,
};
pub use row::{row_from_bytes, row_to_bytes};

/// The version of the forms, which stored bytes begin with. Feeds are imported anew where it is another one.
pub const VERSION: u8 = 1;

/// A hash of what a record says: the first half of SHA-256.
pub type Hash = [u8; 16];

/// An advisory as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAdvisory {
    /// The feed that it is of.
    pub source: String,
    /// Its id in that feed.
    pub id: String,
    /// What matching reads: of [`head_from_bytes`].
    pub head: Vec<u8>,
    /// What people read: of [`Details::from_bytes`].
    pub details: Vec<u8>,
    /// Its rows, in order, none twice.
    pub rows: Vec<StoredRow>,
    /// The hash of all of it but the source.
    pub hash: Hash,
    /// The hash of what answers come of: an advisory whose other hash alone has changed finds nothing else than before.
    pub matching_hash: Hash,
}

/// A row as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredRow {
    /// The ecosystem of the package.
    pub ecosystem: Ecosystem,
    /// Its release.
    pub release: String,
    /// The name of the package.
    pub name: String,
    /// What is said of it: of [`row_from_bytes`].
    pub bytes: Vec<u8>,
}

impl StoredAdvisory {
    /// The stored form of an advisory.
    pub fn of(advisory: &Advisory) -> Self {
        let head = &advisory.head;
        let mut rows: Vec<StoredRow> = advisory.affected.iter().map(StoredRow::of).collect();
        // A feed that lists the same in another order says nothing new.
        rows.sort_unstable();
        rows.dedup();
        let stored_head = head_to_bytes(head);
        let details = Details::of(head).to_bytes();
        let (hash, matching_hash) = hashes(head, &stored_head, &details, &rows);
        Self { source: head.source.clone(), id: head.id.clone(), head: stored_head, details, rows, hash, matching_hash }
    }

    /// One advisory of two with the same id, as some feeds have: whichever comes first, it says what both say.
    pub fn merged(&self, other: &Self) -> Result<Self, Damaged> {
        if self.rows == other.rows && self.head == other.head && self.details == other.details {
            return Ok(self.clone());
        }
        let (first, second) = (self.read()?, other.read()?);
        let age = |advisory: &Advisory, stored: &Self| {
            (advisory.head.modified.clone(), stored.head.clone(), stored.details.clone())
        };
        let (mut newer, older) =
            if age(&first, self) >= age(&second, other) { (first, second) } else { (second, first) };
        for (names, more) in [
            (&mut newer.head.vulnerabilities, older.head.vulnerabilities),
            (&mut newer.head.aliases, older.head.aliases),
        ] {
            names.extend(more);
            names.sort_unstable();
            names.dedup();
        }
        newer.affected.extend(older.affected);
        Ok(Self::of(&newer))
    }

    /// The advisory again.
    pub fn read(&self) -> Result<Advisory, Damaged> {
        let mut head = head_from_bytes(&self.source, &self.id, &self.head)?;
        Details::from_bytes(&self.details)?.put_into(&mut head);
        Ok(Advisory { head, affected: self.rows.iter().map(StoredRow::read).collect::<Result<_, _>>()? })
    }
}

impl StoredRow {
    fn of(row: &Affected) -> Self {
        Self {
            ecosystem: row.ecosystem,
            release: row.release.clone(),
            name: row.name.clone(),
            bytes: row_to_bytes(row),
        }
    }

    /// The row again.
    pub fn read(&self) -> Result<Affected, Damaged> {
        row_from_bytes(self.ecosystem, &self.release, &self.name, &self.bytes)
    }
}

/// The two hashes of an advisory: of all of it, and of what answers come of.
fn hashes(head: &Head, stored_head: &[u8], details: &[u8], rows: &[StoredRow]) -> (Hash, Hash) {
    let undated = head::to_bytes(head, None);
    let mut hash = start(b"advisory", &head.id);
    add(&mut hash, stored_head);
    add(&mut hash, details);
    let mut matching_hash = start(b"matching", &head.id);
    add(&mut matching_hash, &undated);
    for row in rows {
        for hash in [&mut hash, &mut matching_hash] {
            add(hash, row.ecosystem.name().as_bytes());
            add(hash, row.release.as_bytes());
            add(hash, row.name.as_bytes());
            add(hash, &row.bytes);
        }
    }
    (end(hash), end(matching_hash))
}

/// The hashes that an advisory should have whose parts are stored, with its head: of all of it, and of what answers come of.
pub fn check(id: &str, stored_head: &[u8], details: &[u8], rows: &[StoredRow]) -> Result<(Head, Hash, Hash), Damaged> {
    let head = head_from_bytes("", id, stored_head)?;
    let (hash, matching_hash) = hashes(&head, stored_head, details, rows);
    Ok((head, hash, matching_hash))
}

/// The hash of a record that has an id and bytes.
pub fn hash_of(id: &str, bytes: &[u8]) -> Hash {
    let mut hash = start(b"record", id);
    add(&mut hash, bytes);
    end(hash)
}

fn start(kind: &[u8], id: &str) -> Sha256 {
    let mut hash = Sha256::new();
    add(&mut hash, kind);
    add(&mut hash, id.as_bytes());
    hash
}

/// Adds a part with its length in front: no two lists of parts make the same bytes.
fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}

fn end(hash: Sha256) -> Hash {
    let whole: [u8; 32] = hash.finalize().into();
    let mut half = Hash::default();
    half.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    half
}
