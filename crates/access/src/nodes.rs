//! This node among those that share its database: it says that it is alive, and decides by no keys and policies but
//! those in force.
//!
//! A change of identities, policies or keys, KMS keys included, is in force on every node when the call that made it is answered: the call waits for
//! the nodes that were seen within [`SEEN_WITHIN`], and a node that has not looked for [`LOOKED_WITHIN`], because it was
//! stopped or cut off, looks again before it decides anything.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use runtime::boxed;
use runtime::timer::{self, Instant};
use store::db::{Db, Dialect};
use store::error::StoreError;
use store::tables::nodes::{self, Node, Versions};

use crate::Access;

/// How often a node looks for changes.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often a node says that it is alive.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// A node decides by what it saw so long ago at most.
const LOOKED_WITHIN: Duration = Duration::from_secs(3);
/// Who has said nothing for so long decides nothing before it has looked again: more than [`LOOKED_WITHIN`] and
/// [`REPORT_EVERY`] together.
const SEEN_WITHIN: Duration = Duration::from_secs(5);
/// How often a change asks whether the others have it.
const ASK_EVERY: Duration = Duration::from_millis(20);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// This start of the server, as the others know it.
pub struct Membership {
    node: Node,
    /// Whether there can be others.
    is_shared: bool,
    looked: Mutex<Looked>,
    /// Held by whoever looks on behalf of a request, while others wait for what it sees.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Looked {
    /// When this node last looked, and told the others.
    at: Option<Instant>,
    reported_at: Option<Instant>,
    reported: Versions,
}

/// What others call a node that listens at `address`: where it listens everywhere, by the machine's name.
pub fn shown_address(address: SocketAddr) -> String {
    let name = runtime::files::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if address.ip().is_unspecified() && !name.trim().is_empty() {
        return format!("{}:{}", name.trim(), address.port());
    }
    address.to_string()
}

impl Membership {
    /// Of a server that listens at `address`.
    pub fn new(db: &Db, address: String, started_at_ms: i64) -> Self {
        let node = Node {
            id: runtime::random::uuid().to_string(),
            address,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at_ms,
            seen_at_ms: started_at_ms,
            versions: Versions::default(),
        };
        let is_shared = db.dialect() == Dialect::Postgres;
        Self { node, is_shared, looked: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// The name that no other start of a server has.
    pub fn node_id(&self) -> &str {
        &self.node.id
    }

    fn has_looked(&self) -> bool {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.at.is_some_and(|at| timer::since(at) < LOOKED_WITHIN)
    }
}

impl Access {
    /// Says that this node begins, and loads what it decides by. From here on changes wait for it.
    #[boxed]
    pub async fn join_nodes(&self) -> Result<(), StoreError> {
        if self.membership.is_shared {
            let node = self.membership.node.clone();
            self.db.write(move |tx| nodes::report(tx, &node)).await?;
        }
        self.follow_changes().await
    }

    /// Takes over what has changed in the database of keys, identities and policies.
    async fn load_changes(&self) -> Result<Versions, StoreError> {
        // Keys first: a secret of an identity may be sealed by one that is new.
        let keys = self.refresh_keys().await?;
        self.load_identities().await?;
        Ok(Versions { identities: self.identities.current().version(), keys })
    }

    /// Takes over what others have changed of keys, identities and policies, and says that this node is alive.
    #[boxed]
    pub async fn follow_changes(&self) -> Result<(), StoreError> {
        self.look().await.map(drop)
    }

    /// The same; gives the versions that this node decides by from now on.
    async fn look(&self) -> Result<Versions, StoreError> {
        let membership = &self.membership;
        let began = timer::now();
        let versions = self.load_changes().await?;
        if !membership.is_shared {
            return Ok(versions);
        }
        let is_due = {
            let looked = membership.looked.lock().unwrap_or_else(PoisonError::into_inner);
            versions != looked.reported || looked.reported_at.is_none_or(|at| timer::since(at) >= REPORT_EVERY)
        };
        if is_due {
            let node = Node { seen_at_ms: self.now_ms(), versions, ..membership.node.clone() };
            self.db.write(move |tx| nodes::report(tx, &node)).await?;
        }
        let mut looked = membership.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.at = Some(began);
        if is_due {
            looked.reported_at = Some(began);
            looked.reported = versions;
        }
        Ok(versions)
    }

    /// Lets a change of keys, identities or policies be in force everywhere. Whoever makes one calls this before
    /// answering.
    #[boxed]
    pub async fn publish_changes(&self) -> Result<(), StoreError> {
        let changed = self.look().await?;
        if !self.membership.is_shared {
            return Ok(());
        }
        let began = timer::now();
        loop {
            let since_ms = self.now_ms() - SEEN_WITHIN.as_millis() as i64;
            if !self.db.read_point(move |tx| nodes::is_any_behind(tx, changed, since_ms)).await? {
                return Ok(());
            }
            if timer::since(began) > 2 * SEEN_WITHIN {
                // It says that it is alive, and yet does not look; it is still bound to, before it decides anything.
                tracing::warn!("a node has not followed a change of keys, identities or policies for {SEEN_WITHIN:?}");
                return Ok(());
            }
            timer::sleep(ASK_EVERY).await;
        }
    }

    /// Every node that has said of itself that it is there and has not said that it ended, this one included.
    #[boxed]
    pub async fn known_nodes(&self) -> Result<Vec<Node>, StoreError> {
        if self.membership.is_shared {
            return self.db.read(|tx| nodes::list(tx)).await;
        }
        let versions = self.db.read(nodes::versions).await?;
        let this = self.membership.node.clone();
        Ok(vec![Node { seen_at_ms: self.now_ms(), versions, ..this }])
    }

    /// Whether a node that said something so long ago still works.
    pub fn is_alive(&self, node: &Node, now_ms: i64) -> bool {
        now_ms - node.seen_at_ms <= SEEN_WITHIN.as_millis() as i64
    }

    /// Looks for changes if this node has not for too long. Whoever decides by what is in memory calls this first; every
    /// request does, so what is mostly the case is answered without a box.
    pub async fn require_current_changes(&self) -> Result<(), StoreError> {
        let membership = &self.membership;
        if !membership.is_shared || membership.has_looked() {
            return Ok(());
        }
        self.look_for_changes().await
    }

    #[boxed]
    async fn look_for_changes(&self) -> Result<(), StoreError> {
        let membership = &self.membership;
        let _turn = membership.turn.lock().await;
        if membership.has_looked() {
            return Ok(());
        }
        self.follow_changes().await
    }

    /// Lets the others know that this node has ended, and forgets those that ended without a word.
    #[boxed]
    pub async fn leave_nodes(&self) -> Result<(), StoreError> {
        if !self.membership.is_shared {
            return Ok(());
        }
        let (id, unseen_ms) = (self.membership.node.id.clone(), self.now_ms() - DAY_MS);
        self.db
            .write(move |tx| {
                nodes::forget_unseen(tx, unseen_ms)?;
                nodes::delete(tx, &id)
            })
            .await
    }
}
