//! Repository creation templates: one per prefix, and the one with the longest prefix counts.

use store::db::Tx;
use store::error::StoreError;
use store::tables::creation_templates::{self, CreationTemplate, Scenario};
use store::tables::repositories::{EncryptionType, TagMutability};

use super::fixtures::{home, in_transaction, name, registry};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    what_is_stored_comes_back,
    a_slash_at_the_end_means_nothing,
    pages_follow_the_order_of_prefixes,
    the_longest_applicable_prefix_counts,
    registries_have_their_own,
);

fn template(prefix: &str, applied_for: &[Scenario]) -> CreationTemplate {
    CreationTemplate {
        registry: home(),
        prefix: prefix.parse().unwrap(),
        description: None,
        encryption_type: EncryptionType::Aes256,
        kms_key: None,
        resource_tags: Vec::new(),
        tag_mutability: TagMutability::Mutable,
        tag_mutability_filters: Vec::new(),
        repository_policy: None,
        lifecycle_policy: None,
        applied_for: applied_for.to_vec(),
        custom_role_arn: None,
        created_at_ms: 1_000,
        updated_at_ms: 1_000,
    }
}

fn full(prefix: &str) -> CreationTemplate {
    CreationTemplate {
        description: Some("what for".to_owned()),
        encryption_type: EncryptionType::Kms,
        kms_key: Some("arn:aws:kms:us-east-1:123456789012:key/a".parse().unwrap()),
        resource_tags: vec![("z".to_owned(), "'; --".to_owned()), ("a".to_owned(), String::new())],
        tag_mutability: TagMutability::MutableWithExclusion,
        tag_mutability_filters: vec!["v*".parse().unwrap(), "release-*".parse().unwrap()],
        repository_policy: Some("{ }".to_owned()),
        lifecycle_policy: Some("{\n}".to_owned()),
        custom_role_arn: Some("arn:aws:iam::123456789012:role/r".to_owned()),
        updated_at_ms: i64::MAX,
        ..template(prefix, &Scenario::ALL)
    }
}

async fn what_is_stored_comes_back(backend: &Backend) {
    in_transaction(backend, |tx| {
        let plain = template("plain", &[Scenario::Replication]);
        for stored in [&plain, &full("full")] {
            assert!(creation_templates::insert(tx, stored)?);
            assert_eq!(creation_templates::find(tx, &home(), &stored.prefix)?.as_ref(), Some(stored));
        }
        assert_eq!(creation_templates::count(tx, &home())?, 2);
        assert!(!creation_templates::insert(tx, &full("plain"))?, "the first one stays as it was");
        assert_eq!(creation_templates::find(tx, &home(), &plain.prefix)?.as_ref(), Some(&plain));

        let changed = CreationTemplate { created_at_ms: plain.created_at_ms, ..full("plain") };
        creation_templates::update(tx, &changed)?;
        assert_eq!(creation_templates::find(tx, &home(), &plain.prefix)?, Some(changed));
        assert_eq!(creation_templates::find(tx, &home(), &"full".parse().unwrap())?, Some(full("full")));

        assert!(creation_templates::delete(tx, &home(), &plain.prefix)?);
        assert!(!creation_templates::delete(tx, &home(), &plain.prefix)?);
        assert_eq!(creation_templates::count(tx, &home())?, 1);
        Ok(())
    })
    .await;
}

async fn a_slash_at_the_end_means_nothing(backend: &Backend) {
    in_transaction(backend, |tx| {
        assert!(creation_templates::insert(tx, &template("prod/", &Scenario::ALL))?);
        assert!(!creation_templates::insert(tx, &template("prod", &Scenario::ALL))?);
        let found = creation_templates::find(tx, &home(), &"prod".parse().unwrap())?.expect("the same prefix");
        assert_eq!(found.prefix.as_str(), "prod/", "as it was given");
        assert!(creation_templates::delete(tx, &home(), &"prod".parse().unwrap())?);
        Ok(())
    })
    .await;
}

async fn pages_follow_the_order_of_prefixes(backend: &Backend) {
    in_transaction(backend, |tx| {
        let ordered = ["ROOT", "a", "a-b", "a/b", "b"];
        for prefix in ["b", "a/b", "ROOT", "a-b", "a"] {
            assert!(creation_templates::insert(tx, &template(prefix, &Scenario::ALL))?);
        }
        for (after, expected) in [("", &ordered[..2]), ("a", &ordered[2..4]), ("a/b", &ordered[4..]), ("b", &[])] {
            let page = creation_templates::list(tx, &home(), after, 2)?;
            let prefixes: Vec<&str> = page.iter().map(|template| template.prefix.as_str()).collect();
            assert_eq!(prefixes, expected, "after {after:?}");
        }
        Ok(())
    })
    .await;
}

fn prefix_for(tx: &mut dyn Tx, repository: &str, scenario: Scenario) -> Result<Option<String>, StoreError> {
    let found = creation_templates::find_for(tx, &home().repository(&name(repository)), scenario)?;
    Ok(found.map(|template| template.prefix.to_string()))
}

async fn the_longest_applicable_prefix_counts(backend: &Backend) {
    in_transaction(backend, |tx| {
        for (prefix, applied_for) in [
            ("p", &[Scenario::CreateOnPush][..]),
            ("prod", &[Scenario::CreateOnPush, Scenario::Replication]),
            ("prod/team", &[Scenario::CreateOnPush]),
            ("prod/team_a", &[Scenario::CreateOnPush]),
            ("ROOT", &[Scenario::CreateOnPush, Scenario::Replication]),
        ] {
            assert!(creation_templates::insert(tx, &template(prefix, applied_for))?);
        }
        for (repository, on_push, replication, through_cache) in [
            ("prod/team/app", Some("prod/team"), Some("prod"), None),
            ("prod/team", Some("prod"), Some("prod"), None),
            ("prod/teamxa/app", Some("prod"), Some("prod"), None),
            ("prod/team_a/app", Some("prod/team_a"), Some("prod"), None),
            ("p/x", Some("p"), Some("ROOT"), None),
            ("prod", Some("ROOT"), Some("ROOT"), None),
            ("production/x", Some("ROOT"), Some("ROOT"), None),
        ] {
            let expected = [on_push, replication, through_cache];
            let scenarios = [Scenario::CreateOnPush, Scenario::Replication, Scenario::PullThroughCache];
            for (scenario, expected) in scenarios.into_iter().zip(expected) {
                let found = prefix_for(tx, repository, scenario)?;
                assert_eq!(found.as_deref(), expected, "{repository} {scenario:?}");
            }
        }
        Ok(())
    })
    .await;
}

async fn registries_have_their_own(backend: &Backend) {
    in_transaction(backend, |tx| {
        let registries = [home(), registry("123456789012", "eu-west-1"), registry("210987654321", "us-east-1")];
        for registry in &registries {
            let new = CreationTemplate { registry: registry.clone(), ..template("prod", &Scenario::ALL) };
            assert!(creation_templates::insert(tx, &new)?);
        }
        let prefix = "prod".parse().unwrap();
        assert!(creation_templates::delete(tx, &registries[1], &prefix)?);
        assert_eq!(creation_templates::find(tx, &registries[1], &prefix)?, None);
        assert_eq!(
            creation_templates::find_for(tx, &registries[1].repository(&name("prod/x")), Scenario::Replication)?,
            None
        );
        assert_eq!(creation_templates::list(tx, &registries[2], "", 10)?.len(), 1);
        assert_eq!(creation_templates::count(tx, &registries[0])?, 1);
        Ok(())
    })
    .await;
}
