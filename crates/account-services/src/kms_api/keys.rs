//! CreateKey, DescribeKey, ListKeys, EnableKey, DisableKey and UpdateKeyDescription.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::key_conditions::condition_keys;
use access::kms::material::new_material;
use access::kms::on_key;
use access::kms::{KmsError, default_policy};
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::kms_keys::{self, KeyManager, KeyRef, KmsKey};

use super::constraints::{self, Check, KmsTag, Page};
use super::policies;
use super::shapes::{KeyMember, KeyMetadata, Nothing, not_aws_managed};

/// The output of the operations that show a key.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Described {
    key_metadata: KeyMetadata,
}

/// CreateKey.
pub struct CreateKey;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateInput {
    policy: Option<String>,
    description: Option<String>,
    key_usage: Option<String>,
    customer_master_key_spec: Option<String>,
    key_spec: Option<String>,
    origin: Option<String>,
    custom_key_store_id: Option<String>,
    bypass_policy_lockout_safety_check: Option<bool>,
    tags: Option<Vec<KmsTag>>,
    multi_region: Option<bool>,
    xks_key_id: Option<String>,
}

/// The input of CreateKey, validated.
pub struct NewKey {
    key: KmsKey,
    sealed: Vec<u8>,
    bypasses_lockout_check: bool,
}

impl Operation for CreateKey {
    const NAME: &'static str = "CreateKey";
    const ACTION: Action = Action::KmsCreateKey;
    const READ_ONLY: bool = false;
    type Input = CreateInput;
    type Output = Described;
    type Checked = NewKey;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: CreateInput) -> Result<NewKey, KmsError> {
        let is_symmetric = |spec: &Option<String>| spec.as_deref().is_none_or(|spec| spec == "SYMMETRIC_DEFAULT");
        if !is_symmetric(&input.customer_master_key_spec) || !is_symmetric(&input.key_spec) {
            return Err(KmsError::Unsupported(
                "This server has symmetric keys alone: KeySpec must be SYMMETRIC_DEFAULT.",
            ));
        }
        if input.key_usage.is_some_and(|usage| usage != "ENCRYPT_DECRYPT") {
            return Err(KmsError::Unsupported(
                "This server's keys encrypt and decrypt: KeyUsage must be ENCRYPT_DECRYPT.",
            ));
        }
        let is_external = input.origin.is_some_and(|origin| origin != "AWS_KMS");
        if is_external || input.custom_key_store_id.is_some() || input.xks_key_id.is_some() {
            return Err(KmsError::Unsupported("This server makes the material of its keys: Origin must be AWS_KMS."));
        }
        if input.multi_region.unwrap_or(false) {
            return Err(KmsError::Unsupported("This server's keys are in one region: leave MultiRegion out."));
        }
        let description = input.description.unwrap_or_default();
        Check::length("description", &description, 0, 8192)?;
        let registry = call.own_registry();
        let policy = match input.policy {
            Some(policy) => {
                policies::check(call, &policy)?;
                policy
            }
            None => default_policy(&registry),
        };
        let key_id = runtime::random::uuid();
        let key = KmsKey {
            id: 0,
            key_id,
            registry,
            manager: KeyManager::Customer,
            description,
            policy,
            tags: constraints::tags(input.tags)?,
            is_enabled: true,
            created_at_ms: call.app.now_ms(),
            delete_at_ms: None,
            deletion_window_days: None,
            rotation_days: None,
            next_rotation_at_ms: None,
            current_version: 1,
        };
        let bypasses_lockout_check = input.bypass_policy_lockout_safety_check.unwrap_or(false);
        Ok(NewKey { sealed: new_material(call.app, key_id, 1), key, bypasses_lockout_check })
    }

    fn needs(_: &Call<'_>, NewKey { key, bypasses_lockout_check, .. }: &NewKey) -> Vec<Need> {
        let need = |action| {
            let need = Need::anywhere(action)
                .with("kms:BypassPolicyLockoutSafetyCheck", [bypasses_lockout_check.to_string()])
                .with_request_tags(&key.tags);
            condition_keys().into_iter().fold(need, |need, (name, values)| need.with(name, values))
        };
        let tagging = (!key.tags.is_empty()).then(|| need(Action::KmsTagResource));
        std::iter::once(need(Self::ACTION)).chain(tagging).collect()
    }

    async fn run(
        call: &Call<'_>,
        NewKey { key, sealed, bypasses_lockout_check }: NewKey,
    ) -> Result<Described, KmsError> {
        if !bypasses_lockout_check {
            policies::refuse_lockout(call, &key, &key.policy).await?;
        }
        let created = key.clone();
        call.app.db.write(move |tx| kms_keys::insert(tx, &created, &sealed)).await?;
        Ok(Described { key_metadata: KeyMetadata::new(&key) })
    }
}

/// DescribeKey.
pub struct DescribeKey;

