//! Principals whose pulls do not count.

use store::tables::pull_time_exclusions;

use super::fixtures::{home, in_transaction, registry};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(each_is_there_once, registries_have_their_own);

async fn each_is_there_once(backend: &Backend) {
    in_transaction(backend, |tx| {
        for (arn, is_new) in [("b", true), ("a", true), ("b", false), ("c", true)] {
            assert_eq!(pull_time_exclusions::insert(tx, &home(), arn, 5)?, is_new, "{arn}");
        }
        assert_eq!(pull_time_exclusions::list(tx, &home(), "", 10)?, ["a", "b", "c"]);
        assert_eq!(pull_time_exclusions::list(tx, &home(), "a", 1)?, ["b"]);
        assert!(pull_time_exclusions::delete(tx, &home(), "b")?);
        assert!(!pull_time_exclusions::delete(tx, &home(), "b")?);
        assert_eq!(pull_time_exclusions::list(tx, &home(), "", 10)?, ["a", "c"]);
        Ok(())
    })
    .await;
}

async fn registries_have_their_own(backend: &Backend) {
    in_transaction(backend, |tx| {
        let other = registry("123456789012", "eu-west-1");
        pull_time_exclusions::insert(tx, &home(), "a", 5)?;
        assert!(pull_time_exclusions::insert(tx, &other, "a", 5)?);
        assert!(pull_time_exclusions::delete(tx, &other, "a")?);
        assert_eq!(pull_time_exclusions::list_all(tx)?, [(home(), "a".to_owned())]);
        Ok(())
    })
    .await;
}
