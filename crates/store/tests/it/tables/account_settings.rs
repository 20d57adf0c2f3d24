//! Settings of a registry: the last value that was put.

use store::tables::account_settings;

use super::fixtures::{home, in_transaction, registry};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(the_last_value_counts, registries_have_their_own);

async fn the_last_value_counts(backend: &Backend) {
    in_transaction(backend, |tx| {
        assert_eq!(account_settings::find(tx, &home(), "BLOB_MOUNTING")?, None);
        for value in ["ENABLED", "DISABLED", "DISABLED", ""] {
            account_settings::upsert(tx, &home(), "BLOB_MOUNTING", value)?;
            assert_eq!(account_settings::find(tx, &home(), "BLOB_MOUNTING")?.as_deref(), Some(value));
        }
        assert_eq!(account_settings::find(tx, &home(), "blob_mounting")?, None, "names are exact");
        Ok(())
    })
    .await;
}

async fn registries_have_their_own(backend: &Backend) {
    in_transaction(backend, |tx| {
        let registries = [home(), registry("123456789012", "eu-west-1"), registry("210987654321", "us-east-1")];
        for (registry, value) in registries.iter().zip(["1", "2", "3"]) {
            account_settings::upsert(tx, registry, "a", value)?;
        }
        account_settings::upsert(tx, &registries[1], "b", "4")?;
        for (registry, value) in registries.iter().zip(["1", "2", "3"]) {
            assert_eq!(account_settings::find(tx, registry, "a")?.as_deref(), Some(value), "{registry}");
        }
        assert_eq!(account_settings::find(tx, &home(), "b")?, None);
        Ok(())
    })
    .await;
}
