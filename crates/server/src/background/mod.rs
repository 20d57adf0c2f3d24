//! What the server does by itself: who does which kind of job, and what is done again and again. What is done lies with
//! the part that it is about; this is the list.
//!
//! A new kind of job is a file beside what it is about, with its `Job` (what is stored) and its `Handle` (who does it), its
//! name in `jobs/kinds.rs` and its line here. A new round is a line in `rounds.rs`.

mod rounds;

use std::sync::Arc;

use tokio::sync::watch;

use crate::app::App;
use crate::integrity::check_storage::CheckStorage;
use crate::integrity::scrub_storage::ScrubStorage;
use crate::jobs;
use crate::jobs::handler::Handler;
use crate::jobs::job::Job as _;
use crate::jobs::worker::{Node, Worker};
use crate::kms::delete_kms_key::DeleteKmsKey;
use crate::kms::rotate_kms_key::RotateKmsKey;
use crate::registry::collect_garbage::CollectGarbage;
use crate::registry::follow_subject::FollowSubject;
use crate::registry::lifecycle::preview_lifecycle_policy::PreviewLifecyclePolicy;
use crate::registry::lifecycle::run_lifecycle_policy::RunLifecyclePolicy;
use crate::registry::move_blob::MoveBlob;
use crate::registry::restore_image::RestoreImage;
use crate::replication::backfill::Fill;
use crate::replication::replicate::Replicate;
use crate::root_keys::Reseal;
use crate::work::Work;

/// Who does the jobs of every kind that there is.
fn handlers(app: &Arc<App>) -> Vec<Handler> {
    let handlers = [
        Handler::of::<CollectGarbage, _>(app),
        Handler::of::<CheckStorage, _>(app),
        Handler::of::<ScrubStorage, _>(app),
        Handler::of::<FollowSubject, _>(app),
        Handler::of::<MoveBlob, _>(app),
        Handler::of::<DeleteKmsKey, _>(app),
        Handler::of::<RotateKmsKey, _>(app),
        Handler::of::<Reseal, _>(app),
        Handler::of::<RestoreImage, _>(app),
        Handler::of::<PreviewLifecyclePolicy, _>(app),
        Handler::of::<RunLifecyclePolicy, _>(app),
        Handler::of::<Replicate, _>(app),
        Handler::of::<Fill, _>(app),
    ];
    handlers.into_iter().chain(app.events.job_handlers(&app.clock)).collect()
}

/// The worker of this node.
fn worker(app: &Arc<App>, work: Work) -> Worker {
    let mut handlers = handlers(app);
    handlers.retain(|handler| work == Work::All || handler.kind == CheckStorage::KIND);
    let node = Node {
        db: app.db.clone(),
        clock: Arc::clone(&app.clock),
        wake: Arc::clone(&app.wake_jobs),
        ends: Arc::clone(&app.metrics.jobs),
        telemetry: Arc::clone(&app.telemetry),
    };
    Worker::new(node, handlers)
}

/// Works until `stop` turns true.
pub async fn run(app: Arc<App>, stop: watch::Receiver<bool>, work: Work) {
    let rounds = rounds::of(&app, work);
    tokio::join!(worker(&app, work).run(stop.clone()), jobs::rounds::run(rounds, stop));
}

/// Works off all jobs that are due at this moment, for tests.
#[cfg(test)]
pub async fn work_off(app: &Arc<App>) {
    worker(app, Work::All).work_off().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::kinds::KINDS;
    use crate::sts::web_identity::SourceConfig;
    use crate::tests::test_app::TestApp;

    #[tokio::test]
    async fn every_kind_of_job_has_one_handler() {
        let test = TestApp::new(SourceConfig::default()).await;
        let handlers = handlers(&test.app);
        let mut handled: Vec<&str> = handlers.iter().map(|handler| &*handler.kind).collect();
        handled.sort_unstable();
        let mut known = KINDS.to_vec();
        known.sort_unstable();
        assert_eq!(handled, known, "on the left what `handlers` lists, on the right what `jobs/kinds.rs` does");
    }
}
