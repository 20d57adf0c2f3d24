//! CreateAlias, UpdateAlias, DeleteAlias and ListAliases.

use access::action::Action;
use access::auth::authorize::Need;
use access::kms::KmsError;
use access::kms::on_key;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use serde::{Deserialize, Serialize};
use store::tables::kms_aliases::{self, KmsAlias};
use store::tables::kms_keys::{self, KeyRef, alias_arn};
use store::tables::registry_id::RegistryId;

use super::constraints::{self, Check, Page};
use super::shapes::Nothing;

/// The input of CreateAlias and UpdateAlias.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AliasInput {
    alias_name: Option<String>,
    target_key_id: Option<String>,
}

/// The same, validated.
pub struct NewAlias {
    registry: RegistryId,
    name: String,
    target: KeyRef,
}

/// The name of an alias; the namespace `alias/aws/` is the server's.
fn alias_name(text: Option<String>) -> Result<String, KmsError> {
    let name = Check::required("aliasName", text)?;
    let is_name = (1..=256).contains(&name.len()) && constraints::is_name(&name);
    Check::pattern("aliasName", &name, constraints::NAME_PATTERN, is_name)?;
    match name.strip_prefix("alias/") {
        None => Err(KmsError::validation("Alias must start with the prefix \"alias/\".")),
        Some(rest) if rest.is_empty() || rest.contains(':') || rest.ends_with('/') => {
            Err(KmsError::validation(format!("{rest} contains invalid characters for an alias")))
        }
        Some(_) => Ok(name),
    }
}

/// Refuses the names of the server's own aliases.
fn not_reserved(name: &str) -> Result<(), KmsError> {
    if name.starts_with("alias/aws/") {
        return Err(KmsError::InvalidAliasName(format!("{name}: aliases that begin with alias/aws/ are reserved")));
    }
    Ok(())
}

impl AliasInput {
    fn check(self, call: &Call<'_>) -> Result<NewAlias, KmsError> {
        let name = alias_name(self.alias_name)?;
        let target = constraints::key_itself(call, "targetKeyId", self.target_key_id)?;
        let registry = call.own_registry();
        if target.registry != registry {
            return Err(KmsError::NotFound(target));
        }
        Ok(NewAlias { registry, name, target })
    }
}

impl NewAlias {
    /// A right on the alias and one on the key (KMS Developer Guide, "Controlling access to aliases").
    fn needs(&self, action: Action) -> Vec<Need> {
        vec![Need::on(action, alias_arn(&self.registry, &self.name)), on_key(action, &self.target)]
    }
}

/// CreateAlias.
pub struct CreateAlias;

impl Operation for CreateAlias {
    const NAME: &'static str = "CreateAlias";
    const ACTION: Action = Action::KmsCreateAlias;
    const READ_ONLY: bool = false;
    type Input = AliasInput;
    type Output = Nothing;
    type Checked = NewAlias;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: AliasInput) -> Result<NewAlias, KmsError> {
        let alias = input.check(call)?;
        not_reserved(&alias.name)?;
        Ok(alias)
    }

    fn needs(_: &Call<'_>, alias: &NewAlias) -> Vec<Need> {
        alias.needs(Self::ACTION)
    }

    async fn run(call: &Call<'_>, NewAlias { registry, name, target }: NewAlias) -> Result<Nothing, KmsError> {
        let now_ms = call.app.now_ms();
        let created = call.app.db.write(move |tx| {
            let key = constraints::require_live(tx, &target)?;
            if kms_aliases::insert(tx, &registry, &name, key.id, now_ms)? {
                Ok(Nothing {})
            } else {
                Err(KmsError::AliasExists(alias_arn(&registry, &name)))
            }
        });
        created.await
    }
}

/// UpdateAlias.
pub struct UpdateAlias;

