//! Settings of a registry: the last value that was put.

use store::tables::account_settings::{self, AccountSetting};

use super::fixtures::{home, in_transaction, registry};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(the_last_value_counts, registries_have_their_own);

async fn the_last_value_counts(backend: &Backend) {
    in_transaction(backend, |tx| {
        assert_eq!(account_settings::find(tx, &home(), AccountSetting::BlobMounting)?, None);
        for value in ["ENABLED", "DISABLED", "DISABLED", ""] {
            account_settings::upsert(tx, &home(), AccountSetting::BlobMounting, value)?;
            assert_eq!(account_settings::find(tx, &home(), AccountSetting::BlobMounting)?.as_deref(), Some(value));
        }
        Ok(())
    })
    .await;
}

async fn registries_have_their_own(backend: &Backend) {
    in_transaction(backend, |tx| {
        let registries = [home(), registry("123456789012", "eu-west-1"), registry("210987654321", "us-east-1")];
        for (registry, value) in registries.iter().zip(["1", "2", "3"]) {
            account_settings::upsert(tx, registry, AccountSetting::RegistryPolicyScope, value)?;
        }
        account_settings::upsert(tx, &registries[1], AccountSetting::BlobMounting, "4")?;
        for (registry, value) in registries.iter().zip(["1", "2", "3"]) {
            assert_eq!(
                account_settings::find(tx, registry, AccountSetting::RegistryPolicyScope)?.as_deref(),
                Some(value),
                "{registry}"
            );
        }
        assert_eq!(account_settings::find(tx, &home(), AccountSetting::BlobMounting)?, None);
        Ok(())
    })
    .await;
}
