//! Updates of advisories: whole or not at all.

use store::error::StoreError;
use store::tables::advisory_feeds::{self, NewRevision};
use store::tables::advisory_records;

use super::fixture::{Fixture, alpine, secdb};
use crate::advisory_update::Refused;
use crate::update_advisories;

const NAME: &str = "alpine/v3.20/main";

#[tokio::test]
async fn an_update_writes_what_has_changed() {
    let fixture = Fixture::new().await;
    let first = secdb(&[("a", &[("1", &["CVE-1"])]), ("b", &[("1", &["CVE-2"])]), ("c", &[("1", &["CVE-3"])])]);
    let updated = fixture.advise(&first).await.expect("in force");
    assert_eq!((updated.revision, updated.written, updated.ended, updated.records), (1, 3, 0, 3));
    let updated = fixture.advise(&first).await.expect("in force");
    assert_eq!((updated.revision, updated.written, updated.ended), (2, 0, 0));
    let second = secdb(&[("a", &[("1", &["CVE-1"])]), ("b", &[("2", &["CVE-2"])]), ("d", &[("1", &["CVE-4"])])]);
    let updated = fixture.advise(&second).await.expect("in force");
    assert_eq!((updated.revision, updated.written, updated.ended), (3, 2, 2));
}

#[tokio::test]
async fn what_is_no_whole_revision_changes_nothing() {
    let fixture = Fixture::new().await;
    let repository = fixture.home().await;
    let good = secdb(&[("openssl", &[("3.3.2-r1", &["CVE-2024-0001"])])]);
    fixture.advise(&good).await.expect("in force");
    let image = fixture.push(&repository, &[alpine(&[("openssl", "3.3.1-r0")])]).await;
    let other = secdb(&[("openssl", &[("3.3.2-r1", &["CVE-2024-0009"])])]);
    for cut in [0, 1, other.len() / 2, other.len() - 1] {
        let refused = fixture.advise(&other[..cut]).await.expect_err("it is cut off");
        assert!(matches!(refused, Refused::Unfit(_)), "{refused}");
        fixture.scan(image).await;
        assert_eq!(fixture.report(image).await.findings[0].vulnerability, "CVE-2024-0001");
    }
    let updated = fixture.advise(&other).await.expect("in force");
    assert_eq!((updated.revision, updated.written, updated.ended), (2, 1, 1));
    fixture.scan(image).await;
    assert_eq!(fixture.report(image).await.findings[0].vulnerability, "CVE-2024-0009");
}

#[tokio::test]
async fn an_update_that_was_cut_off_leaves_nothing() {
    let fixture = Fixture::new().await;
    let good = secdb(&[("openssl", &[("3.3.2-r1", &["CVE-2024-0001"])]), ("zlib", &[("2", &["CVE-2024-0002"])])]);
    fixture.advise(&good).await.expect("in force");
    // As a node leaves it that was killed in the middle: a record has ended, and another is there, of a revision to come.
    let cut = fixture.app.db.write(|tx| {
        let known = advisory_records::known(tx, NAME, &["Alpine 3.20 openssl CVE-2024-0001"])?;
        advisory_records::end(tx, &[known[0].id], 2)?;
        let row = tx.query("SELECT hash FROM advisory_records LIMIT 1", &[])?;
        let new = advisory_records::NewRecord {
            record: "CVE-2024-0666".to_owned(),
            kind: advisory_records::RecordKind::Advisory,
            hash: row[0].blob(0)?.to_vec(),
            head: vec![1],
            details: vec![1],
            packages: Vec::new(),
            vulnerabilities: Vec::new(),
        };
        advisory_records::insert(tx, NAME, 2, &new)
    });
    cut.await.map_err(|error: StoreError| error).expect("written");
    let updated = fixture.advise(&good).await.expect("in force");
    assert_eq!((updated.revision, updated.written, updated.ended), (2, 0, 0), "all is as it was");
    let found = fixture.app.db.read(|tx| advisory_records::known(tx, NAME, &["CVE-2024-0666"])).await;
    assert!(found.expect("readable").is_empty());
}

#[tokio::test]
async fn what_no_feed_has_any_more_is_forgotten() {
    let fixture = Fixture::new().await;
    let good = secdb(&[("openssl", &[("3.3.2-r1", &["CVE-2024-0001"])])]);
    fixture.advise(&good).await.expect("in force");
    fixture.advise_as("gone/v3.20", &good).await.expect("in force");
    let in_force = async || {
        let list = |tx: &mut dyn store::db::Tx| {
            let feeds = advisory_feeds::list(tx)?.into_iter().map(|feed| feed.name).collect::<Vec<_>>();
            let rows = tx.query("SELECT COUNT(*) FROM advisory_records", &[])?;
            Ok((feeds, rows[0].int(0)?))
        };
        let found = fixture.app.db.read(list).await;
        found.map_err(|error: StoreError| error).expect("readable")
    };
    assert_eq!(in_force().await, (vec![NAME.to_owned(), "gone/v3.20".to_owned()], 2));
    update_advisories::schedule(&fixture.app).await.expect("looked at");
    assert_eq!(in_force().await, (vec![NAME.to_owned()], 1));
}

#[tokio::test]
async fn of_two_updates_one_counts() {
    let fixture = Fixture::new().await;
    let good = secdb(&[("openssl", &[("3.3.2-r1", &["CVE-2024-0001"])])]);
    fixture.advise(&good).await.expect("in force");
    // Another node puts the same revision in force, just before this one does.
    let notes = NewRevision { revision: 2, files: "{}", source_updated_at_ms: None, records: 1, broken: 0 };
    let first = fixture.app.db.write(move |tx| advisory_feeds::put_in_force(tx, NAME, &notes, 5));
    assert!(first.await.map_err(|error: StoreError| error).expect("written"));
    let again = NewRevision { revision: 2, files: "{}", source_updated_at_ms: None, records: 1, broken: 0 };
    let second = fixture.app.db.write(move |tx| advisory_feeds::put_in_force(tx, NAME, &again, 6));
    assert!(!second.await.map_err(|error: StoreError| error).expect("not written"));
}
