//! Replications: a row per image and destination is status and queue in one; removals keep their order; back-fills count.

use store::db::Tx;
use store::error::StoreError;
use store::tables::image_replications::{self, ReplicationFilter, ReplicationRoute, ReplicationStatus};
use store::tables::replication_backfills::{self, BackfillStatus, LineStatus, Progress};
use store::tables::replication_removals::{self, Removal};
use store::tables::{image_tags, images, replication_configurations};
use uuid::Uuid;

use super::fixtures::{
    add_image, add_repository, delete_image, delete_repository, digest, home, in_transaction, name, registry,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    rules_are_kept_per_registry,
    noting_again_is_one_transfer,
    tags_arrive_once,
    what_is_noted_meanwhile_is_done_once_more,
    destinations_have_queues_of_their_own,
    failures_are_listed_and_retried,
    rows_end_with_their_image,
    children_are_found,
    removals_keep_their_order,
    a_backfill_counts_its_lines,
    backfills_are_listed_by_their_start,
);

fn route(region: &str) -> ReplicationRoute {
    ReplicationRoute { source: home(), destination: registry("123456789012", region) }
}

async fn rules_are_kept_per_registry(backend: &Backend) {
    in_transaction(backend, |tx| {
        let other = registry("123456789012", "eu-west-1");
        assert_eq!(replication_configurations::find(tx, &home())?, None);
        replication_configurations::upsert(tx, &home(), "[1]")?;
        replication_configurations::upsert(tx, &home(), "[2]")?;
        replication_configurations::upsert(tx, &other, "[]")?;
        assert_eq!(replication_configurations::find(tx, &home())?.as_deref(), Some("[2]"));
        assert_eq!(replication_configurations::find_extensions(tx)?, None);
        replication_configurations::upsert_extensions(tx, "{}")?;
        replication_configurations::upsert_extensions(tx, "{\"a\":1}")?;
        assert_eq!(replication_configurations::find_extensions(tx)?.as_deref(), Some("{\"a\":1}"));
        Ok(())
    })
    .await;
}

async fn noting_again_is_one_transfer(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let image = add_image(tx, repository.id, 1)?;
        let to = route("eu-west-1");
        for now_ms in [10, 20, 30] {
            image_replications::note(tx, image, &to, now_ms)?;
        }
        image_replications::note_first(tx, image, &to, 40)?;
        assert!(image_replications::list_due(tx, &to, 29, 10)?.is_empty());
        let due = image_replications::list_due(tx, &to, 30, 10)?;
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].image_id, due[0].repository_id, due[0].digest), (image, repository.id, digest(1)));
        assert_eq!((due[0].generation, due[0].attempts), (3, 0));
        assert!(image_replications::end(tx, due[0].id, 3, None, 50)?);
        assert_eq!(image_replications::generation(tx, due[0].id)?, None);
        let found = image_replications::find(tx, image, &to.destination)?.expect("noted");
        assert_eq!((found.status, found.updated_at_ms), (ReplicationStatus::Complete, 50));
        assert_eq!(image_replications::next_due_ms(tx, &to)?, None);
        Ok(())
    })
    .await;
}

/// A replication brings the tags that came since the last one arrived; one that failed brings its tags again.
async fn tags_arrive_once(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let image = add_image(tx, repository.id, 1)?;
        let to = route("eu-west-1");
        let push = |tx: &mut dyn Tx, tag: &str, now_ms| {
            image_tags::insert(tx, repository.id, &tag.parse().expect("a tag"), image, now_ms)?;
            image_replications::note(tx, image, &to, now_ms)?;
            let due = image_replications::list_due(tx, &to, now_ms, 10)?.remove(0);
            Ok::<_, StoreError>((due.id, due.generation))
        };
        push(tx, "a", 5)?;
        let (id, generation) = push(tx, "b", 10)?;
        assert_eq!(image_replications::new_tags(tx, id)?, ["a", "b"]);
        assert!(image_replications::end(tx, id, generation, None, 20)?);
        let (_, generation) = push(tx, "c", 30)?;
        assert_eq!(image_replications::new_tags(tx, id)?, ["c"]);
        assert!(image_replications::end(tx, id, generation, Some(("Code", "reason")), 40)?);
        let (_, generation) = push(tx, "d", 50)?;
        assert_eq!(image_replications::new_tags(tx, id)?, ["c", "d"]);
        assert!(image_replications::end(tx, id, generation, None, 60)?);
        image_replications::note(tx, image, &to, 70)?;
        assert!(image_replications::new_tags(tx, id)?.is_empty());
        Ok(())
    })
    .await;
}

