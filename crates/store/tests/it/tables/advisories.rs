//! Advisories: a new revision of a feed counts as a whole or not at all.

use std::collections::HashMap;

use store::db::Tx;
use store::error::StoreError;
use store::tables::advisory_feeds::{self, NewRevision};
use store::tables::advisory_records::{self, NewPackage, NewRecord, PackageKey, Part, RecordKind};

use super::fixtures::in_transaction;
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    a_revision_counts_as_a_whole,
    what_was_cut_off_is_taken_back,
    records_are_found_by_all_names,
    fetching_is_noted,
    many_packages_come_back,
);

fn record(name: &str, packages: &[&str]) -> NewRecord {
    let package = |name: &&str| NewPackage {
        key: PackageKey { ecosystem: "Debian".to_owned(), release: "12".to_owned(), name: (*name).to_owned() },
        body: format!("body of {name}").into_bytes(),
    };
    NewRecord {
        record: name.to_owned(),
        kind: RecordKind::Advisory,
        hash: name.as_bytes().to_vec(),
        head: format!("head of {name}").into_bytes(),
        details: format!("details of {name}").into_bytes(),
        packages: packages.iter().map(package).collect(),
        vulnerabilities: vec![format!("CVE-{name}"), "CVE-all".to_owned(), "CVE-all".to_owned()],
    }
}

fn new_revision(revision: i64) -> NewRevision<'static> {
    NewRevision { writer: "node", revision, files: "{}", source_updated_at_ms: Some(revision), records: 2, broken: 1 }
}

fn heads_of(tx: &mut dyn Tx, names: &[&str]) -> Result<Vec<String>, StoreError> {
    let rows = advisory_records::of_packages(tx, "Debian", "12", names, 1_000)?;
    let ids: Vec<i64> = rows.iter().map(|row| row.record_id).collect();
    let found = advisory_records::by_ids(tx, &ids, Part::Head)?;
    Ok(found.into_iter().map(|record| String::from_utf8(record.content).expect("text")).collect())
}

/// A feed of two records, in force.
fn fill(tx: &mut dyn Tx) -> Result<(), StoreError> {
    assert!(advisory_feeds::want(tx, "debian")?);
    assert!(!advisory_feeds::want(tx, "debian")?);
    for new in [record("1", &["openssl"]), record("2", &["openssl", "zlib"])] {
        advisory_records::insert(tx, "debian", 1, &new)?;
    }
    assert!(heads_of(tx, &["openssl"])?.is_empty(), "it is not in force yet");
    assert!(!advisory_records::covers(tx, "Debian", "12")?);
    assert!(!advisory_feeds::put_in_force(tx, "debian", &new_revision(1), 9)?, "nobody has begun");
    advisory_feeds::begin(tx, "debian", "node")?;
    assert!(advisory_feeds::put_in_force(tx, "debian", &new_revision(1), 10)?);
    assert!(!advisory_feeds::put_in_force(tx, "debian", &new_revision(1), 11)?);
    Ok(())
}

async fn a_revision_counts_as_a_whole(backend: &Backend) {
    in_transaction(backend, |tx| {
        fill(tx)?;
        assert_eq!(heads_of(tx, &["openssl"])?, ["head of 1", "head of 2"]);
        assert!(advisory_records::covers(tx, "Debian", "12")?);
        assert!(!advisory_records::covers(tx, "Debian", "11")?);
        // The first goes, the second stays, a third comes.
        let known = advisory_records::known(tx, "debian", &[("1", b"1"), ("2", b"2"), ("3", b"3")])?;
        assert_eq!(known.len(), 2);
        assert_eq!(known[0].hash, b"1");
        assert!(advisory_records::known(tx, "debian", &[("1", b"other")])?.is_empty(), "it says something else");
        advisory_records::end(tx, &[known[0].id], 2)?;
        advisory_records::insert(tx, "debian", 2, &record("3", &["openssl"]))?;
        assert_eq!(heads_of(tx, &["openssl"])?, ["head of 1", "head of 2"]);
        assert_eq!(advisory_records::list_before(tx, "debian", 2, 0, 10)?.len(), 1, "the second alone");
        assert!(advisory_feeds::put_in_force(tx, "debian", &new_revision(2), 20)?);
        assert_eq!(heads_of(tx, &["openssl"])?, ["head of 2", "head of 3"]);
        assert!(!advisory_records::delete_ended(tx, "debian", 2, 10)?, "one revision before is kept");
        assert!(advisory_records::delete_ended(tx, "debian", 3, 10)?);
        assert!(!advisory_records::delete_ended(tx, "debian", 3, 10)?);
        assert_eq!(heads_of(tx, &["openssl"])?, ["head of 2", "head of 3"]);
        advisory_feeds::withdraw(tx, "debian")?;
        assert!(!advisory_records::covers(tx, "Debian", "12")?, "nothing of it is in force");
        while advisory_records::delete_all(tx, "debian", 1)? {}
        advisory_feeds::forget(tx, "debian")?;
        assert!(advisory_feeds::list(tx)?.is_empty());
        Ok(())
    })
    .await;
}

