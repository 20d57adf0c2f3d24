//! Image tags: an immutable one has its first image for good, a mutable one its last.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};

use store::db::{Db, Dialect, Tx};
use store::error::StoreError;
use store::tables::image_tags::{self, ImageLine};
use store::tables::images::{self, ImageStatus};
use store::tables::repositories::{self, TagMutability};
use tokio::task::JoinSet;

use super::fixtures::{
    add_image, add_repository, add_tag, all_pages, digest, home, in_transaction, name, number, open, tag,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    a_tag_is_inserted_once,
    a_tag_moves_to_its_last_image,
    an_immutable_tag_has_one_winner,
    two_that_both_saw_a_free_tag_have_one_winner,
    a_mutable_tag_follows_the_last_of_many,
    exclusions_decide_which_tags_move,
    repositories_have_their_own,
    tags_are_exact,
    pages_follow_the_order_of_bytes,
    only_active_images_are_listed,
    tags_of_an_image_are_ordered_and_counted,
    tags_of_images_come_with_their_images,
    lines_show_every_tag_and_untagged_images,
);

async fn holder(db: &Db, repository_id: i64, text: &'static str) -> Option<i64> {
    let image = db.read(move |tx| images::find_by_tag(tx, repository_id, text)).await.expect("the tag can be read");
    image.map(|image| image.id)
}

/// A repository with images 0 to `count`, of which the ids are returned.
async fn add_images(db: &Db, count: u64) -> (i64, Vec<i64>) {
    db.write(move |tx| {
        let repository_id = add_repository(tx, "app")?.id;
        let ids = (0..count).map(|number| add_image(tx, repository_id, number)).collect::<Result<_, _>>()?;
        Ok::<_, StoreError>((repository_id, ids))
    })
    .await
    .expect("the images are new")
}

async fn a_tag_is_inserted_once(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository_id = add_repository(tx, "app")?.id;
        let (first, second) = (add_image(tx, repository_id, 1)?, add_image(tx, repository_id, 2)?);
        assert!(image_tags::insert(tx, repository_id, &tag("v1"), first, 10)?);
        assert!(!image_tags::insert(tx, repository_id, &tag("v1"), second, 20)?, "another image");
        assert!(!image_tags::insert(tx, repository_id, &tag("v1"), first, 30)?, "the same image");
        assert_eq!(images::find_by_tag(tx, repository_id, "v1")?.map(|image| image.id), Some(first));
        assert!(image_tags::delete(tx, repository_id, "v1")?);
        assert!(!image_tags::delete(tx, repository_id, "v1")?, "it is gone");
        assert!(image_tags::insert(tx, repository_id, &tag("v1"), second, 40)?, "free again");
        Ok(())
    })
    .await;
}

async fn a_tag_moves_to_its_last_image(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository_id = add_repository(tx, "app")?.id;
        let (first, second) = (add_image(tx, repository_id, 1)?, add_image(tx, repository_id, 2)?);
        add_tag(tx, repository_id, "other", first)?;
        for (image_id, tagged_at_ms) in [(first, 10), (second, 20), (first, 30), (first, 40)] {
            image_tags::move_to(tx, repository_id, &tag("latest"), image_id, tagged_at_ms)?;
            assert_eq!(images::find_by_tag(tx, repository_id, "latest")?.map(|image| image.id), Some(image_id));
            let sql = "SELECT tagged_at_ms FROM image_tags WHERE tag = 'latest'";
            assert_eq!(number(tx, sql)?, tagged_at_ms);
        }
        image_tags::move_to(tx, repository_id, &tag("latest"), second, 50)?;
        assert_eq!(image_tags::list_of_image(tx, first)?, ["other"], "the one that lost it keeps its others");
        assert_eq!(image_tags::list_of_image(tx, second)?, ["latest"]);
        Ok(())
    })
    .await;
}

