//! The tags of users and roles.

use std::marker::PhantomData;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use store::db::Tx;
use store::tables::iam::entities;

use super::errors::IamError;
use super::kinds::{Bounded, EntityName, EntityRef, Role, User};
use super::tags::Tagged;

/// The actions on the tags of one kind.
pub trait TagActions: Bounded {
    /// The action that sets tags, and so on.
    const TAG: Action;
    const UNTAG: Action;
    const LIST_TAGS: Action;
}

impl TagActions for User {
    const TAG: Action = Action::IamTagUser;
    const UNTAG: Action = Action::IamUntagUser;
    const LIST_TAGS: Action = Action::IamListUserTags;
}

impl TagActions for Role {
    const TAG: Action = Action::IamTagRole;
    const UNTAG: Action = Action::IamUntagRole;
    const LIST_TAGS: Action = Action::IamListRoleTags;
}

/// A user or role as something with tags.
pub struct TaggedEntity<K> {
    entity: EntityRef,
    kind: PhantomData<K>,
}

impl<K: TagActions> Tagged for TaggedEntity<K> {
    const TAG: Action = K::TAG;
    const UNTAG: Action = K::UNTAG;
    const LIST_TAGS: Action = K::LIST_TAGS;
    type Name = EntityName;

    fn check(call: &Call<'_>, name: EntityName) -> Result<Self, IamError> {
        Ok(Self { entity: name.check::<K>(call)?, kind: PhantomData })
    }

    fn need(&self, call: &Call<'_>, action: Action) -> Need {
        self.entity.need(call, action)
    }

    fn tags(&self, tx: &mut dyn Tx) -> Result<Vec<(String, String)>, IamError> {
        Ok(self.entity.require(tx)?.tags)
    }

    fn set_tags(&self, tx: &mut dyn Tx, tags: Vec<(String, String)>) -> Result<(), IamError> {
        let mut entity = self.entity.require(tx)?;
        entity.tags = tags;
        entities::update(tx, &entity)?;
        Ok(())
    }
}
