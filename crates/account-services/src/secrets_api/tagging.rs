//! TagResource and UntagResource: the tags of a secret.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use access::secret_values::stored;
use api::grammar::{MAX_TAGS, Tag, TagViolation, TagWording};
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::secrets::{self, SecretId};

use super::constraints::{self, Check, Words};
use super::shapes::need;

/// An answer without members.
#[derive(Serialize)]
pub struct Nothing {}

/// TagResource.
pub struct TagResource;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagInput {
    secret_id: Option<String>,
    tags: Option<Vec<Tag>>,
}

impl Operation for TagResource {
    const NAME: &'static str = "TagResource";
    const ACTION: Action = Action::SecretsManagerTagResource;
    const READ_ONLY: bool = false;
    type Input = TagInput;
    type Output = Nothing;
    type Checked = (SecretId, Vec<(String, String)>);
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: TagInput) -> Result<Self::Checked, SecretsError> {
        let id = constraints::secret_id(call, input.secret_id)?;
        Check::required("Tags", input.tags.as_ref())?;
        Ok((id, constraints::tags(input.tags)?))
    }

    fn needs(_: &Call<'_>, (id, tags): &Self::Checked) -> Vec<Need> {
        vec![need(Self::ACTION, id).with_request_tags(tags)]
    }

    async fn run(call: &Call<'_>, (id, tags): Self::Checked) -> Result<Nothing, SecretsError> {
        change(call, id, move |stored| {
            for (key, value) in &tags {
                stored.retain(|(known, _)| known != key);
                stored.push((key.clone(), value.clone()));
            }
            stored.sort();
        })
        .await
    }
}

/// UntagResource.
pub struct UntagResource;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UntagInput {
    secret_id: Option<String>,
    tag_keys: Option<Vec<String>>,
}

impl Operation for UntagResource {
    const NAME: &'static str = "UntagResource";
    const ACTION: Action = Action::SecretsManagerUntagResource;
    const READ_ONLY: bool = false;
    type Input = UntagInput;
    type Output = Nothing;
    type Checked = (SecretId, Vec<String>);
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: UntagInput) -> Result<Self::Checked, SecretsError> {
        let id = constraints::secret_id(call, input.secret_id)?;
        let keys = Check::required("TagKeys", input.tag_keys)?;
        Check::tag_keys(&keys)?;
        Ok((id, keys))
    }

    fn needs(_: &Call<'_>, (id, keys): &Self::Checked) -> Vec<Need> {
        vec![need(Self::ACTION, id).with("aws:TagKeys", keys)]
    }

    async fn run(call: &Call<'_>, (id, keys): Self::Checked) -> Result<Nothing, SecretsError> {
        change(call, id, move |stored| stored.retain(|(key, _)| !keys.contains(key))).await
    }
}

async fn change(
    call: &Call<'_>,
    id: SecretId,
    change: impl Fn(&mut Vec<(String, String)>) + Send + 'static,
) -> Result<Nothing, SecretsError> {
    let now_ms = call.app.now_ms();
    let changed = call.app.db.write(move |tx| {
        let mut secret = stored::require_live(tx, &id)?;
        change(&mut secret.tags);
        if secret.tags.len() > MAX_TAGS {
            return Err(Words::refuse_tags(TagViolation::TooMany));
        }
        secret.changed_at_ms = now_ms;
        secrets::update(tx, &secret)?;
        Ok(Nothing {})
    });
    changed.await
}