impl Operation for DescribeKey {
    const NAME: &'static str = "DescribeKey";
    const ACTION: Action = Action::KmsDescribeKey;
    const READ_ONLY: bool = true;
    type Input = KeyMember;
    type Output = Described;
    type Checked = KeyRef;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: KeyMember) -> Result<KeyRef, KmsError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, key: &KeyRef) -> Vec<Need> {
        vec![on_key(Self::ACTION, key)]
    }

    async fn run(call: &Call<'_>, key: KeyRef) -> Result<Described, KmsError> {
        let key = access::kms::aws_managed::require(call.app, &key).await?;
        Ok(Described { key_metadata: KeyMetadata::new(&key) })
    }
}

/// ListKeys.
pub struct ListKeys;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListInput {
    limit: Option<i64>,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listed {
    keys: Vec<KeyEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyEntry {
    key_id: String,
    key_arn: String,
}

impl Operation for ListKeys {
    const NAME: &'static str = "ListKeys";
    const ACTION: Action = Action::KmsListKeys;
    const READ_ONLY: bool = true;
    type Input = ListInput;
    type Output = Listed;
    type Checked = Page;
    type Error = KmsError;

    fn check(_: &Call<'_>, input: ListInput) -> Result<Page, KmsError> {
        constraints::page("keys", input.limit, input.marker.as_deref(), 100)
    }

    fn needs(_: &Call<'_>, _: &Page) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, page: Page) -> Result<Listed, KmsError> {
        let (registry, asked) = (call.own_registry(), page.clone());
        let read = call.app.db.read(move |tx| kms_keys::list(tx, &registry, &asked.after, asked.limit + 1));
        let mut found = read.await?;
        let next_marker = page.cut(&mut found, |key| key.key_id.to_string());
        let keys = found
            .iter()
            .map(|key| KeyEntry { key_id: key.key_id.to_string(), key_arn: key.arn().to_string() })
            .collect();
        Ok(Listed { keys, truncated: next_marker.is_some(), next_marker })
    }
}

/// Changes a key that is not about to be deleted, and has every node forget what it knows of it.
pub async fn change(
    call: &Call<'_>,
    key: KeyRef,
    change: impl Fn(&mut KmsKey) -> Result<(), KmsError> + Send + 'static,
) -> Result<KmsKey, KmsError> {
    let changed = call.app.db.write(move |tx| {
        let mut found = not_aws_managed(constraints::require_live(tx, &key)?)?;
        change(&mut found)?;
        kms_keys::update(tx, &found)?;
        store::tables::key_version::increment(tx)?;
        Ok::<_, KmsError>(found)
    });
    let changed = changed.await?;
    call.app.publish_changes().await?;
    Ok(changed)
}

/// EnableKey and DisableKey: says whether a key can be used.
pub struct SwitchKey<const IS_ENABLED: bool>;

/// EnableKey.
pub type EnableKey = SwitchKey<true>;
/// DisableKey.
pub type DisableKey = SwitchKey<false>;

impl<const IS_ENABLED: bool> Operation for SwitchKey<IS_ENABLED> {
    const NAME: &'static str = Self::ACTION.name();
    const ACTION: Action = if IS_ENABLED { Action::KmsEnableKey } else { Action::KmsDisableKey };
    const READ_ONLY: bool = false;
    type Input = KeyMember;
    type Output = Nothing;
    type Checked = KeyRef;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: KeyMember) -> Result<KeyRef, KmsError> {
        input.check_itself(call)
    }

    fn needs(_: &Call<'_>, key: &KeyRef) -> Vec<Need> {
        vec![on_key(Self::ACTION, key)]
    }

    async fn run(call: &Call<'_>, key: KeyRef) -> Result<Nothing, KmsError> {
        change(call, key, |key| {
            key.is_enabled = IS_ENABLED;
            Ok(())
        })
        .await?;
        Ok(Nothing {})
    }
}

/// UpdateKeyDescription.
pub struct UpdateKeyDescription;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescriptionInput {
    key_id: Option<String>,
    description: Option<String>,
}

impl Operation for UpdateKeyDescription {
    const NAME: &'static str = "UpdateKeyDescription";
    const ACTION: Action = Action::KmsUpdateKeyDescription;
    const READ_ONLY: bool = false;
    type Input = DescriptionInput;
    type Output = Nothing;
    type Checked = (KeyRef, String);
    type Error = KmsError;

    fn check(call: &Call<'_>, input: DescriptionInput) -> Result<Self::Checked, KmsError> {
        let key = constraints::key_itself(call, "keyId", input.key_id)?;
        let description = Check::required("description", input.description)?;
        Check::length("description", &description, 0, 8192)?;
        Ok((key, description))
    }

    fn needs(_: &Call<'_>, (key, _): &Self::Checked) -> Vec<Need> {
        vec![on_key(Self::ACTION, key)]
    }

    async fn run(call: &Call<'_>, (key, description): Self::Checked) -> Result<Nothing, KmsError> {
        change(call, key, move |key| {
            key.description.clone_from(&description);
            Ok(())
        })
        .await?;
        Ok(Nothing {})
    }
}
