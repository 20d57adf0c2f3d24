//! Principals whose pulls do not count.

use store::tables::pull_time_exclusions::{self, PrincipalArn};

use super::fixtures::{home, in_transaction, registry};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(each_is_there_once, registries_have_their_own);

fn user(name: &str) -> PrincipalArn {
    format!("arn:aws:iam::123456789012:user/{name}").parse().expect("an ARN of a user")
}

async fn each_is_there_once(backend: &Backend) {
    in_transaction(backend, |tx| {
        for (name, is_new) in [("b", true), ("a", true), ("b", false), ("c", true)] {
            assert_eq!(pull_time_exclusions::insert(tx, &home(), &user(name), 5)?, is_new, "{name}");
        }
        assert_eq!(pull_time_exclusions::list(tx, &home(), "", 10)?, ["a", "b", "c"].map(user));
        assert_eq!(pull_time_exclusions::list(tx, &home(), user("a").as_str(), 1)?, [user("b")]);
        assert!(pull_time_exclusions::delete(tx, &home(), &user("b"))?);
        assert!(!pull_time_exclusions::delete(tx, &home(), &user("b"))?);
        assert_eq!(pull_time_exclusions::list(tx, &home(), "", 10)?, ["a", "c"].map(user));
        Ok(())
    })
    .await;
}

async fn registries_have_their_own(backend: &Backend) {
    in_transaction(backend, |tx| {
        let other = registry("123456789012", "eu-west-1");
        pull_time_exclusions::insert(tx, &home(), &user("a"), 5)?;
        assert!(pull_time_exclusions::insert(tx, &other, &user("a"), 5)?);
        assert!(pull_time_exclusions::delete(tx, &other, &user("a"))?);
        assert_eq!(pull_time_exclusions::list_all(tx)?, [(home(), user("a"))]);
        Ok(())
    })
    .await;
}
