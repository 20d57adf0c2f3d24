//! GetKeyPolicy, PutKeyPolicy and ListKeyPolicies: who may do what with a key.

use access::action::Action;
use access::auth::authorize::{self, Need};
use access::auth::principals::unknown_principal;
use access::kms::KmsError;
use access::kms::on_key;
use api::protocols::operation::{Call, Operation};
use iam::{Policy, PolicyKind};
use serde::{Deserialize, Serialize};
use store::tables::kms_keys::{self, KeyRef, KmsKey};

use super::constraints::{self, Check};
use super::shapes::{Nothing, not_aws_managed};

/// The only policy that a key has.
const NAME: &str = "default";
/// Most bytes of a policy (KMS quotas: 32 KB).
const MAX_BYTES: usize = 32_768;
const LOCKOUT: &str = "The new key policy will not allow you to update the key policy in the future.";

/// Reads a policy that a request gives.
pub fn check(call: &Call<'_>, text: &str) -> Result<Policy, KmsError> {
    let malformed = |why: String| KmsError::MalformedPolicy(format!("The new key policy is malformed: {why}"));
    if text.len() > MAX_BYTES {
        return Err(malformed(format!("it may have {MAX_BYTES} bytes at most")));
    }
    let app = call.app;
    let policy = Policy::parse(PolicyKind::Key, text).map_err(|error| malformed(error.to_string()))?;
    match unknown_principal(&app.identities.current(), &app.accounts, &policy) {
        None => Ok(policy),
        Some(principal) => Err(malformed(format!("there is no principal {principal}"))),
    }
}

/// Refuses a policy by which the caller could not change it again.
pub async fn refuse_lockout(call: &Call<'_>, key: &KmsKey, text: &str) -> Result<(), KmsError> {
    let policy = check(call, text)?;
    let key = KeyRef { registry: key.registry.clone(), name: key.key_id.to_string() };
    let need = on_key(Action::KmsPutKeyPolicy, &key);
    if authorize::would_allow(call.http, &call.caller, &need, policy).await? {
        return Ok(());
    }
    Err(KmsError::MalformedPolicy(LOCKOUT.to_owned()))
}

fn only_default(name: Option<String>) -> Result<(), KmsError> {
    match name {
        None => Ok(()),
        Some(name) if name == NAME => Ok(()),
        Some(name) => Err(KmsError::PolicyNotFound(name)),
    }
}

/// GetKeyPolicy.
pub struct GetKeyPolicy;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetInput {
    key_id: Option<String>,
    policy_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Found {
    policy: String,
    policy_name: &'static str,
}

impl Operation for GetKeyPolicy {
    const NAME: &'static str = "GetKeyPolicy";
    const ACTION: Action = Action::KmsGetKeyPolicy;
    const READ_ONLY: bool = true;
    type Input = GetInput;
    type Output = Found;
    type Checked = KeyRef;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: GetInput) -> Result<KeyRef, KmsError> {
        let key = constraints::key_itself(call, "keyId", input.key_id)?;
        only_default(input.policy_name)?;
        Ok(key)
    }

    fn needs(_: &Call<'_>, key: &KeyRef) -> Vec<Need> {
        vec![on_key(Self::ACTION, key)]
    }

    async fn run(call: &Call<'_>, key: KeyRef) -> Result<Found, KmsError> {
        let found = call.app.db.read_point(move |tx| constraints::require(tx, &key)).await?;
        Ok(Found { policy: found.policy, policy_name: NAME })
    }
}

/// PutKeyPolicy.
pub struct PutKeyPolicy;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutInput {
    key_id: Option<String>,
    policy_name: Option<String>,
    policy: Option<String>,
    bypass_policy_lockout_safety_check: Option<bool>,
}

/// The input of PutKeyPolicy, validated.
pub struct NewPolicy {
    key: KeyRef,
    policy: String,
    bypasses_lockout_check: bool,
}

impl Operation for PutKeyPolicy {
    const NAME: &'static str = "PutKeyPolicy";
    const ACTION: Action = Action::KmsPutKeyPolicy;
    const READ_ONLY: bool = false;
    type Input = PutInput;
    type Output = Nothing;
    type Checked = NewPolicy;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: PutInput) -> Result<NewPolicy, KmsError> {
        let key = constraints::key_itself(call, "keyId", input.key_id)?;
        only_default(input.policy_name)?;
        let policy = Check::required("policy", input.policy)?;
        check(call, &policy)?;
        let bypasses_lockout_check = input.bypass_policy_lockout_safety_check.unwrap_or(false);
        Ok(NewPolicy { key, policy, bypasses_lockout_check })
    }

    fn needs(_: &Call<'_>, NewPolicy { key, bypasses_lockout_check, .. }: &NewPolicy) -> Vec<Need> {
        let bypass = bypasses_lockout_check.to_string();
        vec![on_key(Self::ACTION, key).with("kms:BypassPolicyLockoutSafetyCheck", [bypass])]
    }

    async fn run(
        call: &Call<'_>,
        NewPolicy { key, policy, bypasses_lockout_check }: NewPolicy,
    ) -> Result<Nothing, KmsError> {
        let named = key.clone();
        let found = call.app.db.read_point(move |tx| constraints::require(tx, &named)).await?;
        if !bypasses_lockout_check {
            refuse_lockout(call, &found, &policy).await?;
        }
        let put = call.app.db.write(move |tx| {
            let mut found = not_aws_managed(constraints::require(tx, &key)?)?;
            found.policy.clone_from(&policy);
            kms_keys::update(tx, &found)?;
            Ok(Nothing {})
        });
        put.await
    }
}

/// ListKeyPolicies.
pub struct ListKeyPolicies;

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
    policy_names: [&'static str; 1],
    truncated: bool,
}

impl Operation for ListKeyPolicies {
    const NAME: &'static str = "ListKeyPolicies";
    const ACTION: Action = Action::KmsListKeyPolicies;
    const READ_ONLY: bool = true;
    type Input = ListInput;
    type Output = Listed;
    type Checked = KeyRef;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: ListInput) -> Result<KeyRef, KmsError> {
        constraints::page("policies", input.limit, input.marker.as_deref(), 100)
            .map_err(|error| KmsError::validation(error.to_string()))?;
        constraints::key_itself(call, "keyId", input.key_id)
    }

    fn needs(_: &Call<'_>, key: &KeyRef) -> Vec<Need> {
        vec![on_key(Self::ACTION, key)]
    }

    async fn run(call: &Call<'_>, key: KeyRef) -> Result<Listed, KmsError> {
        call.app.db.read_point(move |tx| constraints::require(tx, &key)).await?;
        Ok(Listed { policy_names: [NAME], truncated: false })
    }
}