async fn what_is_noted_meanwhile_is_done_once_more(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let image = add_image(tx, repository.id, 1)?;
        let to = route("eu-west-1");
        image_replications::note(tx, image, &to, 10)?;
        let due = image_replications::list_due(tx, &to, 10, 10)?.remove(0);
        image_replications::note(tx, image, &to, 20)?;
        image_replications::end(tx, due.id, due.generation, None, 30)?;
        image_replications::postpone(tx, due.id, due.generation, 900, Some("late"), true, 30)?;
        assert_eq!(image_replications::list_due(tx, &to, 20, 10)?.len(), 1);
        image_replications::postpone(tx, due.id, 2, 100, None, false, 30)?;
        image_replications::postpone(tx, due.id, 2, 200, Some("no"), true, 40)?;
        assert_eq!(image_replications::generation(tx, due.id)?, Some(2));
        assert_eq!(image_replications::next_due_ms(tx, &to)?, Some(200));
        let found = image_replications::find(tx, image, &to.destination)?.expect("noted");
        assert_eq!((found.attempts, found.failure_reason.as_deref()), (1, Some("no")));
        image_replications::note(tx, image, &to, 50)?;
        let due = image_replications::list_due(tx, &to, 50, 10)?.remove(0);
        assert_eq!((due.generation, due.attempts), (3, 0), "a push begins anew");
        Ok(())
    })
    .await;
}

async fn destinations_have_queues_of_their_own(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        for number in 0..5 {
            let image = add_image(tx, repository.id, number)?;
            image_replications::note(tx, image, &route("eu-west-1"), 50 - number as i64)?;
            if number > 2 {
                image_replications::note(tx, image, &route("us-west-2"), 10)?;
            }
        }
        let digests = |due: Vec<image_replications::DueReplication>| -> Vec<_> {
            due.into_iter().map(|due| due.digest).collect()
        };
        let first = digests(image_replications::list_due(tx, &route("eu-west-1"), 100, 3)?);
        assert_eq!(first, [digest(4), digest(3), digest(2)], "the longest due goes first");
        assert_eq!(image_replications::list_due(tx, &route("us-west-2"), 100, 10)?.len(), 2);
        let back = ReplicationRoute { source: route("eu-west-1").destination, destination: home() };
        assert!(image_replications::list_due(tx, &back, 100, 10)?.is_empty());
        Ok(())
    })
    .await;
}

async fn failures_are_listed_and_retried(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (app, other) = (add_repository(tx, "app")?, add_repository(tx, "other")?);
        for (repository, number) in [(&app, 1), (&app, 2), (&other, 3)] {
            let image = add_image(tx, repository.id, number)?;
            image_replications::note(tx, image, &route("eu-west-1"), 10)?;
            let row = image_replications::find(tx, image, &route("eu-west-1").destination)?.expect("noted");
            let failure = (number != 2).then_some(("AccessDenied", "not allowed"));
            image_replications::end(tx, row.id, 1, failure, 20)?;
        }
        let failed = ReplicationFilter { status: Some(ReplicationStatus::Failed), ..ReplicationFilter::default() };
        let listed = image_replications::list(tx, &home(), &failed, 0, 10)?;
        let shown: Vec<_> = listed.iter().map(|listed| (listed.repository.as_str(), listed.digest)).collect();
        assert_eq!(shown, [("app", digest(1)), ("other", digest(3))]);
        let next = image_replications::list(tx, &home(), &failed, listed[0].replication.id, 1)?;
        assert_eq!(next, listed[1..]);
        let of_app = ReplicationFilter { repository: Some(name("app")), ..ReplicationFilter::default() };
        assert_eq!(image_replications::list(tx, &home(), &of_app, 0, 10)?.len(), 2);
        let of_two = ReplicationFilter { digest: Some(digest(2)), ..of_app };
        assert_eq!(image_replications::list(tx, &home(), &of_two, 0, 10)?.len(), 1);
        let id = listed[0].replication.id;
        assert_eq!(image_replications::retry(tx, &route("eu-west-1").destination, id, 30)?, None, "another registry's");
        let to = image_replications::retry(tx, &home(), id, 30)?;
        assert_eq!(to, Some(route("eu-west-1").destination));
        assert_eq!(image_replications::retry(tx, &home(), id, 30)?, None, "it waits already");
        assert_eq!(image_replications::list_due(tx, &route("eu-west-1"), 30, 10)?.len(), 1);
        Ok(())
    })
    .await;
}

