//! DescribeServer: how the whole server is: its database, what it stores, what it is at, and its nodes.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use registry::figures;
use serde::{Deserialize, Serialize};
use store::db::Dialect;
use store::tables::jobs::KindCounts;
use store::tables::store_sizes::TierSizes;

use super::errors::WharfError;
use super::list_nodes::{self, ListedNode};

/// Describes the whole server: its database, what it stores, what it is at, and its nodes.
pub struct DescribeServer;

#[derive(Deserialize)]
pub struct Input {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    version: &'static str,
    database: &'static str,
    nodes: Vec<ListedNode>,
    /// Absent while it cannot be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<Work>,
    /// Absent while it cannot be measured, or is measured for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<Stored>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Work {
    jobs: Vec<Jobs>,
    uploads: u64,
    upload_bytes: u64,
    counted_at: Timestamp,
}

#[derive(Serialize)]
struct Jobs {
    kind: String,
    waiting: u64,
    running: u64,
    dead: u64,
}

impl From<KindCounts> for Jobs {
    fn from(of: KindCounts) -> Self {
        Self { kind: of.kind, waiting: of.waiting, running: of.running, dead: of.dead }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    repositories: u64,
    images: u64,
    tags: u64,
    standard: Tier,
    archive: Tier,
    measured_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tier {
    objects: u64,
    stored_bytes: u64,
    unique_bytes: u64,
    logical_bytes: u64,
}

impl From<TierSizes> for Tier {
    fn from(sizes: TierSizes) -> Self {
        let TierSizes { objects, unique_bytes, stored_bytes, logical_bytes } = sizes;
        Self { objects, stored_bytes, unique_bytes, logical_bytes }
    }
}

impl Operation for DescribeServer {
    const NAME: &'static str = "DescribeServer";
    const ACTION: Action = Action::WharfDescribeServer;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = ();
    type Error = WharfError;

    fn check(call: &Call<'_>, Input {}: Input) -> Result<(), WharfError> {
        WharfError::unless_operator(call)
    }

    fn needs(_: &Call<'_>, (): &()) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (): ()) -> Result<Output, WharfError> {
        let app = call.app;
        let nodes = list_nodes::listed(app).await?;
        let (work, store) = tokio::join!(figures::work(app), figures::store(app));
        Ok(Output {
            version: env!("CARGO_PKG_VERSION"),
            database: match app.db.dialect() {
                Dialect::Sqlite => "SQLITE",
                Dialect::Postgres => "POSTGRES",
            },
            nodes,
            work: work.map(|work| Work {
                jobs: work.jobs.into_iter().map(Jobs::from).collect(),
                uploads: work.uploads,
                upload_bytes: work.upload_bytes,
                counted_at: Timestamp::from_ms(work.at_ms),
            }),
            store: store.map(|store| Stored {
                repositories: store.sizes.repositories,
                images: store.sizes.images,
                tags: store.sizes.tags,
                standard: store.sizes.standard.into(),
                archive: store.sizes.archive.into(),
                measured_at: Timestamp::from_ms(store.at_ms),
            }),
        })
    }
}
