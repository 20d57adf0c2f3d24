//! TagResource, UntagResource and ListResourceTags: the tags of a key.

use access::action::Action;
use access::auth::authorize::Need;
use access::kms::KmsError;
use access::kms::on_key;
use api::grammar::{MAX_TAGS, TagViolation, TagWording};
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::kms_keys::KeyRef;

use super::constraints::{self, Check, KmsTag, Page, Words};
use super::keys::change;
use super::shapes::Nothing;

/// TagResource.
pub struct TagResource;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagInput {
    key_id: Option<String>,
    tags: Option<Vec<KmsTag>>,
}

impl Operation for TagResource {
    const NAME: &'static str = "TagResource";
    const ACTION: Action = Action::KmsTagResource;
    const READ_ONLY: bool = false;
    type Input = TagInput;
    type Output = Nothing;
    type Checked = (KeyRef, Vec<(String, String)>);
    type Error = KmsError;

    fn check(call: &Call<'_>, input: TagInput) -> Result<Self::Checked, KmsError> {
        let key = constraints::key_itself(call, "keyId", input.key_id)?;
        Check::required("tags", input.tags.as_ref())?;
        Ok((key, constraints::tags(input.tags)?))
    }

    fn needs(_: &Call<'_>, (key, tags): &Self::Checked) -> Vec<Need> {
        vec![on_key(Self::ACTION, key).with_request_tags(tags)]
    }

    async fn run(call: &Call<'_>, (key, tags): Self::Checked) -> Result<Nothing, KmsError> {
        change(call, key, move |stored| {
            for (key, value) in &tags {
                stored.tags.retain(|(known, _)| known != key);
                stored.tags.push((key.clone(), value.clone()));
            }
            stored.tags.sort();
            if stored.tags.len() > MAX_TAGS {
                return Err(Words::refuse_tags(TagViolation::TooMany));
            }
            Ok(())
        })
        .await?;
        Ok(Nothing {})
    }
}

/// UntagResource.
pub struct UntagResource;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UntagInput {
    key_id: Option<String>,
    tag_keys: Option<Vec<String>>,
}

impl Operation for UntagResource {
    const NAME: &'static str = "UntagResource";
    const ACTION: Action = Action::KmsUntagResource;
    const READ_ONLY: bool = false;
    type Input = UntagInput;
    type Output = Nothing;
    type Checked = (KeyRef, Vec<String>);
    type Error = KmsError;

    fn check(call: &Call<'_>, input: UntagInput) -> Result<Self::Checked, KmsError> {
        let key = constraints::key_itself(call, "keyId", input.key_id)?;
        let keys = Check::required("tagKeys", input.tag_keys)?;
        Check::tag_keys(&keys)?;
        Ok((key, keys))
    }

    fn needs(_: &Call<'_>, (key, keys): &Self::Checked) -> Vec<Need> {
        vec![on_key(Self::ACTION, key).with("aws:TagKeys", keys)]
    }

    async fn run(call: &Call<'_>, (key, keys): Self::Checked) -> Result<Nothing, KmsError> {
        change(call, key, move |stored| {
            stored.tags.retain(|(key, _)| !keys.contains(key));
            Ok(())
        })
        .await?;
        Ok(Nothing {})
    }
}

/// ListResourceTags.
pub struct ListResourceTags;

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
    tags: Vec<KmsTag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

impl Operation for ListResourceTags {
    const NAME: &'static str = "ListResourceTags";
    const ACTION: Action = Action::KmsListResourceTags;
    const READ_ONLY: bool = true;
    type Input = ListInput;
    type Output = Listed;
    type Checked = (KeyRef, Page);
    type Error = KmsError;

    fn check(call: &Call<'_>, input: ListInput) -> Result<Self::Checked, KmsError> {
        let key = constraints::key_itself(call, "keyId", input.key_id)?;
        Ok((key, constraints::page("tags", input.limit, input.marker.as_deref(), MAX_TAGS)?))
    }

    fn needs(_: &Call<'_>, (key, _): &Self::Checked) -> Vec<Need> {
        vec![on_key(Self::ACTION, key)]
    }

    async fn run(call: &Call<'_>, (key, page): Self::Checked) -> Result<Listed, KmsError> {
        let found = call.app.db.read_point(move |tx| constraints::require(tx, &key)).await?;
        let mut tags: Vec<_> = found.tags.into_iter().filter(|(key, _)| *key > page.after).collect();
        let next_marker = page.cut(&mut tags, |(key, _)| key.clone());
        Ok(Listed { tags: tags.into_iter().map(KmsTag::new).collect(), truncated: next_marker.is_some(), next_marker })
    }
}
