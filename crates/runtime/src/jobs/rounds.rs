//! Rounds: what a node does again and again, one round after the other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use store::error::StoreError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::boxed;
use crate::shutdown::stopped;

type Running = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// Something that is done again and again.
pub struct Round {
    what: &'static str,
    every: Duration,
    run: Box<dyn Fn() -> Running + Send + Sync>,
}

impl Round {
    /// What is done with `context` every so often; `what` names it where it fails.
    pub fn new<C, F>(what: &'static str, every: Duration, context: &Arc<C>, run: fn(Arc<C>) -> F) -> Self
    where
        C: Send + Sync + 'static,
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let context = Arc::clone(context);
        Self { what, every, run: Box::new(move || Box::pin(run(Arc::clone(&context)))) }
    }
}

/// Does every round at once, and then each when its time has come, until `stop` turns true. What waits longest goes first;
/// a round that comes late is not made up for.
#[boxed]
pub async fn run(rounds: Vec<Round>, mut stop: watch::Receiver<bool>) {
    let began = Instant::now();
    let mut waiting: Vec<(Instant, Round)> = rounds.into_iter().map(|round| (began, round)).collect();
    while let Some((due, round)) = waiting.iter_mut().min_by_key(|(due, _)| *due) {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = sleep_until(*due) => {}
        }
        *due = Instant::now() + round.every;
        if let Err(error) = (round.run)().await {
            tracing::error!(
                "{} failed, and is tried again later: {error}",
                round.what,
                error = crate::with_causes(&error)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use store::error::StoreErrorKind;

    use super::*;

    struct Done {
        rounds: Mutex<Vec<&'static str>>,
        stop: watch::Sender<bool>,
    }

    impl Done {
        /// Notes a round, and stops all after the sixth.
        fn note(&self, round: &'static str) {
            let mut rounds = self.rounds.lock().expect("not poisoned");
            rounds.push(round);
            if rounds.len() == 6 {
                self.stop.send_replace(true);
            }
        }
    }

    #[tokio::test]
    async fn every_round_has_its_turn_though_one_always_fails_and_one_is_always_due() {
        let (stop, stopped) = watch::channel(false);
        let done = Arc::new(Done { rounds: Mutex::default(), stop });
        let rounds = vec![
            Round::new("failing", Duration::ZERO, &done, |done| async move {
                done.note("failing");
                Err(StoreError::new(StoreErrorKind::Other, "as planned"))
            }),
            Round::new("working", Duration::ZERO, &done, |done| async move {
                done.note("working");
                Ok(())
            }),
        ];
        run(rounds, stopped).await;
        let done = done.rounds.lock().expect("not poisoned").clone();
        assert_eq!(done, ["failing", "working", "failing", "working", "failing", "working"]);
    }

    #[tokio::test]
    async fn without_rounds_there_is_an_end() {
        let (_stop, stopped) = watch::channel(false);
        run(Vec::new(), stopped).await;
    }
}
