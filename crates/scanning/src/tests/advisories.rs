//! Updates of advisories: whole or not at all.

use std::io::Cursor;

use scan::feeds::catalog::{self, Feed};
use scan::feeds::{Compression, Packaging};
use store::db::Tx;
use store::error::StoreError;
use store::tables::advisory_feeds::{self, NewRevision};
use store::tables::advisory_records;
use store::tables::image_scans::ScanStatus;

use super::fixture::{Fixture, alpine, secdb};
use crate::advisory_state::files;
use crate::advisory_update::{self, FileNotes, OpenFile, Refused, Shrinking};
use crate::{import_advisories, update_advisories};

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

const FIXES: &[(&str, &[&str])] = &[("1", &["CVE-2024-0001"])];

/// A file of Alpine's with so many records.
fn many(number: usize) -> Vec<u8> {
    let names: Vec<String> = (0..number).map(|number| format!("package-{number}")).collect();

    let packages: Vec<_> = names.iter().map(|name| (name.as_str(), FIXES)).collect();
    secdb(&packages)
}

#[tokio::test]
async fn what_has_less_than_half_is_no_revision_unless_somebody_says_so() {
    let fixture = Fixture::new().await;
    let revision = async |records| fixture.advise(&many(records)).await.map(|updated| updated.revision);
    // Of few records half is soon gone.
    for (number, records) in [(1, 99), (2, 5), (3, 200), (4, 100)] {
        assert_eq!(revision(records).await.expect("in force"), number, "{records}");
    }
    let refused = revision(49).await.expect_err("half is gone");
    assert!(matches!(refused, Refused::Shrunk { records: 49, in_force: 100 }), "{refused}");
    assert_eq!(revision(50).await.expect("in force"), 5);

    let fixture = Fixture::new().await;
    fixture.advise(&many(100)).await.expect("in force");
    let repository = fixture.home().await;
    for (is_forced, in_force) in [(false, 1), (true, 2)] {
        let (place, digest) = (repository.clone(), fixture.upload(&repository, &many(3)).await);
        let now_ms = fixture.app.now_ms();
        let ask = move |tx: &mut dyn Tx| import_advisories::ask(tx, NAME, (&place, &digest), is_forced, now_ms);
        fixture.app.db.write(ask).await.map_err(|error: StoreError| error).expect("asked for");
        fixture.work_off().await;
        let revision = fixture.app.db.read(|tx| advisory_feeds::revision(tx, NAME)).await.expect("readable");
        assert_eq!(revision, in_force);
    }
}

#[tokio::test]
async fn a_feed_tells_of_nothing_that_is_not_its_own() {
    let fixture = Fixture::new().await;
    let feeds = catalog::built_in();
    let feed = feeds.iter().find(|feed| feed.name == "osv-pypi").expect("in the table");
    let feed = &Feed { packaging: Packaging::File(Compression::None), ..feed.clone() };
    let record = |id: &str, ecosystem: &str| {
        format!(
            r#"{{"id":"{id}","affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"a"}},"versions":["1"]}}]}}"#
        )
    };
    let put = async |lines: &[String]| {
        let open = OpenFile { input: Cursor::new(lines.join("\n").into_bytes()), scratch: None };
        let with = (&FileNotes { files: "{}".to_owned(), source_updated_at_ms: None }, Shrinking::Refused);
        let wanted = fixture.app.db.write(|tx| advisory_feeds::want(tx, "osv-pypi").map(drop)).await;
        wanted.map_err(|error: StoreError| error).expect("wanted");
        advisory_update::put_in_force(&fixture.app.db, "osv-pypi", (feed, &feed.files[0]), open, with, 1).await
    };
    for lines in [
        vec![record("GHSA-1", "npm")],
        vec![record("GHSA-1", "npm"), record("GHSA-2", "npm"), record("GHSA-3", "PyPI")],
    ] {
        let refused = put(&lines).await.expect_err("it tells of npm");
        assert!(refused.to_string().contains("tell of others than packages of PyPI"), "{refused}");
    }
    assert_eq!(put(&[record("GHSA-1", "npm"), record("GHSA-2", "PyPI")]).await.expect("in force").records, 2);
    let of = async |ecosystem: &'static str| {
        let rows = fixture.app.db.read(move |tx| advisory_records::of_packages(tx, ecosystem, "", &["a"], 10)).await;
        rows.expect("readable").len()
    };
    assert_eq!((of("PyPI").await, of("npm").await), (1, 0));
}

