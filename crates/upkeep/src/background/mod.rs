//! What the server does by itself: who does which kind of job, and what is done again and again. What is done lies with
//! the part that it is about; this is the list.
//!
//! A new kind of job is a file beside what it is about, with its `Job` (what is stored) and its `Handle` (who does it), its
//! name in `jobs/kinds.rs` and its line here. A new round is a line in `rounds.rs`.

mod rounds;

use std::sync::Arc;

use access::kms::delete_kms_key::DeleteKmsKey;
use access::kms::rotate_kms_key::RotateKmsKey;
use access::root_key_rotation::Reseal;
use registry::images::collect_garbage::CollectGarbage;
use registry::images::follow_subject::FollowSubject;
use registry::images::lifecycle::preview_lifecycle_policy::PreviewLifecyclePolicy;
use registry::images::lifecycle::run_lifecycle_policy::RunLifecyclePolicy;
use registry::images::move_blob::MoveBlob;
use registry::images::restore_image::RestoreImage;
use registry::replication::backfill::Fill;
use registry::replication::replicate::Replicate;
use runtime::boxed;
use runtime::jobs;
use runtime::jobs::handler::Handler;
use runtime::jobs::job::Job as _;
use runtime::jobs::worker::{Node, Worker};
use runtime::work::Work;
use scanning::analyse_layer::AnalyseLayer;
use scanning::context::Scanning;
use scanning::import_advisories::ImportAdvisories;
use scanning::pick_up_images::PickUpImages;
use scanning::scan_image::ScanImage;
use scanning::update_advisories::UpdateAdvisories;
use tokio::sync::watch;

use crate::storage_check::check_storage::CheckStorage;
use crate::storage_check::scrub_storage::ScrubStorage;

/// Who does the jobs of every kind that there is.
fn handlers(scanning: &Arc<Scanning>) -> Vec<Handler> {
    let app = &scanning.registry;
    let handlers = [
        Handler::of::<CollectGarbage, _>(app),
        Handler::of::<CheckStorage, _>(app),
        Handler::of::<ScrubStorage, _>(app),
        Handler::of::<FollowSubject, _>(app),
        Handler::of::<MoveBlob, _>(app),
        Handler::of::<DeleteKmsKey, _>(&app.access),
        Handler::of::<RotateKmsKey, _>(&app.access),
        Handler::of::<Reseal, _>(app),
        Handler::of::<RestoreImage, _>(app),
        Handler::of::<PreviewLifecyclePolicy, _>(app),
        Handler::of::<RunLifecyclePolicy, _>(app),
        Handler::of::<Replicate, _>(app),
        Handler::of::<Fill, _>(app),
        Handler::of::<ScanImage, _>(scanning),
        Handler::of::<AnalyseLayer, _>(scanning),
        Handler::of::<PickUpImages, _>(scanning),
        Handler::of::<UpdateAdvisories, _>(scanning),
        Handler::of::<ImportAdvisories, _>(scanning),
    ];
    handlers.into_iter().chain(app.events.job_handlers(&app.clock)).collect()
}

/// The worker of this node.
fn worker(app: &Arc<Scanning>, work: Work) -> Worker {
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
#[boxed]
pub async fn run(app: Arc<Scanning>, stop: watch::Receiver<bool>, work: Work) {
    let rounds = rounds::of(&app, work);
    tokio::join!(worker(&app, work).run(stop.clone()), jobs::rounds::run(rounds, stop));
}

/// Works off all jobs that are due at this moment, for tests.
#[cfg(any(test, feature = "testing"))]
pub async fn work_off(app: &Arc<registry::Registry>) {
    worker(&scanning::testing::scanning(app), Work::All).work_off().await;
}

#[cfg(test)]
mod tests {
    use access::web_identity::SourceConfig;
    use registry::testing::TestRegistry;
    use runtime::jobs::kinds::KINDS;
    use scanning::testing::scanning;

    use super::*;

    #[tokio::test]
    async fn every_kind_of_job_has_one_handler() {
        let test = TestRegistry::new(SourceConfig::default()).await;
        let handlers = handlers(&scanning(&test.app));
        let mut handled: Vec<&str> = handlers.iter().map(|handler| &*handler.kind).collect();
        handled.sort_unstable();
        let mut known = KINDS.to_vec();
        known.sort_unstable();
        assert_eq!(handled, known, "on the left what `handlers` lists, on the right what `jobs/kinds.rs` does");
    }
}
