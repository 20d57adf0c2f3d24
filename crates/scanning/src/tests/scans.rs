//! What comes of scans: findings, or why there are none.

use registry::advisory_settings::AdvisorySettings;
use registry::images::storage_class;
use registry::testing::OTHER_ACCOUNT;
use scan::severity::Severity;
use store::error::StoreError;
use store::tables::image_scans::{ScanStatus, SeverityCounts};
use store::tables::kms_keys;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::EncryptionType;
use store::tables::{images, key_version};

use super::fixture::{Fixture, alpine, layer, secdb};
use crate::import_advisories;

const OPENSSL: &[(&str, &[&str])] = &[("3.3.2-r1", &["CVE-2024-0001", "CVE-2024-0002"])];

fn advisories() -> Vec<u8> {
    secdb(&[("openssl", OPENSSL)])
}

async fn facts(fixture: &Fixture) -> usize {
    let rows = fixture.app.db.read(|tx| tx.query("SELECT account_id, blob_id FROM layer_facts", &[]));
    rows.await.map_err(|error: StoreError| error).expect("readable").len()
}

#[tokio::test]
async fn an_image_waits_for_advisories_and_has_findings_then() {
    let fixture = Fixture::new().await;
    let repository = fixture.home().await;
    let image = fixture.push(&repository, &[alpine(&[("openssl", "3.3.1-r0"), ("musl", "1.2.5-r0")])]).await;
    let scan = fixture.scan(image).await;
    assert_eq!(scan.status, ScanStatus::Pending);
    assert!(scan.description.expect("it says why").contains("Alpine 3.20 (alpine/v3.20/main)"));
    fixture.advise(&advisories()).await.expect("in force");
    fixture.work_off().await;
    let scan = fixture.found(image).await;
    assert_eq!((scan.status, scan.is_whole), (ScanStatus::Complete, true), "{scan:?}");
    assert_eq!(scan.description.as_deref(), Some("The scan was completed successfully."));
    assert_eq!(scan.counts, SeverityCounts { undefined: 2, ..SeverityCounts::default() });
    assert!(scan.source_updated_at_ms.is_some() && scan.ended_at_ms.is_some());
    let report = fixture.report(image).await;
    assert_eq!(report.packages.len(), 2);
    let names: Vec<&str> = report.findings.iter().map(|finding| finding.vulnerability.as_str()).collect();
    assert_eq!(names, ["CVE-2024-0001", "CVE-2024-0002"]);
    let finding = &report.findings[0];
    assert_eq!((finding.name.as_str(), finding.fixed_in.as_deref()), ("openssl", Some("3.3.2-r1")));
    assert_eq!(finding.judged.severity, Severity::Undefined);
    assert_eq!(report.feeds[0].name, "alpine/v3.20/main");
    assert_eq!(report.packages[finding.packages[0]].places[0].path, "lib/apk/db/installed");
    let explained = crate::advisory_index::explain(&fixture.app, &report, "CVE-2024-0001").await.expect("explained");
    assert_eq!(explained.len(), 1);
    assert_eq!(
        (explained[0].1.version.as_str(), explained[0].1.record.as_str()),
        ("3.3.1-r0", "Alpine 3.20 openssl CVE-2024-0001")
    );
}

#[tokio::test]
async fn a_clean_image_is_clean_and_a_fixed_one_is_fixed() {
    let fixture = Fixture::new().await;
    let repository = fixture.home().await;
    fixture.advise(&advisories()).await.expect("in force");
    let image = fixture.push(&repository, &[alpine(&[("openssl", "3.3.2-r1")])]).await;
    let scan = fixture.scan(image).await;
    assert_eq!((scan.status, scan.counts), (ScanStatus::Complete, SeverityCounts::default()));
}

#[tokio::test]
async fn a_layer_is_analysed_once_for_each_account() {
    let fixture = Fixture::new().await;
    fixture.advise(&advisories()).await.expect("in force");
    let repository = fixture.home().await;
    let base = alpine(&[("openssl", "3.3.1-r0")]);
    let first = fixture.push(&repository, std::slice::from_ref(&base)).await;
    let second = fixture.push(&repository, &[base.clone(), layer(&[("app", b"binary")])]).await;
    for image in [first, second] {
        assert_eq!(fixture.scan(image).await.counts.undefined, 2);
    }
    assert_eq!(facts(&fixture).await, 2, "the base once, and the application");
    let other = RegistryId { account: OTHER_ACCOUNT.parse().expect("an account"), ..fixture.test.registry() };
    let foreign = fixture.repository(other, "app", EncryptionType::Aes256).await;
    let image = fixture.push(&foreign, &[base]).await;
    assert_eq!(fixture.scan(image).await.counts.undefined, 2);
    assert_eq!(facts(&fixture).await, 3, "nothing is known to one account of what another has pushed");
}