async fn rows_end_with_their_image(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        for number in 1..=3 {
            let image = add_image(tx, repository.id, number)?;
            image_replications::note(tx, image, &route("eu-west-1"), 10)?;
        }
        let first = images::find(tx, repository.id, &digest(1))?.expect("there");
        delete_image(tx, repository.id, first.id, 20)?;
        image_replications::delete_of_image(tx, repository.id, &digest(2))?;
        assert_eq!(image_replications::list(tx, &home(), &ReplicationFilter::default(), 0, 10)?.len(), 1);
        delete_repository(tx, repository.id, 30)?;
        assert!(image_replications::list(tx, &home(), &ReplicationFilter::default(), 0, 10)?.is_empty());
        Ok(())
    })
    .await;
}

async fn children_are_found(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let list = add_image(tx, repository.id, 1)?;
        let mut ids = Vec::new();
        for number in [2, 3, 4] {
            let child = add_image(tx, repository.id, number)?;
            images::insert_child(tx, list, repository.id, &digest(number))?;
            ids.push(child);
        }
        images::insert_child(tx, list, repository.id, &digest(9))?;
        let mut found: Vec<i64> = images::children(tx, list)?.iter().map(|image| image.id).collect();
        found.sort_unstable();
        assert_eq!(found, ids, "those that are there");
        let to = route("eu-west-1");
        image_replications::note(tx, ids[0], &to, 10)?;
        image_replications::note(tx, ids[1], &to, 10)?;
        let row = image_replications::find(tx, ids[1], &to.destination)?.expect("noted");
        image_replications::end(tx, row.id, 1, Some(("AccessDenied", "no")), 20)?;
        let mut found = image_replications::of_children(tx, list, &to.destination)?;
        found.sort_by_key(|(digest, ..)| *digest != super::fixtures::digest(2));
        assert_eq!(found[0], (digest(2), ReplicationStatus::InProgress, None));
        assert_eq!(found[1], (digest(3), ReplicationStatus::Failed, Some("AccessDenied".to_owned())));
        assert_eq!(found.len(), 2);
        Ok(())
    })
    .await;
}

async fn removals_keep_their_order(backend: &Backend) {
    in_transaction(backend, |tx| {
        let removal = |number: u64| Removal {
            repository: name("app"),
            digest: digest(number),
            tags: vec![format!("v{number}")],
            is_gone: number.is_multiple_of(2),
        };
        for number in 0..4 {
            replication_removals::insert(tx, &route("eu-west-1"), &removal(number))?;
        }
        replication_removals::insert(tx, &route("us-west-2"), &removal(9))?;
        let listed = replication_removals::list(tx, &route("eu-west-1"), 3)?;
        let removals: Vec<_> = listed.iter().map(|(_, removal)| removal.clone()).collect();
        assert_eq!(removals, [removal(0), removal(1), removal(2)]);
        replication_removals::delete(tx, listed[0].0)?;
        assert_eq!(replication_removals::list(tx, &route("eu-west-1"), 10)?.len(), 3);
        Ok(())
    })
    .await;
}

