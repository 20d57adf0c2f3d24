//! Lifecycle policies, the runs and previews of them, and what counts as a change.

use store::tables::lifecycle_previews::{self, PreviewResult, PreviewStatus};
use store::tables::lifecycle_runs::{self, LifecycleRun};
use store::tables::{
    images, lifecycle_changes, lifecycle_images, lifecycle_policies, lifecycle_settings, repositories,
};

use super::fixtures::{
    add_image, add_repository, add_tag, delete_repository, digest, home, in_transaction, new_image, number,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    policies_are_put_run_and_deleted,
    what_is_due_is_taken_once,
    changes_count_where_a_policy_is,
    a_run_is_done_in_steps,
    previews_have_pages,
    images_are_read_in_pages,
    all_goes_with_the_repository,
);

async fn policies_are_put_run_and_deleted(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        assert_eq!(lifecycle_policies::find(tx, id)?, None);
        lifecycle_policies::upsert(tx, id, "first", 10)?;
        lifecycle_policies::note_run(tx, id, 20, "{}")?;
        let policy = lifecycle_policies::find(tx, id)?.expect("put");
        assert_eq!((policy.text.as_str(), policy.last_evaluated_at_ms), ("first", 20));
        assert_eq!(policy.last_run.as_deref(), Some("{}"));
        lifecycle_policies::upsert(tx, id, "second", 30)?;
        let policy = lifecycle_policies::find(tx, id)?.expect("put");
        assert_eq!((policy.text.as_str(), policy.last_evaluated_at_ms, &policy.last_run), ("second", 0, &None));
        let listed = lifecycle_policies::list(tx, &home(), "", 10)?;
        assert_eq!(listed.iter().map(|entry| entry.repository.as_str()).collect::<Vec<_>>(), ["app"]);
        assert!(lifecycle_policies::list(tx, &home(), "app", 10)?.is_empty());
        assert_eq!(lifecycle_policies::delete(tx, id)?, Some(policy));
        assert_eq!(lifecycle_policies::delete(tx, id)?, None);
        Ok(())
    })
    .await;
}

async fn what_is_due_is_taken_once(backend: &Backend) {
    in_transaction(backend, |tx| {
        let mut ids = Vec::new();
        for (name, at_ms) in [("a1", 10), ("b1", 20), ("c1", 30)] {
            let id = add_repository(tx, name)?.id;
            lifecycle_policies::upsert(tx, id, "text", at_ms)?;
            ids.push(id);
        }
        assert_eq!(lifecycle_policies::take_due(tx, 9, 100, 10)?, [0; 0]);
        assert_eq!(lifecycle_policies::take_due(tx, 20, 100, 1)?, [ids[0]]);
        assert_eq!(lifecycle_policies::take_due(tx, 20, 100, 10)?, [ids[1]]);
        assert_eq!(lifecycle_policies::take_due(tx, 20, 100, 10)?, [0; 0]);
        Ok(())
    })
    .await;
}

async fn changes_count_where_a_policy_is(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        lifecycle_changes::note(tx, id, &digest(1))?;
        assert_eq!(lifecycle_changes::count(tx, id)?, 0);
        lifecycle_policies::upsert(tx, id, "text", 1)?;
        for number in [1, 1, 2, 3] {
            lifecycle_changes::note(tx, id, &digest(number))?;
        }
        assert_eq!(lifecycle_changes::count(tx, id)?, 4);
        // It never goes back, or a run could take another state for the one that it knows.
        lifecycle_policies::delete(tx, id)?;
        assert_eq!(lifecycle_changes::count(tx, id)?, 4);
        assert!(!lifecycle_settings::counts_root_images(tx, id)?);
        for counts in [true, false] {
            lifecycle_settings::set_counts_root_images(tx, id, counts)?;
            assert_eq!(lifecycle_settings::counts_root_images(tx, id)?, counts);
        }
        Ok(())
    })
    .await;
}

async fn a_run_is_done_in_steps(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let run = LifecycleRun {
            policy_text: "text".to_owned(),
            counts_root_images: true,
            change_count: 3,
            decided_at_ms: 7,
            action_count: 3,
            expired_count: 0,
            archived_count: 0,
            report: "{}".to_owned(),
        };
        let steps = || ["a", "b"].into_iter().map(str::to_owned);
        lifecycle_runs::replace(tx, id, &run, steps())?;
        lifecycle_runs::replace(tx, id, &run, steps())?;
        assert_eq!(lifecycle_runs::find(tx, id)?, Some(run.clone()));
        assert_eq!(lifecycle_runs::next_step(tx, id)?, Some((0, "a".to_owned())));
        lifecycle_runs::finish_step(tx, id, 0, 2, 0)?;
        assert_eq!(lifecycle_runs::next_step(tx, id)?, Some((1, "b".to_owned())));
        lifecycle_runs::overtake(tx, id, 1, 1)?;
        let overtaken = LifecycleRun { change_count: -1, expired_count: 3, archived_count: 1, ..run };
        assert_eq!(lifecycle_runs::find(tx, id)?, Some(overtaken));
        lifecycle_runs::delete(tx, id)?;
        assert_eq!((lifecycle_runs::find(tx, id)?, lifecycle_runs::next_step(tx, id)?), (None, None));
        Ok(())
    })
    .await;
}

