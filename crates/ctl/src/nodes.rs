//! `wharf nodes`.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::duration::age;
use crate::error::Error;
use crate::{Session, date};

#[derive(Args, Debug)]
pub struct NodesArgs {}

/// A node as the server tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeAnswer {
    node_id: String,
    address: String,
    version: String,
    started_at: f64,
    last_seen_at: f64,
    status: String,
    is_current: bool,
    is_this_node: bool,
}

/// A node with its dates as scripts read them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    node_id: String,
    address: String,
    version: String,
    status: String,
    is_current: bool,
    is_this_node: bool,
    started_at: String,
    up_seconds: i64,
    last_seen_at: String,
    #[serde(skip)]
    silent_seconds: i64,
}

impl Node {
    pub(crate) fn new(node: NodeAnswer, now_ms: i64) -> Self {
        let seconds = now_ms / 1_000;
        Self {
            node_id: node.node_id,
            address: node.address,
            version: node.version,
            status: node.status,
            is_current: node.is_current,
            is_this_node: node.is_this_node,
            started_at: date::iso8601(node.started_at),
            up_seconds: (seconds - node.started_at as i64).max(0),
            last_seen_at: date::iso8601(node.last_seen_at),
            silent_seconds: (seconds - node.last_seen_at as i64).max(0),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.status == "ALIVE"
    }

    pub(crate) const COLUMNS: [&str; 6] = ["ADDRESS", "VERSION", "UP", "LAST SEEN", "STATUS", "KEYS AND POLICIES"];

    pub(crate) fn row(&self) -> Vec<String> {
        let this = if self.is_this_node { " (this node)" } else { "" };
        vec![
            format!("{}{this}", self.address),
            self.version.clone(),
            age(self.up_seconds),
            if self.silent_seconds == 0 { "now".to_owned() } else { format!("{} ago", age(self.silent_seconds)) },
            self.status.to_lowercase(),
            if self.is_current { "current" } else { "behind" }.to_owned(),
        ]
    }
}

#[derive(Deserialize)]
struct Answer {
    nodes: Vec<NodeAnswer>,
}

impl NodesArgs {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        let answer: Answer = client.wharf("ListNodes", &json!({})).await?;
        let now_ms = client.now_ms();
        let nodes: Vec<Node> = answer.nodes.into_iter().map(|node| Node::new(node, now_ms)).collect();
        output.list(&nodes, "No node has said that it is there.", &Node::COLUMNS, Node::row)
    }
}
