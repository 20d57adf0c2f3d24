//! What guarded images before their repository was deleted guards them still: the policies and resource tags of deleted
//! repositories, asked before images of them are listed, restored or dropped for good.

use std::collections::BTreeMap;

use access::action::Action;
use access::auth::authorize::{self, Need, Refusal};
use api::protocols::operation::Call;
use store::error::{StoreError, StoreErrorKind};
use store::tables::deleted_repositories::{self, DeletedRepository};
use store::tables::repositories::RepositoryRef;

use super::errors::WharfError;

/// What it is to read an image.
pub const READ: [Action; 2] = [Action::EcrBatchGetImage, Action::EcrGetDownloadUrlForLayer];

/// What each deleted repository of one name refuses the caller, by the time of its deletion.
#[derive(Clone, Debug)]
pub struct Guards(BTreeMap<i64, Option<String>>);

impl Guards {
    /// Asks every deleted repository of the name whether it denies one of the actions.
    pub async fn ask(call: &Call<'_>, place: &RepositoryRef, actions: &[Action]) -> Result<Self, WharfError> {
        let asked = place.clone();
        let repositories: Vec<DeletedRepository> =
            call.app.db.read(move |tx| deleted_repositories::list(tx, &asked)).await?;
        Self::judge(call, place, actions, repositories).await
    }

    /// Asks each of these deleted repositories of the name whether it denies one of the actions.
    pub async fn judge(
        call: &Call<'_>,
        place: &RepositoryRef,
        actions: &[Action],
        repositories: Vec<DeletedRepository>,
    ) -> Result<Self, WharfError> {
        let mut refusals = BTreeMap::new();
        for repository in repositories {
            let mut refusal = None;
            for &action in actions {
                let need = Need::on_repository(action, &place.registry, place.name.as_str());
                match authorize::require_not_denied_by(call.http, &call.caller, &need, &repository).await {
                    Ok(()) => {}
                    Err(Refusal::Denied(text)) => {
                        refusal = Some(text);
                        break;
                    }
                    Err(Refusal::Store(error)) => return Err(error.into()),
                }
            }
            refusals.insert(repository.deleted_at_ms, refusal);
        }
        Ok(Self(refusals))
    }

    /// What the repository refuses that guarded what was deleted then: the one of the name that was deleted next.
    pub fn refusal_of(&self, deleted_at_ms: i64) -> Option<&str> {
        self.0.range(deleted_at_ms..).next().and_then(|(_, refusal)| refusal.as_deref())
    }

    /// In the transaction: whether the repositories that guarded what it acted on refuse it.
    pub fn require(&self, guards: impl IntoIterator<Item = i64>) -> Result<(), WharfError> {
        for guard in guards {
            match self.0.get(&guard) {
                Some(None) => {}
                Some(Some(refusal)) => return Err(WharfError::Denied(refusal.clone())),
                None => {
                    let text = "a repository was deleted while images of it were asked for";
                    return Err(StoreError::new(StoreErrorKind::Busy, text).into());
                }
            }
        }
        Ok(())
    }
}
