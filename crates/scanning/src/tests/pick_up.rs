//! Images that are there when enhanced scanning is put, or takes more repositories than before.

use registry::testing::OTHER_ACCOUNT;
use store::error::StoreError;
use store::tables::image_scans::{self, ImageScan, ScanCause, ScanStatus};
use store::tables::registry_id::RegistryId;
use store::tables::repositories::EncryptionType;
use store::tables::scanning_configurations::ScanType;

use super::fixture::{Fixture, alpine, secdb};
use crate::configuration::{self, Configuration, Frequency, Rule};

/// Puts enhanced scanning of what these filters take, and works off what follows.
async fn put(fixture: &Fixture, filters: &[&str]) {
    let rule = Rule {
        frequency: Frequency::OnPush,
        filters: filters.iter().map(|filter| filter.parse().expect("a filter")).collect(),
    };
    let configuration = Configuration { scan_type: ScanType::Enhanced, rules: vec![rule] };
    let (events, registry, now_ms) = (fixture.app.events.clone(), fixture.test.registry(), fixture.app.now_ms());
    let stored =
        fixture.app.db.write(move |tx| configuration::put(tx, &events, &registry, &configuration, now_ms)).await;
    stored.map_err(|error: StoreError| error).expect("stored");
    fixture.work_off().await;
}

async fn enhanced(fixture: &Fixture, image_id: i64) -> Option<ImageScan> {
    let found = fixture.app.db.read(move |tx| image_scans::find(tx, image_id, ScanType::Enhanced)).await;
    found.map_err(|error: StoreError| error).expect("readable")
}

#[tokio::test]
async fn images_are_picked_up_once() {
    let fixture = Fixture::new().await;
    fixture.advise(&secdb(&[("openssl", &[("3.3.2-r1", &["CVE-2024-0001"])])])).await.expect("in force");
    let home = fixture.home().await;
    let more = fixture.repository(fixture.test.registry(), "more/app", EncryptionType::Aes256).await;
    let other = RegistryId { account: OTHER_ACCOUNT.parse().expect("an account"), ..fixture.test.registry() };
    let foreign = fixture.repository(other, "app", EncryptionType::Aes256).await;
    let base = alpine(&[("openssl", "3.3.1-r0")]);
    let [first, second, of_more, of_other] = [
        fixture.push(&home, std::slice::from_ref(&base)).await,
        fixture.push(&home, &[alpine(&[("openssl", "3.3.2-r1")])]).await,
        fixture.push(&more, std::slice::from_ref(&base)).await,
        fixture.push(&foreign, std::slice::from_ref(&base)).await,
    ];
    put(&fixture, &["app*"]).await;
    let scan = enhanced(&fixture, first).await.expect("it was picked up");
    assert_eq!((scan.cause, scan.status, scan.counts.undefined), (ScanCause::Configuration, ScanStatus::Complete, 1));
    assert!(enhanced(&fixture, second).await.is_some());
    for (image, whose) in [(of_more, "a repository that no rule takes"), (of_other, "another registry")] {
        assert_eq!(enhanced(&fixture, image).await, None, "{whose}");
    }
    // More is taken later: what was scanned already is not scanned again.
    fixture.test.clock.advance_ms(1_000);
    put(&fixture, &["app*", "more/*"]).await;
    assert!(enhanced(&fixture, of_more).await.is_some());
    let again = enhanced(&fixture, first).await.expect("it is still there");
    assert_eq!(again.requested_at_ms, scan.requested_at_ms);
    assert_eq!(enhanced(&fixture, of_other).await, None);
}