async fn previews_have_pages(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        lifecycle_previews::start(tx, id, "text", 5)?;
        for position in 0..5 {
            let result = PreviewResult {
                position,
                image_digest: format!("d{position}"),
                is_tagged: position % 2 == 0,
                result: "{}".to_owned(),
            };
            lifecycle_previews::insert_result(tx, id, &result)?;
        }
        lifecycle_previews::finish(tx, id, 4, PreviewStatus::Failed, (0, 0), 6)?;
        assert_eq!(lifecycle_previews::find(tx, id)?.expect("started").status, PreviewStatus::InProgress);
        lifecycle_previews::finish(tx, id, 5, PreviewStatus::Complete, (4, 1), 6)?;
        let preview = lifecycle_previews::find(tx, id)?.expect("started");
        assert_eq!((preview.status, preview.finished_at_ms), (PreviewStatus::Complete, Some(6)));
        assert_eq!((preview.expiring_count, preview.archiving_count), (4, 1));
        let positions = |results: Vec<PreviewResult>| results.iter().map(|result| result.position).collect::<Vec<_>>();
        assert_eq!(positions(lifecycle_previews::list_results(tx, id, -1, None, 2)?), [0, 1]);
        assert_eq!(positions(lifecycle_previews::list_results(tx, id, 1, Some(true), 9)?), [2, 4]);
        assert_eq!(lifecycle_previews::find_result(tx, id, "d3")?.expect("there").position, 3);
        assert!(!lifecycle_previews::expire_one(tx, 5, 3)?);
        for _ in 0..3 {
            assert!(lifecycle_previews::expire_one(tx, 6, 3)?);
        }
        assert!(!lifecycle_previews::expire_one(tx, 6, 3)?);
        assert_eq!(lifecycle_previews::find(tx, id)?.expect("started").status, PreviewStatus::Expired);
        lifecycle_previews::start(tx, id, "other", 9)?;
        assert_eq!(lifecycle_previews::find(tx, id)?.expect("started").finished_at_ms, None);
        Ok(())
    })
    .await;
}

async fn images_are_read_in_pages(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let mut expected = Vec::new();
        for number in 1..=5 {
            let image_id = add_image(tx, id, number)?;
            add_tag(tx, id, &format!("t{number}"), image_id)?;
            expected.push(digest(number).to_string());
        }
        expected.sort_unstable();
        let referrer = store::tables::images::NewImage { subject: Some(digest(1)), ..new_image(6) };
        let list = images::insert(tx, id, &referrer)?.expect("new");
        for child in [1, 2, 3] {
            images::insert_child(tx, list, id, &digest(child))?;
        }
        expected.push(digest(6).to_string());
        expected.sort_unstable();
        let (mut found, mut after) = (Vec::new(), String::new());
        while let Some(image) = lifecycle_images::list(tx, id, &after, 1)?.pop() {
            after.clone_from(&image.digest);
            found.push(image.digest);
        }
        assert_eq!(found, expected);
        let tags: Vec<String> = lifecycle_images::list_tags(tx, id, "t2", 2)?.into_iter().map(|tag| tag.0).collect();
        assert_eq!(tags, ["t3", "t4"]);
        let (mut children, mut after) = (0, (String::new(), 0));
        while let Some(next) = lifecycle_images::list_children(tx, id, (&after.0, after.1), 1)?.pop() {
            assert_eq!(next.1, list);
            children += 1;
            after = next;
        }
        assert_eq!(children, 3);
        assert_eq!(lifecycle_images::count_referrers(tx, id, &digest(1).to_string())?, 1);
        Ok(())
    })
    .await;
}

async fn all_goes_with_the_repository(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        assert_eq!(repositories::find_by_id(tx, id)?.map(|found| found.id), Some(id));
        lifecycle_policies::upsert(tx, id, "text", 1)?;
        lifecycle_changes::note(tx, id, &digest(1))?;
        lifecycle_settings::set_counts_root_images(tx, id, true)?;
        lifecycle_previews::start(tx, id, "text", 1)?;
        delete_repository(tx, id, 2)?;
        for table in ["policies", "changes", "settings", "previews"] {
            assert_eq!(number(tx, &format!("SELECT count(*) FROM lifecycle_{table}"))?, 0, "{table}");
        }
        Ok(())
    })
    .await;
}
