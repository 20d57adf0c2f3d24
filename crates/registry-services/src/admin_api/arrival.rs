//! The members that operations share by which another Wharf says what comes from where.

use access::action::Action;
use access::auth::arrival::{Arrival, Origin};
use access::auth::authorize::Need;
use access::auth::tag_rights::{self, TagChange, TagRights};
use api::protocols::operation::Call;
use oci::{Digest, Tag};
use serde::Deserialize;
use store::tables::registry_id::RegistryId;

use super::constraints::Check;
use super::errors::WharfError;

/// The action that lets another Wharf's key bring images. The registry's policy decides beside it, for the account
/// that they come from.
pub const ACTION: Action = Action::WharfReceiveReplication;

/// What comes from where.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArrivalMembers {
    source_account_id: Option<String>,
    source_region: Option<String>,
    registry_id: Option<String>,
    repository_name: Option<String>,
}

/// A member that must be there and be of a form.
pub fn parsed<T: std::str::FromStr>(member: &'static str, text: Option<&str>, what: &str) -> Result<T, WharfError> {
    text.and_then(|text| text.parse().ok()).ok_or_else(|| WharfError::validation(member, format!("must be {what}")))
}

/// A list of at most `max` members.
pub fn parsed_list<T: std::str::FromStr>(
    member: &'static str,
    texts: Option<&[String]>,
    max: usize,
    what: &str,
) -> Result<Vec<T>, WharfError> {
    let texts = texts.unwrap_or_default();
    Check::count(member, texts.len(), 0, max)?;
    texts.iter().map(|text| parsed(member, Some(text), what)).collect()
}

/// An image's digest.
pub fn digest(text: Option<&str>) -> Result<Digest, WharfError> {
    parsed("imageDigest", text, "a digest")
}

/// At most `max` tags of an image.
pub fn tags(texts: Option<&[String]>, max: usize) -> Result<Vec<Tag>, WharfError> {
    parsed_list("imageTags", texts, max, "tags")
}

impl ArrivalMembers {
    /// What they say.
    pub fn check(&self, call: &Call<'_>) -> Result<Arrival, WharfError> {
        let source = parsed("sourceAccountId", self.source_account_id.as_deref(), "an account id")?;
        let region = self.source_region.as_deref();
        let region = region.map(|region| parsed("sourceRegion", Some(region), "a region")).transpose()?;
        let account = parsed("registryId", self.registry_id.as_deref(), "an account id")?;
        Ok(Arrival {
            origin: Origin::Elsewhere(source, region),
            registry: RegistryId { account, region: call.caller.region.clone() },
            repository: parsed("repositoryName", self.repository_name.as_deref(), "a repository name")?,
        })
    }
}

/// What the key that brings something must be allowed.
pub fn needs(arrival: &Arrival) -> Vec<Need> {
    vec![Need::on_repository(ACTION, &arrival.registry, arrival.repository.as_str())]
}

/// As [`needs`], where it brings or takes tags; without any it is about none.
pub fn needs_of_tags(arrival: &Arrival, tags: &[Tag]) -> Vec<Need> {
    if tags.is_empty() {
        return needs(arrival);
    }
    let tags = tags.iter().map(|tag| Some(tag.as_str()));
    tag_rights::needs(ACTION, &arrival.registry.repository(&arrival.repository), tags)
}

/// The tags that the key may bring or take.
pub async fn tag_rights(call: &Call<'_>, arrival: &Arrival, change: TagChange) -> Result<TagRights, WharfError> {
    let place = arrival.registry.repository(&arrival.repository);
    Ok(TagRights::new(call.http, &call.caller, ACTION, change, &place).await?)
}
