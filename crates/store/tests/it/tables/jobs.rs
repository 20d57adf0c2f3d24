//! Background jobs: one per kind and key, taken by one at a time, never lost.

use aws::AccountId;
use store::db::Tx;
use store::error::StoreError;
use store::tables::jobs::{self, JobStatus, KindCounts, NewJob, TakenJob, Taking};

use super::fixtures::in_transaction;
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    what_is_due_is_taken_once,
    a_lease_that_ends_frees_the_job,
    accounts_take_turns,
    who_has_no_place_is_asked_for,
    noting_again_coalesces,
    noting_again_while_it_runs_lets_it_run_once_more,
    a_job_is_put_back_and_given_up,
    a_lost_lease_changes_nothing,
    nodes_share_a_queue,
    people_see_what_was_given_up_and_hasten_what_waits,
    stale_jobs_of_a_kind_are_forgotten,
    jobs_are_counted_by_kind_and_state,
);

fn note(tx: &mut dyn Tx, key: &str, payload: &str, due_at_ms: i64) -> Result<(), StoreError> {
    jobs::enqueue(tx, &NewJob { kind: "copy", key, payload, account: None, due_at_ms }, 1)
}

fn take(tx: &mut dyn Tx, lease: &str, now_ms: i64) -> Result<Vec<TakenJob>, StoreError> {
    jobs::take_due(tx, &Taking::of_all("copy", lease, now_ms, now_ms + 100, 10))
}

fn only(tx: &mut dyn Tx) -> Result<JobStatus, StoreError> {
    let mut all = jobs::list(tx, 0, 10)?;
    assert_eq!(all.len(), 1);
    Ok(all.remove(0))
}

