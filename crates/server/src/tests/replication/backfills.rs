//! Back-fills bring what was there before the rules.

use registry::replication::backfill::{self, Fill};
use runtime::jobs::job;
use store::tables::image_replications::ReplicationRoute;
use store::tables::replication_backfills::{self, Backfill, BackfillStatus, Progress};
use store::tables::repositories::TagMutability;
use uuid::Uuid;

use super::fixtures::{Fixture, away, home, rule};

async fn start(server: &Fixture) -> Uuid {
    let (id, now_ms) = (Uuid::new_v4(), server.0.app.now_ms());
    let begin = move |tx: &mut dyn store::db::Tx| {
        let route = ReplicationRoute { source: home(), destination: away() };
        let started = replication_backfills::insert(tx, id, &route, now_ms)?;
        job::enqueue(tx, &Fill::new(&started), now_ms, now_ms)
    };
    server.0.app.db.write(begin).await.expect("stored");
    id
}

async fn look(server: &Fixture, id: Uuid) -> (Backfill, Progress) {
    let find = move |tx: &mut dyn store::db::Tx| {
        let found = replication_backfills::find(tx, &home(), id)?.expect("it is there");
        Ok::<_, store::error::StoreError>((found, replication_backfills::progress(tx, id)?))
    };
    server.0.app.db.read(find).await.expect("readable")
}

#[tokio::test]
async fn a_backfill_brings_what_matches() {
    let server = Fixture::new(Vec::new()).await;
    for repository in ["prod-a", "prod-b", "dev"] {
        server.create(&home(), repository, TagMutability::Mutable).await;
    }
    let mut images = Vec::new();
    for number in 0..70 {
        images.push(server.push("prod-a", Some(&format!("v{number}")), &format!("{number}")).await);
    }
    server.push("prod-a", Some("latest"), "1").await;
    let child = server.push("prod-b", None, "child").await;
    let list = server.push_index("prod-b", Some("v1"), &[child]).await;
    let dev = server.push("dev", Some("v1"), "dev").await;
    server.put_rules(&home(), vec![rule(&away(), "prod-")]).await;
    let id = start(&server).await;
    server.settle().await;
    let (found, progress) = look(&server, id).await;
    assert_eq!(found.status, BackfillStatus::Complete);
    let expected = Progress { total: 73, completed: 73, failed: 0, failure_codes: Vec::new() };
    assert_eq!(progress, expected, "70 tags, one more, a list and its child");
    for digest in images {
        assert!(server.image(&away(), "prod-a", digest).await.is_some());
    }
    assert!(server.tags(&away(), "prod-b", list).await.is_some_and(|tags| tags == ["v1"]));
    assert!(server.image(&away(), "dev", dev).await.is_none());
}

#[tokio::test]
async fn a_backfill_that_is_stopped_lets_arrive_what_is_on_its_way() {
    let server = Fixture::new(Vec::new()).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    for number in 0..100 {
        server.push("app", Some(&format!("v{number}")), &format!("{number}")).await;
    }
    server.put_rules(&home(), vec![rule(&away(), "*")]).await;
    let id = start(&server).await;
    // The first look lists and notes as many as go at once.
    let stop = |server: &Fixture| {
        let (app, now_ms) = (server.0.app.clone(), server.0.app.now_ms());
        async move {
            let stop = move |tx: &mut dyn store::db::Tx| {
                let found = replication_backfills::find(tx, &home(), id)?.expect("there");
                backfill::stop(tx, found, now_ms)
            };
            app.db.write(stop).await.expect("stored")
        }
    };
    upkeep::background::work_off(&server.0.app).await;
    assert_eq!(stop(&server).await.status, BackfillStatus::Stopping);
    server.settle().await;
    let (found, progress) = look(&server, id).await;
    assert_eq!((found.status, progress.total, progress.completed), (BackfillStatus::Stopped, 64, 64));
    let id = start(&server).await;
    let find = move |tx: &mut dyn store::db::Tx| replication_backfills::find(tx, &home(), id);
    let found = server.0.app.db.read(find).await.expect("readable").expect("there");
    let now_ms = server.0.app.now_ms();
    let stopped = server.0.app.db.write(move |tx| backfill::stop(tx, found.clone(), now_ms)).await.expect("stored");
    assert_eq!(stopped.status, BackfillStatus::Stopped, "nothing was begun");
    server.settle().await;
}
