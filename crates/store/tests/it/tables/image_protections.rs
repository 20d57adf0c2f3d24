//! What is protected from deletion.

use store::tables::image_protections::{self, After, Protection, ProtectionTarget};
use store::tables::repositories;

use super::fixtures::{add_repository, digest, home, in_transaction, name};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(targets_are_kept_apart, lists_have_pages, they_go_with_their_repository);

fn targets() -> Vec<ProtectionTarget> {
    // In the order in which they are stored.
    vec![
        ProtectionTarget::Digest(digest(1)),
        ProtectionTarget::Repository,
        ProtectionTarget::Tags("release-*".parse().unwrap()),
        ProtectionTarget::Tags("v1".parse().unwrap()),
    ]
}

async fn targets_are_kept_apart(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        for target in targets() {
            assert!(image_protections::insert(tx, repository.id, &target, 1, "first")?);
            assert!(!image_protections::insert(tx, repository.id, &target, 2, "second")?);
        }
        assert_eq!(image_protections::targets(tx, repository.id)?, targets());
        for (at, target) in targets().iter().enumerate() {
            assert!(image_protections::delete(tx, repository.id, target)?);
            assert!(!image_protections::delete(tx, repository.id, target)?);
            assert_eq!(image_protections::targets(tx, repository.id)?, targets()[at + 1..]);
        }
        Ok(())
    })
    .await;
}

async fn lists_have_pages(backend: &Backend) {
    in_transaction(backend, |tx| {
        let mut expected = Vec::new();
        for place in ["app", "app-2", "bb"] {
            let repository = add_repository(tx, place)?;
            for target in targets() {
                image_protections::insert(tx, repository.id, &target, 1, "somebody")?;
                let created_by = "somebody".to_owned();
                expected.push(Protection { repository: name(place), target, created_at_ms: 1, created_by });
            }
        }
        for limit in [1, 3, 4, 20] {
            let (mut after, mut seen) = (After::default(), Vec::new());
            loop {
                let page = image_protections::list(tx, &home(), None, &after, limit)?;
                let Some(last) = page.last() else { break };
                after = After::from(last);
                seen.extend(page);
            }
            assert_eq!(seen, expected, "{limit} at a time");
        }
        let of_one = image_protections::list(tx, &home(), Some(&name("app")), &After::default(), 20)?;
        assert_eq!(of_one, expected[..4]);
        Ok(())
    })
    .await;
}

async fn they_go_with_their_repository(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        image_protections::insert(tx, repository.id, &ProtectionTarget::Repository, 1, "somebody")?;
        repositories::set_restore_window_days(tx, repository.id, Some(3))?;
        assert_eq!(repositories::restore_window_days(tx, repository.id)?, Some(3));
        repositories::delete(tx, repository.id)?;
        let again = add_repository(tx, "app")?;
        assert_eq!(image_protections::targets(tx, again.id)?, []);
        assert_eq!(repositories::restore_window_days(tx, again.id)?, None);
        Ok(())
    })
    .await;
}