async fn a_backfill_counts_its_lines(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = Uuid::from_u128(1);
        let mut backfill = replication_backfills::insert(tx, id, &route("eu-west-1"), 10)?;
        assert_eq!(replication_backfills::find(tx, &home(), id)?, Some(backfill.clone()));
        assert_eq!(replication_backfills::find(tx, &route("eu-west-1").destination, id)?, None);
        for (number, tag) in [(1, Some("a")), (1, Some("b")), (2, None), (2, None), (3, Some("c"))] {
            replication_backfills::insert_line(tx, id, &name("app"), &digest(number), tag)?;
        }
        let all = |tx: &mut dyn Tx, status| replication_backfills::list_lines(tx, id, status, ("", "", ""), 10);
        let lines = all(tx, None)?;
        assert_eq!(lines.len(), 4, "a line is there once");
        for (line, (status, code)) in lines.iter().zip([
            (LineStatus::Complete, None),
            (LineStatus::Failed, Some("AccessDenied")),
            (LineStatus::Failed, Some("AccessDenied")),
        ]) {
            let mut line = line.clone();
            line.status = status;
            line.failure_code = code.map(str::to_owned);
            line.child_codes = code.map(|code| vec![code.to_owned()]);
            replication_backfills::update_line(tx, id, &line)?;
        }
        let expected = Progress { total: 4, completed: 1, failed: 2, failure_codes: vec!["AccessDenied".to_owned()] };
        assert_eq!(replication_backfills::progress(tx, id)?, expected);
        let failed = all(tx, Some(LineStatus::Failed))?;
        assert_eq!(failed[0].child_codes.as_deref(), Some(&["AccessDenied".to_owned()][..]));
        let (repository, digest) = (lines[1].repository.to_string(), lines[1].digest.to_string());
        let after = (repository.as_str(), digest.as_str(), lines[1].tag.as_deref().unwrap_or_default());
        let rest = replication_backfills::list_lines(tx, id, None, after, 10)?;
        assert_eq!(rest.iter().map(|line| line.digest).collect::<Vec<_>>(), [lines[2].digest, lines[3].digest]);
        assert_eq!(replication_backfills::delete_waiting(tx, id)?, 1);
        backfill.status = BackfillStatus::Complete;
        backfill.is_prepared = true;
        backfill.ended_at_ms = Some(100);
        "app".clone_into(&mut backfill.prepared_to);
        replication_backfills::update(tx, &backfill)?;
        assert_eq!(replication_backfills::find(tx, &home(), id)?, Some(backfill));
        replication_backfills::delete_ended(tx, &home(), 100)?;
        assert!(replication_backfills::find(tx, &home(), id)?.is_some(), "it ended at that moment, not before");
        replication_backfills::delete_ended(tx, &home(), 101)?;
        assert!(replication_backfills::find(tx, &home(), id)?.is_none() && all(tx, None)?.is_empty());
        Ok(())
    })
    .await;
}

async fn backfills_are_listed_by_their_start(backend: &Backend) {
    in_transaction(backend, |tx| {
        let mut expected = Vec::new();
        for (number, region, now_ms) in [(3, "eu-west-1", 10), (1, "us-west-2", 20), (2, "us-east-2", 20)] {
            let id = Uuid::from_u128(number);
            expected.push(replication_backfills::insert(tx, id, &route(region), now_ms)?);
        }
        let first = replication_backfills::list(tx, &home(), (i64::MIN, ""), 2)?;
        assert_eq!(first, expected[..2]);
        let after = first[1].id.to_string();
        assert_eq!(replication_backfills::list(tx, &home(), (20, &after), 2)?, expected[2..]);
        expected[0].ended_at_ms = Some(30);
        replication_backfills::update(tx, &expected[0])?;
        let running = replication_backfills::list_running(tx, &home())?;
        assert_eq!(running, [route("us-west-2").destination, route("us-east-2").destination]);
        Ok::<_, StoreError>(())
    })
    .await;
}
