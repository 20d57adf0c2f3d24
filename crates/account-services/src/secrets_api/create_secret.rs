//! CreateSecret: makes a secret, with a first value or without one.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use access::secret_values::stored;
use access::secret_values::value::{HiddenText, SecretValue};
use access::secret_values::versions::{self, NewVersion};
use api::grammar::Tag;
use api::protocols::operation::{Call, Operation};
use runtime::random_text::random_text;
use serde::{Deserialize, Serialize};
use store::tables::secrets::{self, Secret, SecretId};

use super::constraints;
use super::shapes::{need_of_new, with_members};

/// Makes a secret, with a first version if it is given a value; the same request again finds what it made.
pub struct CreateSecret;

const SUFFIX_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    name: Option<String>,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    secret_binary: Option<HiddenText>,
    secret_string: Option<HiddenText>,
    tags: Option<Vec<Tag>>,
    add_replica_regions: Option<Vec<serde_json::Value>>,
    force_overwrite_replica_secret: Option<bool>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "CrossAccountPrimaryARN")]
    cross_account_primary_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
}

/// The input, validated.
pub struct Checked {
    secret: Secret,
    version: Option<NewVersion>,
    kms_key: Option<String>,
    overwrites_replica: Option<bool>,
}

impl Operation for CreateSecret {
    const NAME: &'static str = "CreateSecret";
    const ACTION: Action = Action::SecretsManagerCreateSecret;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, SecretsError> {
        let name = constraints::name(input.name)?;
        constraints::description(input.description.as_deref())?;
        constraints::kms_key(input.kms_key_id.as_deref())?;
        if input.add_replica_regions.is_some_and(|regions| !regions.is_empty())
            || input.cross_account_primary_arn.is_some()
        {
            return Err(SecretsError::parameter("This server does not replicate secrets."));
        }
        if input.kind.is_some_and(|kind| !kind.is_empty()) {
            return Err(SecretsError::parameter("This server has no managed external secrets: leave Type out."));
        }
        let id = constraints::client_token(input.client_request_token)?;
        let value = SecretValue::from_members(input.secret_string, input.secret_binary)?;
        let now_ms = call.app.now_ms();
        let secret = Secret {
            id: 0,
            registry: call.own_registry(),
            name,
            suffix: random_text(SUFFIX_ALPHABET, 6),
            description: input.description,
            tags: constraints::tags(input.tags)?,
            policy: None,
            created_at_ms: now_ms,
            changed_at_ms: now_ms,
            accessed_at_ms: None,
            purge_at_ms: None,
        };
        let version = value.map(|value| NewVersion { id, value, stages: None });
        let overwrites_replica = input.force_overwrite_replica_secret;
        Ok(Checked { secret, version, kms_key: input.kms_key_id, overwrites_replica })
    }

    fn needs(_: &Call<'_>, Checked { secret, kms_key, overwrites_replica, .. }: &Checked) -> Vec<Need> {
        // Its policies are written for a name and any six characters.
        let id = SecretId { registry: secret.registry.clone(), text: secret.name.clone(), is_arn: false };
        let need = |action| {
            let need = need_of_new(action, &id)
                .with("secretsmanager:Name", [secret.name.as_str()])
                .with_request_tags(&secret.tags);
            let need = with_members(need, secret.description.as_deref(), kms_key.as_deref());
            match overwrites_replica {
                Some(overwrites) => need.with("secretsmanager:ForceOverwriteReplicaSecret", [overwrites.to_string()]),
                None => need,
            }
        };
        let tagging = (!secret.tags.is_empty()).then(|| need(Action::SecretsManagerTagResource));
        std::iter::once(need(Self::ACTION)).chain(tagging).collect()
    }

    async fn run(call: &Call<'_>, Checked { secret, version, .. }: Checked) -> Result<Output, SecretsError> {
        let key = call.app.key_ring.clone();
        let now_ms = call.app.now_ms();
        let created = call.app.db.write(move |tx| {
            let secret = match secrets::insert(tx, &secret)? {
                Some(id) => Secret { id, ..secret.clone() },
                None => existing(tx, &key, &secret, version.as_ref())?,
            };
            if let Some(version) = &version {
                versions::put(tx, &key, &secret, version, now_ms)?;
            }
            let version_id = version.as_ref().map(|version| version.id.clone());
            Ok::<_, SecretsError>(Output { arn: secret.arn(), name: secret.name, version_id })
        });
        created.await
    }
}

/// The secret that has the name already: the same request again is answered as the first time.
fn existing(
    tx: &mut dyn store::db::Tx,
    key: &store::blob::KeyRing,
    secret: &Secret,
    version: Option<&NewVersion>,
) -> Result<Secret, SecretsError> {
    let id = SecretId { registry: secret.registry.clone(), text: secret.name.clone(), is_arn: false };
    let existing = stored::require(tx, &id)?;
    if existing.purge_at_ms.is_some() {
        return Err(SecretsError::InvalidRequest(
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        ));
    }
    let is_repeated = match version {
        None => false,
        Some(version) => match versions::open(tx, key, &existing, &version.id) {
            Ok(value) => value == version.value,
            Err(SecretsError::VersionNotFound(_)) => false,
            Err(error) => return Err(error),
        },
    };
    if is_repeated { Ok(existing) } else { Err(SecretsError::SecretExists(existing.name)) }
}