async fn an_immutable_tag_has_one_winner(backend: &Backend) {
    let nodes = [open(backend), open(backend)];
    let (repository_id, ids) = add_images(&nodes[0], 32).await;
    let mut tasks = JoinSet::new();
    for (at, image_id) in ids.into_iter().enumerate() {
        let db = nodes[at % 2].clone();
        tasks.spawn(async move {
            let push = move |tx: &mut dyn Tx| image_tags::insert(tx, repository_id, &tag("v1"), image_id, 10);
            db.write(push).await.expect("nobody fails").then_some(image_id)
        });
    }
    let winners: Vec<i64> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(holder(&nodes[1], repository_id, "v1").await, Some(winners[0]));
}

async fn two_that_both_saw_a_free_tag_have_one_winner(backend: &Backend) {
    let db = open(backend);
    let (repository_id, ids) = add_images(&db, 2).await;
    let both_have_looked = Arc::new(Barrier::new(2));
    // SQLite lets only one transaction write at a time: the second cannot look before the first has ended.
    let at_once = db.dialect() == Dialect::Postgres;
    let mut tasks = JoinSet::new();
    for image_id in ids {
        let (db, both_have_looked, runs) = (db.clone(), Arc::clone(&both_have_looked), AtomicU32::new(0));
        tasks.spawn(async move {
            let push = move |tx: &mut dyn Tx| {
                let seen = images::find_by_tag(tx, repository_id, "v1")?;
                if at_once && runs.fetch_add(1, Ordering::Relaxed) == 0 {
                    assert_eq!(seen, None);
                    both_have_looked.wait();
                }
                image_tags::insert(tx, repository_id, &tag("v1"), image_id, 10)
            };
            db.write(push).await.expect("nobody fails").then_some(image_id)
        });
    }
    let winners: Vec<i64> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(holder(&db, repository_id, "v1").await, Some(winners[0]));
}

async fn a_mutable_tag_follows_the_last_of_many(backend: &Backend) {
    let nodes = [open(backend), open(backend)];
    let (repository_id, ids) = add_images(&nodes[0], 16).await;
    let mut tasks = JoinSet::new();
    for (at, image_id) in ids.iter().copied().enumerate() {
        let db = nodes[at % 2].clone();
        tasks.spawn(async move {
            let push = move |tx: &mut dyn Tx| image_tags::move_to(tx, repository_id, &tag("latest"), image_id, 10);
            db.write(push).await.expect("nobody fails");
        });
    }
    tasks.join_all().await;
    let holder = holder(&nodes[0], repository_id, "latest").await.expect("the tag is there");
    assert!(ids.contains(&holder));
    let listed = nodes[1].read(move |tx| image_tags::list(tx, repository_id, "", 100)).await.unwrap();
    assert_eq!(listed, ["latest"]);
    let last = ids[3];
    nodes[1].write(move |tx| image_tags::move_to(tx, repository_id, &tag("latest"), last, 20)).await.unwrap();
    assert_eq!(self::holder(&nodes[0], repository_id, "latest").await, Some(last));
}

/// Pushes as the rules say: what is immutable is inserted, the rest moves.
fn push(tx: &mut dyn Tx, text: &str, image_id: i64) -> Result<bool, StoreError> {
    let repository = repositories::find(tx, &home().repository(&name("app")))?.expect("it is there");
    if repository.is_immutable(&tag(text)) {
        return image_tags::insert(tx, repository.id, &tag(text), image_id, 10);
    }
    image_tags::move_to(tx, repository.id, &tag(text), image_id, 10)?;
    Ok(true)
}