#[tokio::test]
async fn no_data_is_never_clean() {
    let offline = Fixture::with(AdvisorySettings { is_offline: true, ..AdvisorySettings::default() }).await;
    let repository = offline.home().await;
    let image = offline.push(&repository, &[alpine(&[("openssl", "3.3.1-r0")])]).await;
    let scan = offline.scan(image).await;
    assert_eq!(scan.status, ScanStatus::Failed);
    assert!(scan.description.expect("why").contains("fetches nothing"));
    offline.advise(&advisories()).await.expect("imported");
    assert_eq!(offline.scan(image).await.status, ScanStatus::Complete);
    offline.test.clock.advance_ms(15 * 24 * 60 * 60 * 1000);
    let scan = offline.scan(image).await;
    assert_eq!(scan.status, ScanStatus::Failed);
    assert!(scan.description.expect("why").contains("scanning.max_data_age_hours"));
    assert_eq!(scan.counts, SeverityCounts::default());
}

#[tokio::test]
async fn what_failed_for_want_of_advisories_goes_on_when_they_are_imported() {
    let offline = Fixture::with(AdvisorySettings { is_offline: true, ..AdvisorySettings::default() }).await;
    let repository = offline.home().await;
    let image = offline.push(&repository, &[alpine(&[("openssl", "3.3.1-r0")])]).await;
    assert_eq!(offline.scan(image).await.status, ScanStatus::Failed);
    let digest = offline.upload(&repository, &advisories()).await;
    let now_ms = offline.app.now_ms();
    let asked = offline
        .app
        .db
        .write(move |tx| import_advisories::ask(tx, "alpine/v3.20/main", (&repository, &digest), false, now_ms));
    assert_eq!(asked.await.map_err(|error: StoreError| error).expect("asked for"), 0);
    offline.work_off().await;
    let scan = offline.found(image).await;
    assert_eq!((scan.status, scan.counts.undefined), (ScanStatus::Complete, 2), "{scan:?}");
}

