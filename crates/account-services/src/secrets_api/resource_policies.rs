//! GetResourcePolicy, PutResourcePolicy and DeleteResourcePolicy: who else may do what with a secret.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::principals::unknown_principal;
use access::secret_values::errors::SecretsError;
use access::secret_values::stored;
use api::protocols::operation::{Call, Operation};
use iam::{Policy, PolicyKind};
use serde::{Deserialize, Serialize};
use store::tables::secrets::{self, Secret, SecretId};

use super::constraints::{self, Check};
use super::shapes::{SecretName, need};

/// Most characters of a policy (model: `NonEmptyResourcePolicyType`).
const MAX_CHARACTERS: usize = 20_480;

/// The input of the operations that take only whose policy.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyMember {
    secret_id: Option<String>,
    policy_name: Option<String>,
}

impl PolicyMember {
    fn check(self, call: &Call<'_>) -> Result<SecretId, SecretsError> {
        no_name(self.policy_name.as_deref())?;
        constraints::secret_id(call, self.secret_id)
    }
}

/// A secret has one policy here, and that has no name.
fn no_name(name: Option<&str>) -> Result<(), SecretsError> {
    if name.is_none() {
        return Ok(());
    }
    Err(SecretsError::parameter("This server has one resource policy for each secret: leave PolicyName out."))
}

/// GetResourcePolicy.
pub struct GetResourcePolicy;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(flatten)]
    secret: SecretName,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_policy: Option<String>,
}

impl Operation for GetResourcePolicy {
    const NAME: &'static str = "GetResourcePolicy";
    const ACTION: Action = Action::SecretsManagerGetResourcePolicy;
    const READ_ONLY: bool = true;
    type Input = PolicyMember;
    type Output = Output;
    type Checked = SecretId;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: PolicyMember) -> Result<SecretId, SecretsError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, id: &SecretId) -> Vec<Need> {
        vec![need(Self::ACTION, id)]
    }

    async fn run(call: &Call<'_>, id: SecretId) -> Result<Output, SecretsError> {
        let secret = call.app.db.read_point(move |tx| stored::require_live(tx, &id)).await?;
        Ok(Output { secret: SecretName::new(&secret), resource_policy: secret.policy })
    }
}

/// DeleteResourcePolicy.
pub struct DeleteResourcePolicy;

impl Operation for DeleteResourcePolicy {
    const NAME: &'static str = "DeleteResourcePolicy";
    const ACTION: Action = Action::SecretsManagerDeleteResourcePolicy;
    const READ_ONLY: bool = false;
    type Input = PolicyMember;
    type Output = SecretName;
    type Checked = SecretId;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: PolicyMember) -> Result<SecretId, SecretsError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, id: &SecretId) -> Vec<Need> {
        vec![need(Self::ACTION, id)]
    }

    async fn run(call: &Call<'_>, id: SecretId) -> Result<SecretName, SecretsError> {
        set(call, id, None).await
    }
}

/// PutResourcePolicy.
pub struct PutResourcePolicy;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutInput {
    secret_id: Option<String>,
    resource_policy: Option<String>,
    block_public_policy: Option<bool>,
    policy_name: Option<String>,
}

/// The input of PutResourcePolicy, validated.
pub struct PutChecked {
    id: SecretId,
    policy: String,
    blocks_public: bool,
}

impl Operation for PutResourcePolicy {
    const NAME: &'static str = "PutResourcePolicy";
    const ACTION: Action = Action::SecretsManagerPutResourcePolicy;
    const READ_ONLY: bool = false;
    type Input = PutInput;
    type Output = SecretName;
    type Checked = PutChecked;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: PutInput) -> Result<PutChecked, SecretsError> {
        no_name(input.policy_name.as_deref())?;
        let id = constraints::secret_id(call, input.secret_id)?;
        let text = Check::required("ResourcePolicy", input.resource_policy)?;
        Check::length("ResourcePolicy", &text, 1, MAX_CHARACTERS)?;
        let policy = parse(call, &text)?;
        let blocks_public = input.block_public_policy.unwrap_or(false);
        if blocks_public && policy.is_public() {
            return Err(SecretsError::PublicPolicy);
        }
        Ok(PutChecked { id, policy: text, blocks_public })
    }

    fn needs(_: &Call<'_>, checked: &PutChecked) -> Vec<Need> {
        let blocks_public = checked.blocks_public.to_string();
        vec![need(Self::ACTION, &checked.id).with("secretsmanager:BlockPublicPolicy", [blocks_public])]
    }

    async fn run(call: &Call<'_>, PutChecked { id, policy, .. }: PutChecked) -> Result<SecretName, SecretsError> {
        set(call, id, Some(policy)).await
    }
}

fn parse(call: &Call<'_>, text: &str) -> Result<Policy, SecretsError> {
    let app = call.app;
    let malformed = |why: String| SecretsError::MalformedPolicy(format!("This resource policy is malformed: {why}"));
    let policy = Policy::parse(PolicyKind::Secret, text).map_err(|error| malformed(error.to_string()))?;
    match unknown_principal(&app.identities.current(), &app.accounts, &policy) {
        None => Ok(policy),
        Some(principal) => Err(malformed(format!("there is no principal {principal}"))),
    }
}

async fn set(call: &Call<'_>, id: SecretId, policy: Option<String>) -> Result<SecretName, SecretsError> {
    let now_ms = call.app.now_ms();
    let set = call.app.db.write(move |tx| {
        let secret = stored::require_live(tx, &id)?;
        let secret = Secret { policy: policy.clone(), changed_at_ms: now_ms, ..secret };
        secrets::update(tx, &secret)?;
        Ok::<_, SecretsError>(SecretName::new(&secret))
    });
    set.await
}