#[tokio::test]
async fn a_file_of_another_release_or_repository_is_no_revision() {
    let fixture = Fixture::new().await;
    let good = String::from_utf8(secdb(&[("openssl", FIXES)])).expect("text");
    fixture.advise(good.as_bytes()).await.expect("in force");
    for (from, to, why) in [
        ("v3.20", "v3.19", "1 of its 1 records tell of others than packages of Alpine 3.20"),
        (r#""main""#, r#""community""#, "it is of the repository 'community', and not of 'main'"),
    ] {
        assert!(good.contains(from), "{good}");
        let refused = fixture.advise(good.replace(from, to).as_bytes()).await.expect_err("it is another's");
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

#[tokio::test]
async fn all_scans_go_on_and_none_is_lost() {
    const IMAGES: usize = 3;
    let fixture = Fixture::new().await;
    let repository = fixture.home().await;
    let mut images = Vec::new();
    for number in 0..IMAGES {
        let layer = alpine(&[("openssl", &format!("0.{number}-r0"))]);
        images.push(fixture.push(&repository, &[layer]).await);
        assert_eq!(fixture.scan(images[number]).await.status, ScanStatus::Pending);
    }
    // A server that died between two transactions has noted no job.
    let forgotten = fixture.app.db.write(|tx| tx.execute("DELETE FROM jobs", &[]));
    forgotten.await.map_err(|error: StoreError| error).expect("forgotten");
    fixture.advise_quietly(&secdb(&[("openssl", FIXES)])).await;
    fixture.work_off().await;
    assert_eq!(fixture.found(images[0]).await.status, ScanStatus::Pending, "nobody works on it");
    update_advisories::schedule(&fixture.app).await.expect("looked at");
    fixture.work_off().await;
    for image in images {
        assert_eq!(fixture.found(image).await.status, ScanStatus::Complete);
    }
}

#[tokio::test]
async fn an_update_that_was_cut_off_leaves_nothing() {
    let fixture = Fixture::new().await;
    let good = secdb(&[("openssl", &[("3.3.2-r1", &["CVE-2024-0001"])]), ("zlib", &[("2", &["CVE-2024-0002"])])]);
    fixture.advise(&good).await.expect("in force");
    // As a node leaves it that was killed in the middle: a record has ended, and another is there, of a revision to come.
    let cut = fixture.app.db.write(|tx| {
        let known = advisory_records::list_before(tx, NAME, 2, 0, 10)?;
        let openssl = known.iter().find(|known| known.record == "Alpine 3.20 openssl CVE-2024-0001");
        advisory_records::end(tx, &[openssl.expect("it is there").id], 2)?;
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
    let found = fixture.app.db.read(|tx| advisory_records::list_before(tx, NAME, 3, 0, 10)).await.expect("readable");
    assert!(found.iter().all(|known| known.record != "CVE-2024-0666"), "{found:?}");
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
    // A node that was held up finds that another is at the same revision, and then that it is in force.
    let put = async |writer: &'static str| {
        let new = NewRevision { writer, revision: 2, files: "{}", source_updated_at_ms: None, records: 1, broken: 0 };
        let put = fixture.app.db.write(move |tx| advisory_feeds::put_in_force(tx, NAME, &new, 5)).await;
        put.map_err(|error: StoreError| error).expect("asked")
    };
    for writer in ["held up", "other"] {
        let begun = fixture.app.db.write(move |tx| advisory_feeds::begin(tx, NAME, writer)).await;
        begun.map_err(|error: StoreError| error).expect("begun");
    }
    assert_eq!((put("held up").await, put("other").await, put("other").await), (false, true, false));
}

#[tokio::test]
async fn what_is_being_fetched_is_not_asked_for_again() {
    let fixture = Fixture::new().await;
    let (app, now_ms) = (&fixture.app, fixture.app.now_ms());
    let file = files(&app.advisories.feeds).next().expect("a file").0;
    let asked = file.clone();
    let ask = app.db.write(move |tx| update_advisories::ask(tx, std::slice::from_ref(&asked), now_ms));
    ask.await.map_err(|error: StoreError| error).expect("asked for");
    update_advisories::schedule(app).await.expect("looked for what is due");
    let noted = app.db.read(|tx| tx.query("SELECT generation FROM jobs WHERE kind = 'update_advisories'", &[])).await;
    let noted: Vec<i64> = noted
        .map_err(|error: StoreError| error)
        .expect("readable")
        .iter()
        .map(|row| row.int(0).expect("a number"))
        .collect();
    assert_eq!(noted, [1], "{file} is noted once");
}