async fn what_was_cut_off_is_taken_back(backend: &Backend) {
    in_transaction(backend, |tx| {
        fill(tx)?;
        let known = advisory_records::known(tx, "debian", &[("1", b"1"), ("2", b"2")])?;
        advisory_records::end(tx, &known.iter().map(|known| known.id).collect::<Vec<_>>(), 2)?;
        advisory_records::insert(tx, "debian", 2, &record("1", &["openssl"]))?;
        while advisory_records::take_back(tx, "debian", 2, 1)? {}
        assert_eq!(advisory_records::known(tx, "debian", &[("1", b"1"), ("2", b"2")])?, known);
        assert!(advisory_feeds::put_in_force(tx, "debian", &new_revision(2), 20)?);
        assert_eq!(heads_of(tx, &["openssl"])?, ["head of 1", "head of 2"]);
        Ok(())
    })
    .await;
}

async fn records_are_found_by_all_names(backend: &Backend) {
    in_transaction(backend, |tx| {
        fill(tx)?;
        let found = advisory_records::advisories_on(tx, &["CVE-1", "CVE-all", "CVE-none"])?;
        let ids: Vec<i64> = found.iter().map(|(_, id)| *id).collect();
        let records: HashMap<i64, String> = advisory_records::by_ids(tx, &ids, Part::Head)?
            .into_iter()
            .map(|record| (record.id, record.record))
            .collect();
        let names: Vec<(&str, &str)> = found.iter().map(|(name, id)| (name.as_str(), records[id].as_str())).collect();
        assert_eq!(names, [("CVE-1", "1"), ("CVE-all", "1"), ("CVE-all", "2")]);
        let scores = NewRecord { kind: RecordKind::Scores, vulnerabilities: Vec::new(), ..record("CVE-1", &[]) };
        assert!(advisory_feeds::want(tx, "cve")?);
        advisory_records::insert(tx, "cve", 1, &scores)?;
        assert!(advisory_records::of_vulnerabilities(tx, &["CVE-1"])?.is_empty());
        advisory_feeds::begin(tx, "cve", "node")?;
        assert!(advisory_feeds::put_in_force(tx, "cve", &new_revision(1), 10)?);
        let found = advisory_records::of_vulnerabilities(tx, &["CVE-1", "1", "CVE-2"])?;
        assert_eq!(found.len(), 1, "an advisory's name is none of a vulnerability");
        assert_eq!((found[0].feed.as_str(), found[0].kind), ("cve", RecordKind::Scores));
        let details = advisory_records::by_ids(tx, &[found[0].id], Part::Details)?;
        assert_eq!(details[0].content, b"details of CVE-1");
        Ok(())
    })
    .await;
}

async fn fetching_is_noted(backend: &Backend) {
    in_transaction(backend, |tx| {
        fill(tx)?;
        advisory_feeds::note_failure(tx, "debian", "no such host", 30)?;
        let failed = advisory_feeds::find(tx, "debian")?.expect("it is wanted");
        assert_eq!((failed.failure.as_deref(), failed.attempted_at_ms), (Some("no such host"), Some(30)));
        assert_eq!((failed.revision, failed.changed_at_ms, failed.checked_at_ms), (1, Some(10), Some(10)));
        advisory_feeds::note_current(tx, "debian", "{\"a\":1}", 40)?;
        let current = advisory_feeds::find(tx, "debian")?.expect("it is wanted");
        assert_eq!((current.failure, current.checked_at_ms, current.changed_at_ms), (None, Some(40), Some(10)));
        assert_eq!(current.files, "{\"a\":1}");
        assert_eq!(advisory_feeds::revision(tx, "debian")?, 1);
        assert_eq!(advisory_feeds::revision(tx, "none")?, 0);
        Ok(())
    })
    .await;
}

async fn many_packages_come_back(backend: &Backend) {
    in_transaction(backend, |tx| {
        assert!(advisory_feeds::want(tx, "debian")?);
        let names: Vec<String> = (0..333).map(|number| format!("package-{number:03}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let vulnerabilities: Vec<String> = (0..123).map(|number| format!("CVE-{}", number / 2)).collect();
        let new = NewRecord { vulnerabilities: vulnerabilities.clone(), ..record("1", &names) };
        advisory_records::insert(tx, "debian", 1, &new)?;
        advisory_feeds::begin(tx, "debian", "node")?;
        assert!(advisory_feeds::put_in_force(tx, "debian", &new_revision(1), 10)?);
        let rows = advisory_records::of_packages(tx, "Debian", "12", &names, 1_000)?;
        assert_eq!(rows.len(), names.len());
        for most in [0, 1, 200, 201, 333] {
            assert_eq!(advisory_records::of_packages(tx, "Debian", "12", &names, most)?, rows[..most]);
        }
        for (row, name) in rows.iter().zip(&names) {
            assert_eq!((row.key.name.as_str(), row.body.as_slice()), (*name, format!("body of {name}").as_bytes()));
        }
        assert!(advisory_records::of_packages(tx, "debian", "12", &names, 1_000)?.is_empty());
        let vulnerabilities: Vec<&str> = vulnerabilities.iter().map(String::as_str).collect();
        assert_eq!(advisory_records::advisories_on(tx, &vulnerabilities)?.len(), 62, "each once");
        Ok(())
    })
    .await;
}