#[tokio::test]
async fn what_cannot_be_scanned_says_so() {
    let fixture = Fixture::new().await;
    let repository = fixture.home().await;
    fixture.advise(&advisories()).await.expect("in force");
    let empty = fixture.push(&repository, &[layer(&[("hello", b"binary")])]).await;
    let scan = fixture.scan(empty).await;
    assert_eq!(scan.status, ScanStatus::UnsupportedImage);
    assert_eq!(
        scan.description.as_deref(),
        Some("UnsupportedImageError: The operating system '' version '' is not supported")
    );
    let unknown = layer(&[
        ("etc/os-release", b"ID=frobnix\nVERSION_ID=7\n"),
        ("var/lib/dpkg/status", b"Package: a\nStatus: install ok installed\nVersion: 1\n\n"),
    ]);
    let unknown = fixture.push(&repository, &[unknown]).await;
    let scan = fixture.scan(unknown).await;
    assert_eq!(scan.status, ScanStatus::UnsupportedImage, "{scan:?}");
    assert!(scan.description.expect("why").contains("'frobnix' version '7'"));
    assert_eq!(fixture.report(unknown).await.packages.len(), 1, "what was found in it is told");
    // That a file in it is broken does not make it known.
    let broken = layer(&[
        ("etc/os-release", b"ID=frobnix\nVERSION_ID=7\n"),
        ("app/node_modules/a/package.json", b"{"),
        ("app/node_modules/b/package.json", br#"{"name": "b", "version": "1.0.0"}"#),
    ]);
    let broken = fixture.push(&repository, &[broken]).await;
    let scan = fixture.scan(broken).await;
    assert_eq!((scan.status, scan.is_whole), (ScanStatus::UnsupportedImage, false), "{scan:?}");
    let said = scan.description.expect("why");
    assert!(said.contains("'frobnix'") && said.contains("app/node_modules/a/package.json"), "{said}");
    let torn = alpine(&[("openssl", "3.3.2-r1")]);
    let torn = fixture.push(&repository, &[torn[..torn.len() - 1500].to_vec()]).await;
    let scan = fixture.scan(torn).await;
    assert!(!scan.is_whole && scan.status == ScanStatus::Failed, "{scan:?}");
    assert!(scan.description.expect("why").starts_with("The image was analysed in part: "));
}

/// Each version is a package of its own: what is kept and compared of an image is bounded, and never clean beyond that.
#[tokio::test]
async fn an_image_of_too_many_packages_is_never_clean() {
    let fixture = Fixture::new().await;
    fixture.advise(&advisories()).await.expect("in force");
    let repository = fixture.home().await;
    let versions: Vec<String> = (0..50_001).map(|number| format!("4.0.{number}-r0")).collect();
    let packages: Vec<(&str, &str)> = versions.iter().map(|version| ("openssl", version.as_str())).collect();
    let image = fixture.push(&repository, &[alpine(&packages)]).await;
    fixture.scan(image).await;
    fixture.work_off().await;
    let (scan, report) = (fixture.found(image).await, fixture.report(image).await);
    assert_eq!((report.packages.len(), report.findings.len()), (50_000, 0));
    assert_eq!(report.told_status(scan.status), ScanStatus::Failed);
    assert!(report.problem_words().is_some_and(|words| words.contains("more than 50000 packages")));
}

#[tokio::test]
async fn what_is_left_out_is_said() {
    let fixture = Fixture::new().await;
    let repository = fixture.home().await;
    fixture.advise(&advisories()).await.expect("in force");
    // The fixture has no feed of Python's packages.
    let django =
        ("usr/lib/python3/site-packages/django-3.0.dist-info/METADATA", b"Name: Django\nVersion: 3.0\n".as_slice());
    let both = fixture.push(&repository, &[alpine(&[("openssl", "3.3.2-r1")]), layer(&[django])]).await;
    let scan = fixture.scan(both).await;
    assert_eq!(scan.status, ScanStatus::Complete, "{scan:?}");
    assert!(scan.description.expect("it says so").ends_with("PyPI were not compared: their feeds are switched off."));
    // Where nothing else is in an image, nothing was compared.
    let alone = fixture.push(&repository, &[layer(&[django])]).await;
    let scan = fixture.scan(alone).await;
    assert_eq!(scan.status, ScanStatus::Failed);
    assert_eq!(scan.description.as_deref(), Some("There are no advisories for PyPI"));
    // A system that has lost the list of its packages.
    let lost = fixture.push(&repository, &[layer(&[("etc/os-release", b"ID=alpine\nVERSION_ID=3.20.3\n")])]).await;
    let scan = fixture.scan(lost).await;
    assert_eq!((scan.status, scan.is_whole), (ScanStatus::Failed, false));
    assert!(scan.description.expect("why").contains("list of its packages is not there"));
}

#[tokio::test]
async fn an_image_without_its_layer_fails_at_once() {
    let fixture = Fixture::new().await;
    let repository = fixture.home().await;
    fixture.advise(&advisories()).await.expect("in force");
    let base = alpine(&[("openssl", "3.3.1-r0")]);
    let image = fixture.push(&repository, std::slice::from_ref(&base)).await;
    let digest = oci::Digest::sha256_of(&base).to_string();
    let gone = fixture
        .app
        .db
        .write(move |tx| tx.execute("DELETE FROM repository_blobs WHERE digest = $1", &[digest.as_str().into()]));
    gone.await.map_err(|error: StoreError| error).expect("gone");
    let scan = fixture.scan(image).await;
    assert_eq!(scan.status, ScanStatus::Failed);
    assert!(scan.description.expect("why").contains(&oci::Digest::sha256_of(&base).to_string()));
}

#[tokio::test]
async fn facts_that_are_damaged_are_made_anew() {
    let fixture = Fixture::new().await;
    let repository = fixture.home().await;
    fixture.advise(&advisories()).await.expect("in force");
    let image = fixture.push(&repository, &[alpine(&[("openssl", "3.3.1-r0")])]).await;
    assert_eq!(fixture.scan(image).await.counts.undefined, 2);
    let damage = fixture.app.db.write(|tx| tx.execute("UPDATE layer_facts SET sealed = $1", &[b"x".as_slice().into()]));
    damage.await.map_err(|error: StoreError| error).expect("damaged");
    assert_eq!(fixture.scan(image).await.counts.undefined, 2);
    // Another revision that finds the same is noted, and nothing is read.
    let older = fixture.app.db.write(|tx| tx.execute("UPDATE layer_facts SET revision = 1", &[]));
    older.await.map_err(|error: StoreError| error).expect("changed");
    assert_eq!(fixture.scan(image).await.counts.undefined, 2);
    let rows = fixture.app.db.read(|tx| tx.query("SELECT revision FROM layer_facts", &[])).await;
    let rows = rows.map_err(|error: StoreError| error).expect("readable");
    assert_ne!(rows[0].int(0).expect("a number"), 1);
}

#[tokio::test]
async fn facts_and_reports_of_a_key_are_shut_with_it() {
    let fixture = Fixture::new().await;
    fixture.advise(&advisories()).await.expect("in force");
    let repository = fixture.repository(fixture.test.registry(), "secret", EncryptionType::Kms).await;
    let image = fixture.push(&repository, &[alpine(&[("openssl", "3.3.1-r0")])]).await;
    assert_eq!(fixture.scan(image).await.counts.undefined, 2);
    let arn = repository.spec.kms_key.clone().expect("it has a key");
    let switch = |is_enabled: bool| {
        let key_id = arn.key_id().parse().expect("an id");
        fixture.app.db.write(move |tx| {
            let mut key = kms_keys::find_by_key_id(tx, key_id)?.expect("it is there");
            key.is_enabled = is_enabled;
            kms_keys::update(tx, &key)?;
            key_version::increment(tx)
        })
    };
    switch(false).await.map_err(|error: StoreError| error).expect("disabled");
    fixture.app.refresh_keys().await.expect("known");
    let (account, blob_id) = (fixture.test.registry().account, 1);
    let rows = fixture.app.db.read(|tx| tx.query("SELECT blob_id FROM layer_facts", &[])).await;
    let blob_id = rows.map_err(|error: StoreError| error).expect("readable")[0].int(0).unwrap_or(blob_id);
    let limits = scan::limits::Limits::default();
    let opened = crate::layer_facts::open(&fixture.app, &account, blob_id, &limits).await;
    assert!(matches!(opened, Err(registry::images::errors::RegistryError::Kms(_))));
    let scan = fixture.scan(image).await;
    assert_eq!((scan.status, scan.counts), (ScanStatus::Failed, SeverityCounts::default()));
    switch(true).await.map_err(|error: StoreError| error).expect("enabled");
    fixture.app.refresh_keys().await.expect("known");
    assert_eq!(fixture.scan(image).await.counts.undefined, 2);
}

#[tokio::test]
async fn an_image_that_goes_ends_its_scan() {
    let fixture = Fixture::new().await;
    let repository = fixture.home().await;
    let image = fixture.push(&repository, &[alpine(&[("openssl", "3.3.1-r0")])]).await;
    assert_eq!(fixture.scan(image).await.status, ScanStatus::Pending);
    let (id, cause) = (repository.id, fixture.cause());
    let place = repository.clone();
    let archived = fixture.app.db.write(move |tx| {
        let image = images::find_by_id(tx, id, image)?.expect("it is there");
        storage_class::archive(tx, &place, &image, &cause).map(drop)
    });
    archived.await.expect("archived");
    fixture.advise(&advisories()).await.expect("in force");
    fixture.work_off().await;
    let scan = fixture.found(image).await;
    assert_eq!(scan.status, ScanStatus::Failed);
    assert!(scan.description.expect("why").contains("archived"));
}

#[tokio::test]
async fn what_was_found_before_keeps_its_time() {
    let fixture = Fixture::new().await;
    let repository = fixture.home().await;
    fixture.advise(&advisories()).await.expect("in force");
    let image = fixture.push(&repository, &[alpine(&[("openssl", "3.3.1-r0"), ("zlib", "1.3-r0")])]).await;
    fixture.scan(image).await;
    let first = fixture.report(image).await.findings[0].first_seen_ms;
    fixture.test.clock.advance_ms(60_000);
    let more = secdb(&[("openssl", OPENSSL), ("zlib", &[("1.3.1-r0", &["CVE-2024-0003"])])]);
    fixture.advise(&more).await.expect("in force");
    fixture.scan(image).await;
    let report = fixture.report(image).await;
    let times: Vec<(i64, i64)> =
        report.findings.iter().map(|finding| (finding.first_seen_ms - first, finding.last_seen_ms - first)).collect();
    assert_eq!(times, [(0, 60_000), (0, 60_000), (60_000, 60_000)]);
}
