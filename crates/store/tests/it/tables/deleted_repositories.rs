//! What guarded deleted repositories: each guards what was deleted from it, for as long as that is there.

use store::tables::deleted_images::{self, DeletionNote};
use store::tables::deleted_repositories::{self, DeletedRepository};
use store::tables::repositories::{self, NewRepository, TagMutability};
use store::tables::{image_tags, images, repository_policies, resource_tags};

use super::fixtures::{
    add_image, add_repository, add_tag, delete_image, delete_repository, digest, home, in_transaction, name,
    new_repository, registry, tag,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(each_guards_what_was_deleted_from_it, origins_are_forgotten);

fn note(at_ms: i64) -> DeletionNote {
    DeletionNote { by: "somebody".to_owned(), reason: "test".to_owned(), at_ms, expires_at_ms: 1_000_000 }
}

async fn each_guards_what_was_deleted_from_it(backend: &Backend) {
    in_transaction(backend, |tx| {
        let empty = add_repository(tx, "empty")?;
        deleted_repositories::keep(tx, &empty, 100)?;
        assert_eq!(deleted_repositories::list(tx, &home().repository(&name("empty")))?, [], "it guards nothing");

        let first = NewRepository {
            tag_mutability: TagMutability::ImmutableWithExclusion,
            tag_mutability_filters: vec!["dev-*".parse().expect("a filter")],
            scan_on_push: true,
            ..new_repository("app")
        };
        let first = repositories::insert(tx, &first)?.expect("a new name");
        repository_policies::set(tx, first.id, Some("a policy"))?;
        repositories::set_restore_window_days(tx, first.id, Some(30))?;
        resource_tags::upsert(tx, first.id, "class", "secret")?;
        let image = add_image(tx, first.id, 1)?;
        deleted_images::keep(tx, image, &note(200))?;
        delete_image(tx, first.id, image, 200)?;
        // By a clock that lags.
        deleted_repositories::keep(tx, &first, 150)?;
        resource_tags::delete(tx, first.id, "class")?;
        delete_repository(tx, first.id, 200)?;
        let second = add_repository(tx, "app")?;
        let image = add_image(tx, second.id, 2)?;
        deleted_images::keep(tx, image, &note(300))?;
        delete_image(tx, second.id, image, 300)?;
        deleted_repositories::keep(tx, &second, 400)?;
        delete_repository(tx, second.id, 400)?;

        let guard = |deleted_at_ms| DeletedRepository {
            deleted_at_ms,
            tag_mutability: TagMutability::Mutable,
            tag_mutability_filters: Vec::new(),
            scan_on_push: false,
            restore_window_days: None,
            policy: None,
            resource_tags: Vec::new(),
        };
        let of_first = DeletedRepository {
            tag_mutability: TagMutability::ImmutableWithExclusion,
            tag_mutability_filters: vec!["dev-*".parse().expect("a filter")],
            scan_on_push: true,
            restore_window_days: Some(30),
            policy: Some("a policy".to_owned()),
            resource_tags: vec![("class".to_owned(), "secret".to_owned())],
            ..guard(200)
        };
        for (deleted_at_ms, expected) in
            [(100, Some(&of_first)), (200, Some(&of_first)), (201, Some(&guard(400))), (401, None)]
        {
            let found = deleted_repositories::find(tx, &home().repository(&name("app")), deleted_at_ms)?;
            assert_eq!(found.as_ref(), expected, "{deleted_at_ms}");
        }
        assert_eq!(deleted_repositories::list(tx, &home().repository(&name("app")))?, [of_first, guard(400)]);
        let elsewhere = registry("123456789012", "eu-west-1");
        assert_eq!(deleted_repositories::list(tx, &elsewhere.repository(&name("app")))?, []);

        let mut policies = deleted_repositories::list_policies(tx)?;
        assert_eq!(policies.len(), 1);
        "another".clone_into(&mut policies[0].policy);
        deleted_repositories::set_policy(tx, &policies[0])?;
        let found = deleted_repositories::find(tx, &home().repository(&name("app")), 200)?.expect("there");
        assert_eq!(found.policy.as_deref(), Some("another"));

        assert_eq!(deleted_repositories::collect(tx)?, 0);
        let image = deleted_images::find_newest(tx, &home().repository(&name("app")), &digest(1), 0)?.expect("kept");
        deleted_images::drop_one(tx, image.id)?;
        assert_eq!(deleted_repositories::collect(tx)?, 1);
        assert_eq!(deleted_repositories::list(tx, &home().repository(&name("app")))?, [guard(400)]);
        Ok(())
    })
    .await;
}

async fn origins_are_forgotten(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let image = add_image(tx, repository.id, 1)?;
        add_tag(tx, repository.id, "v1", image)?;
        assert_eq!(images::replicated_from(tx, image)?, None);
        images::set_replicated_from(tx, image, "there")?;
        image_tags::set_replicated_from(tx, repository.id, &tag("v1"), "there")?;
        images::forget_replicated_from(tx, image, Some("there"))?;
        image_tags::forget_replicated_from(tx, repository.id, &tag("v1"), Some("there"))?;
        assert_eq!(images::replicated_from(tx, image)?.as_deref(), Some("there"));
        assert_eq!(image_tags::replicated_from(tx, repository.id, "v1")?.as_deref(), Some("there"));
        images::forget_replicated_from(tx, image, Some("elsewhere"))?;
        image_tags::forget_replicated_from(tx, repository.id, &tag("v1"), None)?;
        assert_eq!(images::replicated_from(tx, image)?, None);
        assert_eq!(image_tags::replicated_from(tx, repository.id, "v1")?, None);
        // A tag that moves is nobody's who brought it before.
        image_tags::set_replicated_from(tx, repository.id, &tag("v1"), "there")?;
        image_tags::move_to(tx, repository.id, &tag("v1"), image, 2_000)?;
        assert_eq!(image_tags::replicated_from(tx, repository.id, "v1")?, None);
        Ok(())
    })
    .await;
}