impl Operation for UpdateAlias {
    const NAME: &'static str = "UpdateAlias";
    const ACTION: Action = Action::KmsUpdateAlias;
    const READ_ONLY: bool = false;
    type Input = AliasInput;
    type Output = Nothing;
    type Checked = NewAlias;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: AliasInput) -> Result<NewAlias, KmsError> {
        let alias = input.check(call)?;
        not_reserved(&alias.name).map_err(|error| KmsError::validation(error.to_string()))?;
        Ok(alias)
    }

    fn needs(_: &Call<'_>, alias: &NewAlias) -> Vec<Need> {
        alias.needs(Self::ACTION)
    }

    async fn run(call: &Call<'_>, NewAlias { registry, name, target }: NewAlias) -> Result<Nothing, KmsError> {
        let now_ms = call.app.now_ms();
        let updated = call.app.db.write(move |tx| {
            let key = constraints::require_live(tx, &target)?;
            if kms_aliases::update(tx, &registry, &name, key.id, now_ms)? {
                Ok(Nothing {})
            } else {
                Err(KmsError::NotFound(KeyRef { registry: registry.clone(), name: name.clone() }))
            }
        });
        updated.await
    }
}

/// DeleteAlias.
pub struct DeleteAlias;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteInput {
    alias_name: Option<String>,
}

impl Operation for DeleteAlias {
    const NAME: &'static str = "DeleteAlias";
    const ACTION: Action = Action::KmsDeleteAlias;
    const READ_ONLY: bool = false;
    type Input = DeleteInput;
    type Output = Nothing;
    type Checked = KeyRef;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: DeleteInput) -> Result<KeyRef, KmsError> {
        let name = alias_name(input.alias_name)?;
        not_reserved(&name).map_err(|error| KmsError::validation(error.to_string()))?;
        Ok(KeyRef { registry: call.own_registry(), name })
    }

    fn needs(_: &Call<'_>, alias: &KeyRef) -> Vec<Need> {
        vec![Need::on(Self::ACTION, alias.arn()), on_key(Self::ACTION, alias)]
    }

    async fn run(call: &Call<'_>, alias: KeyRef) -> Result<Nothing, KmsError> {
        let deleted = call.app.db.write(move |tx| {
            if kms_aliases::delete(tx, &alias.registry, &alias.name)? {
                Ok(Nothing {})
            } else {
                Err(KmsError::NotFound(alias.clone()))
            }
        });
        deleted.await
    }
}

/// ListAliases.
pub struct ListAliases;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListInput {
    key_id: Option<String>,
    limit: Option<i64>,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listed {
    aliases: Vec<AliasEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AliasEntry {
    alias_name: String,
    alias_arn: String,
    target_key_id: String,
    creation_date: Timestamp,
    last_updated_date: Timestamp,
}

impl From<KmsAlias> for AliasEntry {
    fn from(alias: KmsAlias) -> Self {
        Self {
            alias_arn: alias_arn(&alias.registry, &alias.name),
            alias_name: alias.name,
            target_key_id: alias.key_id.to_string(),
            creation_date: Timestamp::from_ms(alias.created_at_ms),
            last_updated_date: Timestamp::from_ms(alias.updated_at_ms),
        }
    }
}

impl Operation for ListAliases {
    const NAME: &'static str = "ListAliases";
    const ACTION: Action = Action::KmsListAliases;
    const READ_ONLY: bool = true;
    type Input = ListInput;
    type Output = Listed;
    type Checked = (Option<KeyRef>, Page);
    type Error = KmsError;

    fn check(call: &Call<'_>, input: ListInput) -> Result<Self::Checked, KmsError> {
        let key = input.key_id.map(|text| constraints::key_itself(call, "keyId", Some(text))).transpose()?;
        // The permission is for what is the caller's own; of another account's keys it tells nothing.
        if let Some(other) = key.as_ref().filter(|key| key.registry != call.own_registry()) {
            return Err(KmsError::NotFound(other.clone()));
        }
        Ok((key, constraints::page("aliases", input.limit, input.marker.as_deref(), 50)?))
    }

    fn needs(_: &Call<'_>, _: &Self::Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (key, page): Self::Checked) -> Result<Listed, KmsError> {
        let (registry, asked) = (call.own_registry(), page.clone());
        let read = call.app.db.read(move |tx| {
            let of_key = match &key {
                None => None,
                Some(key) => Some(kms_keys::find(tx, key)?.ok_or_else(|| KmsError::NotFound(key.clone()))?.id),
            };
            Ok::<_, KmsError>(kms_aliases::list(tx, &registry, of_key, &asked.after, asked.limit + 1)?)
        });
        let mut found = read.await?;
        let next_marker = page.cut(&mut found, |alias| alias.name.clone());
        let aliases = found.into_iter().map(AliasEntry::from).collect();
        Ok(Listed { aliases, truncated: next_marker.is_some(), next_marker })
    }
}
