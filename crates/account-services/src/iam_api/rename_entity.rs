//! UpdateUser and UpdateGroup: another name, another path.

use std::marker::PhantomData;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::Deserialize;
use store::db::Tx;
use store::tables::iam::entities::{self, EntityKind};

use super::constraints;
use super::errors::IamError;
use super::kinds::{EntityName, EntityRef, Renamed};
use super::operation::{Access, IamOperation};
use super::references;

/// Gives a user or group another name or path; policies that name a user by its ARN follow it.
pub struct RenameEntity<K> {
    entity: EntityRef,
    new_name: Option<String>,
    new_path: Option<String>,
    kind: PhantomData<K>,
}

/// What is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    #[serde(flatten)]
    entity: EntityName,
    new_path: Option<String>,
    new_user_name: Option<String>,
    new_group_name: Option<String>,
}

impl<K: Renamed> IamOperation for RenameEntity<K> {
    const ACTION: Action = K::UPDATE;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let (member, new_name) = match K::KIND {
            EntityKind::User => ("newUserName", input.new_user_name),
            EntityKind::Group | EntityKind::Role => ("newGroupName", input.new_group_name),
        };
        let new_name = new_name.map(|name| constraints::name(member, Some(name), K::MAX_NAME)).transpose()?;
        let new_path = input.new_path.map(|path| constraints::path("newPath", Some(path))).transpose()?;
        Ok(Self { entity: input.entity.check::<K>(call)?, new_name, new_path, kind: PhantomData })
    }

    /// A permission on the entity as it is, and on what it would be.
    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        let now = self.entity.need(call, Self::ACTION);
        let EntityRef { account, kind, name } = &self.entity;
        let directory = call.app.identities.current();
        let old_path = directory.entity_arn(*account, *kind, name).and_then(|arn| {
            let resource = arn.splitn(6, ':').nth(5)?.strip_prefix(kind.as_str())?;
            Some(resource[..=resource.rfind('/')?].to_owned())
        });
        let path = self.new_path.clone().or(old_path).unwrap_or_else(|| "/".to_owned());
        let new_name = self.new_name.as_ref().unwrap_or(name);
        let new_arn = format!("arn:aws:iam::{account}:{}{path}{new_name}", kind.as_str());
        let mut after = now.clone();
        after.resource = access::auth::authorize::Resource::Own(new_arn);
        vec![now, after]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let mut entity = self.entity.require(tx)?;
        let old_arn = entity.arn();
        if let Some(name) = &self.new_name {
            entity.name.clone_from(name);
        }
        if let Some(path) = &self.new_path {
            entity.path.clone_from(path);
        }
        if !entities::update(tx, &entity)? {
            return Err(IamError::EntityExists(entity.kind, entity.name));
        }
        if entity.kind == EntityKind::User && entity.arn() != old_arn {
            references::release(tx, &entity)?;
            references::follow(tx, &old_arn, &entity.arn())?;
        }
        Ok(())
    }
}
