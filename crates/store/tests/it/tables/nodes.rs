//! Which nodes decide by what is in force.

use store::tables::nodes::{self, Node, Versions};
use store::tables::{identity_version, key_version};

use super::fixtures::in_transaction;
use crate::backend::{Backend, on_every_backend};

on_every_backend!(versions_count_changes, a_node_is_behind_in_either);

fn node(id: &str, seen_at_ms: i64, identities: i64, keys: i64) -> Node {
    Node {
        id: id.to_owned(),
        address: "127.0.0.1:5000".to_owned(),
        version: "1".to_owned(),
        started_at_ms: 1,
        seen_at_ms,
        versions: Versions { identities, keys },
    }
}

async fn versions_count_changes(backend: &Backend) {
    in_transaction(backend, |tx| {
        let before = nodes::versions(tx)?;
        identity_version::increment(tx)?;
        key_version::increment(tx)?;
        key_version::increment(tx)?;
        let after = nodes::versions(tx)?;
        assert_eq!((after.identities - before.identities, after.keys - before.keys), (1, 2));
        assert!(after.include(before) && after.include(after) && !before.include(after));
        Ok(())
    })
    .await;
}

async fn a_node_is_behind_in_either(backend: &Backend) {
    in_transaction(backend, |tx| {
        nodes::report(tx, &node("a", 100, 5, 5))?;
        nodes::report(tx, &node("b", 50, 4, 5))?;
        // In force, seen since, and whether anybody is behind.
        for (identities, keys, since_ms, is_behind) in [
            (5, 5, 60, false),
            (5, 5, 50, true),
            (4, 5, 0, false),
            (6, 5, 60, true),
            (5, 6, 60, true),
            (5, 6, 101, false),
        ] {
            let versions = Versions { identities, keys };
            let found = nodes::is_any_behind(tx, versions, since_ms)?;
            assert_eq!(found, is_behind, "{versions:?} since {since_ms}");
        }
        nodes::report(tx, &node("b", 120, 6, 7))?;
        assert_eq!(nodes::list(tx)?, [node("a", 100, 5, 5), node("b", 120, 6, 7)]);
        nodes::forget_unseen(tx, 101)?;
        nodes::delete(tx, "b")?;
        assert!(nodes::list(tx)?.is_empty());
        Ok(())
    })
    .await;
}