async fn exclusions_decide_which_tags_move(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let images = [add_image(tx, id, 1)?, add_image(tx, id, 2)?];
        let filters = ["latest".parse().unwrap(), "dev-*".parse().unwrap()];
        let cases = [
            (TagMutability::Mutable, &filters[..0], [true, true, true]),
            (TagMutability::Immutable, &filters[..0], [false, false, false]),
            (TagMutability::ImmutableWithExclusion, &filters[..], [true, true, false]),
            (TagMutability::MutableWithExclusion, &filters[..], [false, false, true]),
        ];
        for (mode, filters, moves) in cases {
            repositories::set_tag_mutability(tx, id, mode, filters)?;
            for (text, moves) in ["latest", "dev-1", "v1"].into_iter().zip(moves) {
                assert!(push(tx, text, images[0])?, "{mode:?}: {text} is free");
                assert_eq!(push(tx, text, images[1])?, moves, "{mode:?}: {text}");
                let holder = images::find_by_tag(tx, id, text)?.map(|image| image.id);
                assert_eq!(holder, Some(images[usize::from(moves)]), "{mode:?}: {text}");
                assert!(image_tags::delete(tx, id, text)?);
            }
        }
        Ok(())
    })
    .await;
}

async fn repositories_have_their_own(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?.id, add_repository(tx, "second")?.id);
        let ids = [add_image(tx, first, 1)?, add_image(tx, second, 1)?];
        add_tag(tx, first, "v1", ids[0])?;
        add_tag(tx, second, "v1", ids[1])?;
        image_tags::move_to(tx, first, &tag("v2"), ids[0], 10)?;
        assert!(!image_tags::delete(tx, second, "v2")?);
        assert!(image_tags::delete(tx, first, "v1")?);
        assert_eq!(image_tags::list(tx, first, "", 10)?, ["v2"]);
        assert_eq!(image_tags::list(tx, second, "", 10)?, ["v1"]);
        assert_eq!(images::find_by_tag(tx, second, "v1")?.map(|image| image.id), Some(ids[1]));
        Ok(())
    })
    .await;
}

async fn tags_are_exact(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let (lower, upper) = (add_image(tx, id, 1)?, add_image(tx, id, 2)?);
        add_tag(tx, id, "latest", lower)?;
        add_tag(tx, id, "LATEST", upper)?;
        assert_eq!(images::find_by_tag(tx, id, "LATEST")?.map(|image| image.id), Some(upper));
        assert_eq!(images::find_by_tag(tx, id, "latest")?.map(|image| image.id), Some(lower));
        for absent in ["Latest", "lates", "latest ", "late%", ""] {
            assert_eq!(images::find_by_tag(tx, id, absent)?, None, "{absent:?}");
        }
        Ok(())
    })
    .await;
}

async fn pages_follow_the_order_of_bytes(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let image_id = add_image(tx, id, 1)?;
        let ordered = ["0", "A", "Z", "_a", "a", "a-", "a-b", "a.b", "a0", "aB", "a_", "aa"];
        for text in ["aa", "Z", "a_", "a-", "0", "_a", "a.b", "A", "a0", "a-b", "aB", "a"] {
            add_tag(tx, id, text, image_id)?;
        }
        for limit in 1..=ordered.len() + 1 {
            let seen = all_pages(limit, |last: Option<&String>| {
                image_tags::list(tx, id, last.map_or("", String::as_str), limit)
            })?;
            assert_eq!(seen, ordered, "limit {limit}");
        }
        assert_eq!(image_tags::list(tx, id, "a-a", 2)?, ["a-b", "a.b"], "after a tag that is not there");
        Ok(())
    })
    .await;
}

async fn only_active_images_are_listed(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let images = [add_image(tx, id, 1)?, add_image(tx, id, 2)?, add_image(tx, id, 3)?];
        for (text, image_id) in ["a", "b", "c"].into_iter().zip(images) {
            add_tag(tx, id, text, image_id)?;
        }
        tx.execute("UPDATE images SET status = 'ARCHIVED' WHERE id = $1", &[images[0].into()])?;
        tx.execute("UPDATE images SET status = 'ACTIVATING' WHERE id = $1", &[images[2].into()])?;
        assert_eq!(image_tags::list(tx, id, "", 10)?, ["b"], "what can be pulled");
        let mut statuses: Vec<_> =
            image_tags::list_lines(tx, id, "", "", 10)?.into_iter().map(|line| (line.tag, line.status)).collect();
        statuses.sort_by_key(|(tag, _)| tag.clone());
        let expected = [("a", ImageStatus::Archived), ("b", ImageStatus::Active), ("c", ImageStatus::Activating)];
        assert_eq!(statuses, expected.map(|(tag, status)| (Some(tag.to_owned()), status)));
        Ok(())
    })
    .await;
}

