//! Whether advisories are as their feeds told them: a damaged one could make an image look better than it is.

use registry::Registry;
use runtime::boxed;
use scan::ecosystem::Ecosystem;
use scan::stored::{self, StoredRow};
use store::error::StoreError;
use store::tables::advisory_records::{self, NewRecord, RecordKind, WholeRecord};

use super::finding::{Finding, FindingKind};

/// Records that one transaction reads.
const RECORDS: usize = 200;

/// What is wrong with a record.
pub struct DamagedRecord {
    /// The record.
    pub record: WholeRecord,
    /// What is told of it.
    pub finding: Finding,
}

/// Goes through all records; those that are not as they were stored.
#[boxed]
pub async fn find_damaged(app: &Registry) -> Result<Vec<DamagedRecord>, StoreError> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let page = app.db.read(move |tx| advisory_records::list_whole(tx, after, RECORDS)).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.id;
        let checked = runtime::tasks::blocking("checking advisories", move || {
            let wrong = |record: WholeRecord| damage(&record.stored).map(|why| (record, why));
            page.into_iter().filter_map(wrong).collect::<Vec<_>>()
        });
        for (record, why) in checked.await? {
            let subject = format!("advisory {} of feed {}", record.stored.record, record.feed);
            let finding = Finding::new(FindingKind::DamagedAdvisory, subject, why);
            found.push(DamagedRecord { record, finding });
        }
    }
}

/// What is wrong with a record, if anything is.
fn damage(stored: &NewRecord) -> Option<String> {
    let NewRecord { record, kind, hash, head, details, packages, vulnerabilities } = stored;
    if *kind != RecordKind::Advisory {
        let is_whole = stored::hash_of(record, head).as_slice() == hash;
        return (!is_whole).then(|| "it is not what its hash says".to_owned());
    }
    let mut rows = Vec::with_capacity(packages.len());
    for package in packages {
        let Some(ecosystem) = Ecosystem::named(&package.key.ecosystem) else {
            return Some(format!("there is no ecosystem '{}'", package.key.ecosystem));
        };
        rows.push(StoredRow {
            ecosystem,
            release: package.key.release.clone(),
            name: package.key.name.clone(),
            bytes: package.body.clone(),
        });
    }
    let (head, whole, matching) = match stored::check(record, head, details, &rows) {
        Ok(checked) => checked,
        Err(why) => return Some(why.to_string()),
    };
    if [whole, matching].concat() != *hash {
        return Some("it is not what its hash says".to_owned());
    }
    let mut names: Vec<&String> = head.vulnerabilities.iter().chain(&head.aliases).collect();
    names.sort_unstable();
    names.dedup();
    let are_found =
        names.len() == vulnerabilities.len() && names.into_iter().all(|name| vulnerabilities.contains(name));
    (!are_found).then(|| "it is not found by the names of its vulnerabilities".to_owned())
}
