//! Pull through cache rules: one per prefix, and the longest that fits decides.

use store::db::Tx;
use store::error::StoreError;
use store::tables::pull_through_cache_rules::{self as rules, PullThroughCacheRule, UpstreamKind};

use super::fixtures::{home, in_transaction, name, registry};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    what_is_stored_comes_back,
    one_rule_per_prefix,
    the_longest_prefix_decides,
    rules_are_listed_in_pages
);

fn rule(prefix: &str) -> PullThroughCacheRule {
    PullThroughCacheRule {
        registry: home(),
        prefix: prefix.parse().unwrap(),
        upstream_url: "quay.io".to_owned(),
        upstream_registry: Some(UpstreamKind::Quay),
        upstream_prefix: None,
        credential_arn: None,
        custom_role_arn: None,
        created_at_ms: 1,
        updated_at_ms: 1,
    }
}

async fn what_is_stored_comes_back(backend: &Backend) {
    in_transaction(backend, |tx| {
        let full = PullThroughCacheRule {
            upstream_prefix: Some("library".parse().unwrap()),
            credential_arn: Some("a".to_owned()),
            custom_role_arn: Some("b".to_owned()),
            ..rule("full/")
        };
        for stored in [rule("plain"), full] {
            assert!(rules::insert(tx, &stored)?);
            assert_eq!(rules::find(tx, &home(), &stored.prefix)?, Some(stored.clone()));
        }
        rules::set_credentials(tx, &home(), &"plain".parse().unwrap(), Some("c"), None, 9)?;
        let changed = rules::find(tx, &home(), &"plain".parse().unwrap())?.expect("is there");
        assert_eq!((changed.credential_arn.as_deref(), changed.updated_at_ms), (Some("c"), 9));
        assert_eq!(rules::find(tx, &registry("123456789012", "eu-west-1"), &"plain".parse().unwrap())?, None);
        Ok(())
    })
    .await;
}

async fn one_rule_per_prefix(backend: &Backend) {
    in_transaction(backend, |tx| {
        assert!(rules::insert(tx, &rule("a"))?);
        assert!(!rules::insert(tx, &rule("a/"))?, "a slash at the end makes no difference");
        assert_eq!(rules::count(tx, &home())?, 1);
        assert!(rules::delete(tx, &home(), &"a/".parse().unwrap())?);
        assert!(!rules::delete(tx, &home(), &"a".parse().unwrap())?);
        Ok(())
    })
    .await;
}

fn deciding(tx: &mut dyn Tx, repository: &str) -> Result<Option<String>, StoreError> {
    Ok(rules::find_for(tx, &home().repository(&name(repository)))?.map(|found| found.prefix.to_string()))
}

async fn the_longest_prefix_decides(backend: &Backend) {
    in_transaction(backend, |tx| {
        for prefix in ["ab", "ab/cd/", "ab/cd/ef"] {
            assert!(rules::insert(tx, &rule(prefix))?);
        }
        assert_eq!(deciding(tx, "other")?, None);
        assert!(rules::insert(tx, &rule("ROOT"))?);
        for (repository, expected) in [
            ("ab/x", "ab"),
            ("ab/cd/x", "ab/cd/"),
            ("ab/cd/ef/x", "ab/cd/ef"),
            ("ab/cdx/y", "ab"),
            ("ab", "ROOT"),
            ("abc/x", "ROOT"),
        ] {
            assert_eq!(deciding(tx, repository)?.as_deref(), Some(expected), "{repository}");
        }
        Ok(())
    })
    .await;
}

async fn rules_are_listed_in_pages(backend: &Backend) {
    in_transaction(backend, |tx| {
        for prefix in ["bb", "aa/", "cc"] {
            assert!(rules::insert(tx, &rule(prefix))?);
        }
        let first = rules::list(tx, &home(), "", 2)?;
        assert_eq!(first.iter().map(|rule| rule.prefix.as_str()).collect::<Vec<_>>(), ["aa/", "bb"]);
        let rest = rules::list(tx, &home(), "bb", 2)?;
        assert_eq!(rest.iter().map(|rule| rule.prefix.as_str()).collect::<Vec<_>>(), ["cc"]);
        Ok(())
    })
    .await;
}
