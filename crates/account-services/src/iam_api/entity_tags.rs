//! The tags of users and roles.

use std::marker::PhantomData;

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
    const TAG: &'static str;
    const UNTAG: &'static str;
    const LIST_TAGS: &'static str;
}

impl TagActions for User {
    const TAG: &'static str = "iam:TagUser";
    const UNTAG: &'static str = "iam:UntagUser";
    const LIST_TAGS: &'static str = "iam:ListUserTags";
}

impl TagActions for Role {
    const TAG: &'static str = "iam:TagRole";
    const UNTAG: &'static str = "iam:UntagRole";
    const LIST_TAGS: &'static str = "iam:ListRoleTags";
}

/// A user or role as something with tags.
pub struct TaggedEntity<K> {
    entity: EntityRef,
    kind: PhantomData<K>,
}

impl<K: TagActions> Tagged for TaggedEntity<K> {
    const TAG: &'static str = K::TAG;
    const UNTAG: &'static str = K::UNTAG;
    const LIST_TAGS: &'static str = K::LIST_TAGS;
    type Name = EntityName;

    fn check(call: &Call<'_>, name: EntityName) -> Result<Self, IamError> {
        Ok(Self { entity: name.check::<K>(call)?, kind: PhantomData })
    }

    fn need(&self, call: &Call<'_>, action: &'static str) -> Need {
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
