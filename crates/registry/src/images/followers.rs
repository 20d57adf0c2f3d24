//! Followers of what changes in a registry, and of pulls: the parts that something else follows from. The registry tells
//! them, and knows none of them: who follows is said where the server is put together.

use std::fmt::Debug;
use std::sync::Arc;

use oci::RepositoryName;
use store::db::Tx;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::Repository;

use super::changes::{Cause, Change, ChangedImage};

/// A pull of a manifest.
#[derive(Clone, Copy, Debug)]
pub struct Pull<'a> {
    /// The registry.
    pub registry: &'a RegistryId,
    /// The repository.
    pub repository: &'a RepositoryName,
    /// The image.
    pub image: ChangedImage<'a>,
    /// The tag that it was asked for by.
    pub tag: Option<&'a str>,
    /// Who pulled it, by its ARN.
    pub actor: &'a str,
    /// When.
    pub at_ms: i64,
}

/// A part that does something when a repository or an image changes.
pub trait Follower: Debug + Send + Sync {
    /// Notes what follows from a change, in the change's own transaction: if this fails, the change does.
    fn follow(
        &self,
        tx: &mut dyn Tx,
        cause: &Cause,
        repository: &Repository,
        change: &Change<'_>,
    ) -> Result<(), StoreError>;

    /// Whether it follows the deletion of every image that goes with its repository, besides the repository's own. Who
    /// keeps nothing beside the rows of the repository need not.
    fn wants_images_of_deleted(
        &self,
        _tx: &mut dyn Tx,
        _repository: &Repository,
        _at_ms: i64,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Whether it wants to know of pulls. It is asked once.
    fn wants_pulls(&self) -> bool {
        false
    }

    /// Notes a pull. Must not wait: pulls do not.
    fn pulled(&self, _pull: &Pull<'_>) {}
}

/// All who follow.
#[derive(Debug, Default)]
pub struct Followers {
    all: Vec<Arc<dyn Follower>>,
    of_pulls: Vec<Arc<dyn Follower>>,
}

impl Followers {
    /// These, who are told in this order.
    pub fn new(all: Vec<Arc<dyn Follower>>) -> Self {
        let of_pulls = all.iter().filter(|follower| follower.wants_pulls()).cloned().collect();
        Self { all, of_pulls }
    }

    /// Tells every follower of a change.
    pub fn follow(
        &self,
        tx: &mut dyn Tx,
        cause: &Cause,
        repository: &Repository,
        change: &Change<'_>,
    ) -> Result<(), StoreError> {
        self.all.iter().try_for_each(|follower| follower.follow(tx, cause, repository, change))
    }

    /// Those who follow the deletion of every image that goes with its repository.
    pub fn of_images_of_deleted(
        &self,
        tx: &mut dyn Tx,
        repository: &Repository,
        at_ms: i64,
    ) -> Result<Vec<&dyn Follower>, StoreError> {
        let mut wanting = Vec::new();
        for follower in &self.all {
            if follower.wants_images_of_deleted(tx, repository, at_ms)? {
                wanting.push(&**follower);
            }
        }
        Ok(wanting)
    }

    /// Those who want to know of pulls.
    pub fn of_pulls(&self) -> &[Arc<dyn Follower>] {
        &self.of_pulls
    }
}

#[cfg(test)]
mod tests {
    use access::web_identity::SourceConfig;
    use store::error::StoreErrorKind;
    use store::tables::jobs::{self, NewJob};
    use store::tables::repositories::{EncryptionType, NewRepository, TagMutability};

    use super::*;
    use crate::images::changes::{self, Actor};
    use crate::testing::{START_MS, TestRegistry};

    /// Stores a job for each change, or fails.
    #[derive(Debug)]
    struct Noting {
        name: &'static str,
        fails: bool,
        wants_pulls: bool,
    }

    impl Follower for Noting {
        fn follow(&self, tx: &mut dyn Tx, _: &Cause, _: &Repository, _: &Change<'_>) -> Result<(), StoreError> {
            if self.fails {
                return Err(StoreError::new(StoreErrorKind::Other, self.name));
            }
            let job = NewJob { kind: "test", key: self.name, payload: "{}", account: None, due_at_ms: 0 };
            jobs::enqueue(tx, &job, START_MS)
        }

        fn wants_pulls(&self) -> bool {
            self.wants_pulls
        }
    }

    fn follower(name: &'static str) -> Noting {
        Noting { name, fails: false, wants_pulls: false }
    }

    fn following(all: Vec<Noting>) -> Followers {
        Followers::new(all.into_iter().map(|one| Arc::new(one) as Arc<dyn Follower>).collect())
    }

    /// Makes a change that these follow; gives what they have stored.
    async fn change(app: &TestRegistry, followers: Followers) -> Result<Vec<String>, String> {
        let cause = Cause { actor: Actor::Service, at_ms: START_MS, followers: Arc::new(followers) };
        let spec = NewRepository {
            registry: app.registry(),
            name: "my-app".parse().expect("a name"),
            created_at_ms: START_MS,
            tag_mutability: TagMutability::Mutable,
            tag_mutability_filters: Vec::new(),
            scan_on_push: false,
            encryption_type: EncryptionType::Aes256,
            kms_key: None,
        };
        let repository = Repository { id: 1, spec };
        let db = &app.app.db;
        db.write(move |tx| changes::note(tx, &cause, &repository, &Change::RepositoryCreated))
            .await
            .map_err(|error: StoreError| error.to_string())?;
        Ok(stored(app).await)
    }

    async fn stored(app: &TestRegistry) -> Vec<String> {
        let jobs = app.app.db.read(|tx| jobs::list(tx, 0, 10)).await.expect("readable");
        jobs.into_iter().map(|job| job.key).collect()
    }

    #[tokio::test]
    async fn each_follows_in_turn() {
        let app = TestRegistry::new(SourceConfig::default()).await;
        let stored = change(&app, following(vec![follower("one"), follower("another")])).await;
        assert_eq!(stored.expect("stored"), ["one", "another"]);
    }

    #[tokio::test]
    async fn what_one_cannot_follow_does_not_happen() {
        let app = TestRegistry::new(SourceConfig::default()).await;
        let failing = Noting { fails: true, ..follower("the second is out of order") };
        let stored_before = change(&app, following(vec![follower("one"), failing])).await;
        assert!(stored_before.expect_err("one has failed").contains("the second is out of order"));
        assert!(stored(&app).await.is_empty(), "what the first has noted went with it");
    }

    #[test]
    fn pulls_are_told_to_those_who_ask() {
        let asking = Noting { wants_pulls: true, ..follower("asks") };
        let followers = following(vec![follower("does not"), asking]);
        let told: Vec<String> = followers.of_pulls().iter().map(|follower| format!("{follower:?}")).collect();
        assert!(told.len() == 1 && told[0].contains("asks"), "{told:?}");
    }
}
