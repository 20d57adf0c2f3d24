//! Scans: what is put for a registry, what is kept of layers, and the last scan of each image.

use store::blob::ObjectId;
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_scans::{self, EndedScan, ScanCause, ScanStatus, SeverityCounts};
use store::tables::jobs::{self, NewJob};
use store::tables::layer_facts::{self, AnalysedLayer};
use store::tables::repositories::Repository;
use store::tables::scanning_configurations::{self, ScanType, ScanningConfiguration};
use store::tables::sealed_documents::SealedDocument;
use store::tables::{blobs, images, repository_blobs};

use super::fixtures::{add_blob, add_image, add_repository, delete_image, digest, home, in_transaction, registry};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    a_configuration_is_of_one_registry,
    facts_are_of_one_account_and_go_with_the_blob,
    facts_that_nobody_needs_are_removed,
    a_scan_ends_once,
    a_later_request_outlives_the_scan_before,
    scans_go_with_their_image,
    a_layer_is_waited_for_by_the_scans_of_its_account,
);

fn document(content: u8) -> SealedDocument {
    SealedDocument { object: ObjectId::random(), data_key: vec![content; 3], sealed: vec![content; 100] }
}

/// Shows a layer in a repository; returns the row of the blob.
fn add_layer(tx: &mut dyn Tx, repository: &Repository, number: u64) -> Result<i64, StoreError> {
    add_blob(tx, repository, &digest(number), 1)?;
    Ok(repository_blobs::find(tx, repository.id, &digest(number))?.expect("it was added").stored.id)
}

async fn a_configuration_is_of_one_registry(backend: &Backend) {
    in_transaction(backend, |tx| {
        let put = |scan_type, rules: &str| ScanningConfiguration { scan_type, rules: rules.to_owned() };
        assert_eq!(scanning_configurations::find(tx, &home())?, None);
        for configuration in [put(ScanType::Enhanced, "[1]"), put(ScanType::Basic, "[]")] {
            scanning_configurations::upsert(tx, &home(), &configuration)?;
            assert_eq!(scanning_configurations::find(tx, &home())?, Some(configuration));
        }
        for other in [registry("123456789012", "eu-west-1"), registry("210987654321", "us-east-1")] {
            assert_eq!(scanning_configurations::find(tx, &other)?, None);
        }
        Ok(())
    })
    .await;
}

async fn facts_are_of_one_account_and_go_with_the_blob(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let blob_id = add_layer(tx, &repository, 9)?;
        let other = registry("210987654321", "us-east-1").account;
        let layer = AnalysedLayer { blob_id, revision: 1, is_whole: true, analysed_at_ms: 5 };
        assert!(layer_facts::upsert(tx, &home().account, &layer, &document(1))?);
        assert_eq!(layer_facts::find_analysed(tx, &other, blob_id)?, None);
        assert_eq!(layer_facts::find(tx, &other, blob_id)?, None);
        let better = AnalysedLayer { revision: 2, is_whole: false, ..layer };
        let facts = document(2);
        assert!(layer_facts::upsert(tx, &home().account, &better, &facts)?);
        assert_eq!(layer_facts::find_analysed(tx, &home().account, blob_id)?, Some(better.clone()));
        let listed = layer_facts::list(tx, 0, 10)?;
        assert_eq!((listed.len(), &listed[0].document, &listed[0].digest), (1, &facts, &digest(9).to_string()));
        assert_eq!(layer_facts::find(tx, &home().account, blob_id)?, Some(facts));
        repository_blobs::delete_all(tx, repository.id)?;
        blobs::release(tx, blob_id)?;
        assert_eq!(blobs::collect_unreferenced(tx, 7, 10)?, 1);
        assert_eq!(layer_facts::find(tx, &home().account, blob_id)?, None);
        assert!(!layer_facts::upsert(tx, &home().account, &better, &document(3))?, "the blob is gone");
        Ok(())
    })
    .await;
}

async fn facts_that_nobody_needs_are_removed(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let mine = home().account;
        let other = registry("210987654321", "us-east-1").account;
        for number in 1..=5 {
            let blob_id = add_layer(tx, &repository, number)?;
            let layer = AnalysedLayer { blob_id, revision: 1, is_whole: true, analysed_at_ms: 5 };
            for account in [&mine, &other] {
                assert!(layer_facts::upsert(tx, account, &layer, &document(1))?);
            }
        }
        let (mut after, mut removed) = (0, 0);
        loop {
            let searched = layer_facts::delete_unneeded(tx, after, 3)?;
            removed += searched.removed;
            let Some(last) = searched.last_id else { break };
            after = last;
        }
        assert_eq!(removed, 5, "those of the account that has no repository with them");
        Ok(())
    })
    .await;
}

const COUNTS: SeverityCounts =
    SeverityCounts { critical: 1, high: 2, medium: 3, low: 4, informational: 5, undefined: 6 };

fn ended(report: &SealedDocument) -> EndedScan<'_> {
    EndedScan {
        status: ScanStatus::Complete,
        description: Some("done"),
        source_updated_at_ms: Some(40),
        is_whole: false,
        counts: COUNTS,
        report: Some(report),
    }
}