async fn what_is_due_is_taken_once(backend: &Backend) {
    in_transaction(backend, |tx| {
        for (key, due_at_ms) in [("a", 30), ("b", 10), ("c", 20)] {
            note(tx, key, "{}", due_at_ms)?;
        }
        jobs::enqueue(tx, &NewJob { kind: "other", key: "a", payload: "{}", account: None, due_at_ms: 0 }, 1)?;
        assert!(!jobs::is_any_due(tx, "copy", 9)? && jobs::is_any_due(tx, "copy", 10)?);
        assert!(take(tx, "n1", 9)?.is_empty());
        let first = jobs::take_due(tx, &Taking::of_all("copy", "n1", 30, 130, 2))?;
        assert_eq!(first.iter().map(|job| job.key.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!((first[0].attempts, first[0].lease.as_str()), (1, "n1"));
        let second = take(tx, "n2", 30)?;
        assert_eq!(second.iter().map(|job| job.key.as_str()).collect::<Vec<_>>(), ["a"]);
        assert!(take(tx, "n2", 30)?.is_empty());
        for job in first.iter().chain(&second) {
            jobs::finish(tx, job, 40)?;
        }
        assert_eq!(jobs::list(tx, 0, 10)?.len(), 1, "the one of another kind");
        Ok(())
    })
    .await;
}

fn note_of(tx: &mut dyn Tx, account: u8, keys: &[&str]) -> Result<(), StoreError> {
    for key in keys {
        let account = (account > 0).then(|| self::account(account));
        jobs::enqueue(tx, &NewJob { kind: "copy", key, payload: "{}", account, due_at_ms: 1 }, 1)?;
    }
    Ok(())
}

fn account(number: u8) -> AccountId {
    format!("{number:012}").parse().expect("an account")
}

fn keys(taken: &[TakenJob]) -> Vec<&str> {
    taken.iter().map(|job| job.key.as_str()).collect()
}

async fn accounts_take_turns(backend: &Backend) {
    in_transaction(backend, |tx| {
        note_of(tx, 1, &["1a", "1b", "1c", "1d", "1e", "1f"])?;
        note_of(tx, 2, &["2a"])?;
        note_of(tx, 0, &["0a", "0b", "0c"])?;
        note_of(tx, 3, &["3a", "3b"])?;
        let take = |tx: &mut dyn Tx, after: Option<u8>, limit| {
            jobs::take_due(tx, &Taking { after: after.map(account), ..Taking::of_all("copy", "n1", 1, 100, limit) })
        };
        // One alone at a time goes round, and comes back to who was first.
        let first = take(tx, None, 1)?;
        assert_eq!((keys(&first), first[0].account), (vec!["0a"], None));
        assert_eq!(keys(&take(tx, Some(1), 1)?), ["2a"]);
        assert_eq!(keys(&take(tx, Some(3), 1)?), ["0b"]);
        let alone = take(tx, Some(0), 1)?;
        assert_eq!((keys(&alone), alone[0].account), (vec!["1a"], Some(account(1))));
        // All that are asked share alike, and what one does not need goes to others.
        let mut many = take(tx, Some(2), 6)?;
        many.sort_by(|one, other| one.key.cmp(&other.key));
        assert_eq!(keys(&many), ["0c", "1b", "1c", "1d", "3a", "3b"]);
        assert_eq!(keys(&take(tx, Some(1), 10)?), ["1e", "1f"], "the last who was asked may be the first again");
        assert!(take(tx, Some(2), 10)?.is_empty());
        Ok(())
    })
    .await;
}

async fn who_has_no_place_is_asked_for(backend: &Backend) {
    in_transaction(backend, |tx| {
        note_of(tx, 0, &["0a"])?;
        note_of(tx, 1, &["1a", "1b"])?;
        let is_due = |tx: &mut dyn Tx, busy: &[u8]| {
            let busy: Vec<AccountId> = busy.iter().map(|number| account(*number)).collect();
            jobs::is_due_for_others(tx, "copy", &busy, 1)
        };
        assert!(is_due(tx, &[2])? && !is_due(tx, &[1])? && !is_due(tx, &[2, 1])?);
        note_of(tx, 2, &["2a", "2b"])?;
        note_of(tx, 3, &["3a"])?;
        assert!(is_due(tx, &[1])? && is_due(tx, &[1, 3])? && !is_due(tx, &[1, 2, 3])?);
        assert!(!jobs::is_due_for_others(tx, "copy", &[account(1)], 0)?, "nothing is due yet");
        let taking = Taking { without: &[account(1)], ..Taking::of_all("copy", "n1", 1, 100, 5) };
        assert_eq!(keys(&jobs::take_due(tx, &taking)?), ["2a", "3a"]);
        Ok(())
    })
    .await;
}

async fn a_lease_that_ends_frees_the_job(backend: &Backend) {
    in_transaction(backend, |tx| {
        note(tx, "a", "{}", 0)?;
        let held = take(tx, "n1", 0)?.remove(0);
        assert!(jobs::extend(tx, &held, 200)?);
        assert!(take(tx, "n2", 199)?.is_empty());
        let retaken = take(tx, "n2", 200)?.remove(0);
        assert_eq!(retaken.attempts, 2);
        assert!(!jobs::extend(tx, &held, 500)?, "it is another node's now");
        jobs::release(tx, "n1", 210)?;
        assert!(only(tx)?.is_running);
        jobs::release_all(tx, 210)?;
        assert!(!only(tx)?.is_running);
        assert_eq!(only(tx)?.attempts, 2, "a node that died may have died of it");
        assert_eq!(take(tx, "n3", 210)?.len(), 1);
        jobs::release(tx, "n3", 220)?;
        let job = only(tx)?;
        assert_eq!((job.is_running, job.attempts, job.due_at_ms), (false, 2, 220), "a stop is no failure");
        Ok(())
    })
    .await;
}

async fn noting_again_coalesces(backend: &Backend) {
    in_transaction(backend, |tx| {
        note(tx, "a", "1", 50)?;
        note(tx, "a", "2", 80)?;
        assert_eq!(only(tx)?.due_at_ms, 50);
        note(tx, "a", "3", 20)?;
        assert_eq!(only(tx)?.due_at_ms, 20);
        let job = take(tx, "n1", 20)?.remove(0);
        assert_eq!(job.payload, "3");
        jobs::finish(tx, &job, 30)?;
        assert!(jobs::list(tx, 0, 10)?.is_empty());
        Ok(())
    })
    .await;
}

async fn noting_again_while_it_runs_lets_it_run_once_more(backend: &Backend) {
    in_transaction(backend, |tx| {
        note(tx, "a", "1", 0)?;
        let job = take(tx, "n1", 0)?.remove(0);
        note(tx, "a", "2", 0)?;
        note(tx, "a", "3", 0)?;
        assert!(take(tx, "n2", 50)?.is_empty(), "never two at once");
        jobs::finish(tx, &job, 60)?;
        let again = take(tx, "n2", 60)?.remove(0);
        assert_eq!((again.payload.as_str(), again.attempts), ("3", 1));
        jobs::finish(tx, &again, 70)?;
        assert!(jobs::list(tx, 0, 10)?.is_empty());
        Ok(())
    })
    .await;
}

async fn a_job_is_put_back_and_given_up(backend: &Backend) {
    in_transaction(backend, |tx| {
        note(tx, "a", "1", 0)?;
        let job = take(tx, "n1", 0)?.remove(0);
        jobs::put_back(tx, &job, 40, None)?;
        assert_eq!(only(tx)?.attempts, 0, "waiting is no failure");
        let job = take(tx, "n1", 40)?.remove(0);
        jobs::put_back(tx, &job, 90, Some("unreachable"))?;
        let status = only(tx)?;
        assert_eq!((status.attempts, status.due_at_ms, status.last_error.as_deref()), (1, 90, Some("unreachable")));
        let job = take(tx, "n1", 90)?.remove(0);
        jobs::give_up(tx, &job, 95, "refused")?;
        assert!(only(tx)?.is_dead && take(tx, "n1", i64::MAX - 1000)?.is_empty());
        assert_eq!(jobs::revive(tx, None, 100)?, 1);
        let job = take(tx, "n1", 100)?.remove(0);
        assert_eq!(job.attempts, 1);
        note(tx, "a", "2", 0)?;
        jobs::give_up(tx, &job, 105, "refused")?;
        assert!(!only(tx)?.is_dead, "it was noted again meanwhile");
        let job = take(tx, "n1", 105)?.remove(0);
        jobs::give_up(tx, &job, 110, "refused")?;
        note(tx, "a", "3", 120)?;
        assert_eq!(take(tx, "n1", 120)?.remove(0).payload, "3", "noting revives it");
        jobs::cancel(tx, "copy", "a")?;
        assert!(jobs::list(tx, 0, 10)?.is_empty());
        Ok(())
    })
    .await;
}

async fn a_lost_lease_changes_nothing(backend: &Backend) {
    in_transaction(backend, |tx| {
        note(tx, "a", "1", 0)?;
        let late = take(tx, "n1", 0)?.remove(0);
        let now = take(tx, "n2", 100)?.remove(0);
        let before = only(tx)?;
        jobs::finish(tx, &late, 110)?;
        jobs::put_back(tx, &late, 500, Some("late"))?;
        jobs::give_up(tx, &late, 110, "late")?;
        assert_eq!(only(tx)?, before);
        jobs::finish(tx, &now, 120)?;
        assert!(jobs::list(tx, 0, 10)?.is_empty());
        Ok(())
    })
    .await;
}

async fn nodes_share_a_queue(backend: &Backend) {
    const JOBS: usize = 200;
    let db = backend.open(store::db::migrate::MIGRATIONS);
    db.write(|tx| (0..JOBS).try_for_each(|number| note(tx, &number.to_string(), "{}", 0))).await.expect("stored");
    let mut nodes = tokio::task::JoinSet::new();
    for node in 0..8 {
        let db = db.clone();
        nodes.spawn(async move {
            let mut taken = Vec::new();
            loop {
                let lease = format!("n{node}");
                let batch = db
                    .write(move |tx| jobs::take_due(tx, &Taking::of_all("copy", &lease, 10, 1_000, 7)))
                    .await
                    .expect("taken");
                if batch.is_empty() {
                    return taken;
                }
                taken.extend(batch.into_iter().map(|job| job.key));
            }
        });
    }
    let mut all: Vec<String> = nodes.join_all().await.into_iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    // A node may see nothing free while others hold the last rows, so what is missing must still be in the queue.
    let left =
        db.write(|tx| jobs::take_due(tx, &Taking::of_all("copy", "last", 10, 1_000, JOBS))).await.expect("taken").len();
    assert_eq!(all.len() + left, JOBS);
}

async fn people_see_what_was_given_up_and_hasten_what_waits(backend: &Backend) {
    in_transaction(backend, |tx| {
        for key in ["a", "b", "c"] {
            note(tx, key, "{}", 0)?;
        }
        let taken = take(tx, "n1", 0)?;
        jobs::give_up(tx, &taken[1], 10, "broken")?;
        jobs::put_back(tx, &taken[2], 900, Some("later"))?;
        let dead = jobs::list_dead(tx, 0, 10)?;
        assert_eq!(dead.iter().map(|job| job.key.as_str()).collect::<Vec<_>>(), ["b"]);
        assert!(jobs::list_dead(tx, dead[0].id, 10)?.is_empty());
        assert_eq!((jobs::count_of_kind(tx, "copy", 10)?, jobs::count_of_kind(tx, "copy", 2)?), (3, 2));
        assert_eq!(jobs::count_of_kind(tx, "other", 10)?, 0);
        let ids: Vec<i64> = jobs::list(tx, 0, 10)?.iter().map(|job| job.id).collect();
        assert!(!jobs::hasten(tx, ids[0], 20)?, "a node is at it");
        assert!(!jobs::hasten(tx, ids[1], 20)?, "it was given up");
        assert!(jobs::hasten(tx, ids[2], 20)? && !jobs::hasten(tx, 99, 20)?);
        assert_eq!(take(tx, "n2", 20)?.iter().map(|job| job.key.as_str()).collect::<Vec<_>>(), ["c"]);
        Ok(())
    })
    .await;
}

async fn stale_jobs_of_a_kind_are_forgotten(backend: &Backend) {
    in_transaction(backend, |tx| {
        for (kind, key, due_at_ms) in [("event to a", "old", 10), ("event to b", "new", 90), ("copy", "old", 10)] {
            jobs::enqueue(tx, &NewJob { kind, key, payload: "{}", account: None, due_at_ms }, 1)?;
        }
        assert_eq!(jobs::forget_stale(tx, "event to ", 50, 10)?, 1);
        let left: Vec<String> = jobs::list(tx, 0, 10)?.into_iter().map(|job| job.kind).collect();
        assert_eq!(left, ["event to b", "copy"]);
        Ok(())
    })
    .await;
}

async fn jobs_are_counted_by_kind_and_state(backend: &Backend) {
    in_transaction(backend, |tx| {
        assert_eq!(jobs::count_by_kind(tx, 100)?, []);
        for (key, due_at_ms) in [("a", 10), ("b", 20), ("c", 30), ("d", 500)] {
            note(tx, key, "{}", due_at_ms)?;
        }
        jobs::enqueue(tx, &NewJob { kind: "another", key: "a", payload: "{}", account: None, due_at_ms: 200 }, 1)?;
        let taken = jobs::take_due(tx, &Taking::of_all("copy", "n1", 40, 140, 2))?;
        jobs::give_up(tx, &taken[0], 50, "no use")?;
        let counts = jobs::count_by_kind(tx, 100)?;
        let another = KindCounts { kind: "another".to_owned(), waiting: 1, ..KindCounts::default() };
        let copy = KindCounts { kind: "copy".to_owned(), waiting: 2, running: 1, dead: 1, oldest_due_at_ms: Some(30) };
        assert_eq!(counts, [another, copy]);
        Ok(())
    })
    .await;
}
