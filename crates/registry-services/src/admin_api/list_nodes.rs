//! ListNodes: the nodes that share the database, and which of them are alive and follow changes of keys and policies.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::tables::nodes;

use super::errors::WharfError;

/// Lists the nodes that share the database, and tells which are alive and follow changes.
pub struct ListNodes;

#[derive(Deserialize)]
pub struct Input {}

#[derive(Serialize)]
pub struct Output {
    nodes: Vec<ListedNode>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedNode {
    node_id: String,
    address: String,
    version: String,
    started_at: Timestamp,
    last_seen_at: Timestamp,
    status: &'static str,
    /// Whether it decides by the keys, identities and policies in force.
    is_current: bool,
    /// Whether it is the one that answers.
    is_this_node: bool,
}

/// What is said of every node.
pub(super) async fn listed(app: &Registry) -> Result<Vec<ListedNode>, WharfError> {
    let versions = app.db.read(nodes::versions).await?;
    let now_ms = app.now_ms();
    let known = app.known_nodes().await?;
    let listed = known.into_iter().map(|node| ListedNode {
        status: if app.is_alive(&node, now_ms) { "ALIVE" } else { "SILENT" },
        is_current: node.versions.include(versions),
        is_this_node: node.id == app.membership.node_id(),
        node_id: node.id,
        address: node.address,
        version: node.version,
        started_at: Timestamp::from_ms(node.started_at_ms),
        last_seen_at: Timestamp::from_ms(node.seen_at_ms),
    });
    Ok(listed.collect())
}

impl Operation for ListNodes {
    const NAME: &'static str = "ListNodes";
    const ACTION: Action = Action::WharfListNodes;
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
        Ok(Output { nodes: listed(call.app).await? })
    }
}