async fn tags_of_an_image_are_ordered_and_counted(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let (tagged, other) = (add_image(tx, id, 1)?, add_image(tx, id, 2)?);
        for text in ["b", "B", "a", "10", "9"] {
            add_tag(tx, id, text, tagged)?;
        }
        add_tag(tx, id, "c", other)?;
        assert_eq!(image_tags::list_of_image(tx, tagged)?, ["10", "9", "B", "a", "b"]);
        assert_eq!(image_tags::count_of_image(tx, tagged)?, 5);
        assert_eq!(image_tags::delete_of_image(tx, tagged)?, ["10", "9", "B", "a", "b"]);
        assert_eq!(image_tags::count_of_image(tx, tagged)?, 0);
        assert!(image_tags::delete_of_image(tx, tagged)?.is_empty());
        assert_eq!(image_tags::list_of_image(tx, other)?, ["c"]);
        Ok(())
    })
    .await;
}

async fn tags_of_images_come_with_their_images(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (id, elsewhere) = (add_repository(tx, "app")?.id, add_repository(tx, "other")?.id);
        let mut images = Vec::new();
        for (number, tags) in [(1, vec!["a"]), (2, vec!["C", "b", "d"]), (3, vec![]), (4, vec!["e"])] {
            let image = add_image(tx, id, number)?;
            for text in tags.iter().rev() {
                add_tag(tx, id, text, image)?;
            }
            images.push((digest(number), image, tags));
        }
        let other = add_image(tx, elsewhere, 2)?;
        add_tag(tx, elsewhere, "f", other)?;
        // In the order of their digests, as pages are.
        images.sort_by_key(|(digest, ..)| digest.to_string());
        for from in 0..images.len() {
            for to in from..images.len() {
                let after = if from == 0 { String::new() } else { images[from - 1].0.to_string() };
                let mut found = image_tags::list_of_images(tx, id, &after, &images[to].0)?;
                for (_, image, tags) in &images[from..=to] {
                    assert_eq!(found.remove(image).unwrap_or_default(), *tags, "from {from} to {to}");
                }
                assert!(found.is_empty(), "from {from} to {to}: {found:?}");
            }
        }
        Ok(())
    })
    .await;
}

async fn lines_show_every_tag_and_untagged_images(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (id, other) = (add_repository(tx, "app")?.id, add_repository(tx, "other")?.id);
        let tags: [&[&str]; 5] = [&["b", "a", "B"], &[], &["c"], &[], &["d-2", "d.1"]];
        let mut expected = Vec::new();
        for (number, tags) in (0..).zip(tags) {
            let image_id = add_image(tx, id, number)?;
            for text in tags {
                add_tag(tx, id, text, image_id)?;
            }
            let shown: Vec<Option<&str>> =
                if tags.is_empty() { vec![None] } else { tags.iter().copied().map(Some).collect() };
            expected.extend(shown.into_iter().map(|tag| ImageLine {
                digest: digest(number),
                tag: tag.map(str::to_owned),
                status: ImageStatus::Active,
            }));
        }
        let elsewhere = add_image(tx, other, 0)?;
        add_tag(tx, other, "elsewhere", elsewhere)?;
        expected.sort_by_key(|line| (line.digest.to_string(), line.tag.clone()));
        for limit in 1..=expected.len() + 1 {
            let seen = all_pages(limit, |last: Option<&ImageLine>| {
                let digest = last.map(|last| last.digest.to_string()).unwrap_or_default();
                let tag = last.and_then(|last| last.tag.as_deref()).unwrap_or_default();
                image_tags::list_lines(tx, id, &digest, tag, limit)
            })?;
            assert_eq!(seen, expected, "limit {limit}");
        }
        Ok(())
    })
    .await;
}