async fn a_scan_ends_once(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let image = add_image(tx, repository.id, 1)?;
        let key = (image, ScanType::Basic);
        let report = document(1);
        assert!(!image_scans::end(tx, key, 10, &ended(&report), 50)?, "nobody has asked for it");
        image_scans::request(tx, image, ScanType::Basic, ScanCause::Push, 10)?;
        assert_eq!(image_scans::waiting(tx)?, (1, Some(10)));
        let waiting = image_scans::list_waiting(tx, None, (0, 0), 10)?;
        assert!(matches!(waiting[..], [only] if (only.account, only.key) == (repository.spec.registry.account, key)));
        assert!(image_scans::list_waiting(tx, None, waiting[0].place, 10)?.is_empty());
        assert_eq!(image_scans::list_waiting(tx, Some("scan"), (0, 0), 10)?, waiting);
        let job = format!("{image} BASIC");
        jobs::enqueue(tx, &NewJob { kind: "scan", key: &job, payload: "{}", account: None, due_at_ms: 1 }, 1)?;
        assert!(image_scans::list_waiting(tx, Some("scan"), (0, 0), 10)?.is_empty());
        assert_eq!(image_scans::list_waiting(tx, Some("other"), (0, 0), 10)?, waiting);
        assert!(image_scans::note_progress(tx, image, ScanType::Basic, ScanStatus::Pending, Some("waits"), 15)?);
        assert!(image_scans::note_progress(tx, image, ScanType::Basic, ScanStatus::InProgress, None, 20)?);
        let found = image_scans::find(tx, image, ScanType::Basic)?.expect("it was asked for");
        assert_eq!((found.status, found.started_at_ms, found.description), (ScanStatus::InProgress, Some(15), None));
        assert!(image_scans::end(tx, key, 10, &ended(&report), 50)?);
        assert!(!image_scans::end(tx, key, 10, &ended(&document(2)), 60)?, "it has ended");
        assert!(!image_scans::note_progress(tx, image, ScanType::Basic, ScanStatus::InProgress, None, 70)?);
        let found = image_scans::find(tx, image, ScanType::Basic)?.expect("it is there");
        assert_eq!((found.status, found.counts, found.ended_at_ms), (ScanStatus::Complete, COUNTS, Some(50)));
        assert_eq!((found.source_updated_at_ms, found.is_whole), (Some(40), false));
        let listed = image_scans::list_reports(tx, 0, 10)?;
        assert_eq!((listed.len(), &listed[0].document, &listed[0].digest), (1, &report, &digest(1).to_string()));
        assert!(image_scans::list_reports(tx, listed[0].id, 10)?.is_empty());
        assert_eq!(image_scans::find_report(tx, image, ScanType::Basic)?, Some(report));
        assert_eq!(image_scans::find(tx, image, ScanType::Enhanced)?, None);
        assert_eq!(image_scans::waiting(tx)?, (0, None));
        Ok(())
    })
    .await;
}

async fn a_later_request_outlives_the_scan_before(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let image = add_image(tx, repository.id, 1)?;
        let key = (image, ScanType::Basic);
        let (first, second) = (document(1), document(2));
        image_scans::request(tx, image, ScanType::Basic, ScanCause::Push, 10)?;
        assert!(image_scans::end(tx, key, 10, &ended(&first), 15)?);
        image_scans::request(tx, image, ScanType::Basic, ScanCause::Manual, 20)?;
        image_scans::request(tx, image, ScanType::Basic, ScanCause::Manual, 30)?;
        assert_eq!(image_scans::find_report(tx, image, ScanType::Basic)?, Some(first), "until there is a new one");
        assert!(!image_scans::end(tx, key, 20, &ended(&second), 35)?, "another was asked for since");
        assert!(image_scans::end(tx, key, 30, &ended(&second), 40)?);
        assert_eq!(image_scans::find_report(tx, image, ScanType::Basic)?.as_ref(), Some(&second));
        image_scans::request(tx, image, ScanType::Basic, ScanCause::Manual, 50)?;
        let failed = EndedScan { status: ScanStatus::Failed, report: None, ..ended(&second) };
        assert!(image_scans::end(tx, key, 50, &failed, 60)?);
        assert_eq!(image_scans::find_report(tx, image, ScanType::Basic)?, Some(second), "for the scan after");
        Ok(())
    })
    .await;
}

async fn scans_go_with_their_image(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let image = add_image(tx, repository.id, 1)?;
        for scan_type in ScanType::ALL {
            image_scans::request(tx, image, scan_type, ScanCause::Push, 10)?;
        }
        delete_image(tx, repository.id, image, 50)?;
        assert_eq!(image_scans::find(tx, image, ScanType::Basic)?, None);
        assert_eq!(image_scans::waiting(tx)?, (0, None));
        Ok(())
    })
    .await;
}

async fn a_layer_is_waited_for_by_the_scans_of_its_account(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let layer = digest(9);
        let (account, other) = (home().account, registry("210987654321", "us-east-1").account);
        let mut waiting = Vec::new();
        for number in [1, 2] {
            let image = add_image(tx, repository.id, number)?;
            images::insert_blob(tx, image, &layer)?;
            waiting.push(image);
        }
        assert!(!image_scans::is_any_waiting_for_layer(tx, &account, &layer)?);
        for image in &waiting {
            image_scans::request(tx, *image, ScanType::Basic, ScanCause::Push, 10)?;
        }
        let all: Vec<_> = waiting.iter().map(|image| (*image, ScanType::Basic)).collect();
        assert_eq!(image_scans::waiting_for_layer(tx, &account, &layer)?, all);
        assert!(image_scans::is_any_waiting_for_layer(tx, &account, &layer)?);
        assert!(!image_scans::is_any_waiting_for_layer(tx, &other, &layer)?);
        assert!(!image_scans::is_any_waiting_for_layer(tx, &account, &digest(8))?);
        image_scans::end(tx, all[0], 10, &ended(&document(1)), 50)?;
        assert_eq!(image_scans::waiting_for_layer(tx, &account, &layer)?, all[1..]);
        delete_image(tx, repository.id, waiting[1], 60)?;
        assert!(!image_scans::is_any_waiting_for_layer(tx, &account, &layer)?, "one is done, and the other gone");
        Ok(())
    })
    .await;
}
