//! ListReplications: where images of the caller's registry go, how far each got, and why one did not.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use oci::{Digest, RepositoryName, Tag};
use serde::{Deserialize, Serialize};
use store::tables::image_replications::{self, ListedReplication, ReplicationFilter, ReplicationStatus};
use store::tables::registry_id::RegistryId;
use store::tables::{image_tags, images, repositories};

use super::arrival::parsed;
use super::constraints::Check;
use super::errors::WharfError;

const DEFAULT_RESULTS: usize = 100;
const MAX_RESULTS: usize = 1000;

/// Lists the replications of images of the caller's registry with how far each has come, page by page.
pub struct ListReplications;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    repository_name: Option<String>,
    image_tag: Option<String>,
    image_digest: Option<String>,
    status: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    replications: Vec<Replication>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replication {
    id: i64,
    repository_name: String,
    image_digest: String,
    image_tags: Vec<String>,
    region: String,
    registry_id: String,
    status: &'static str,
    attempts: i64,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
}

impl Replication {
    fn new(listed: ListedReplication, image_tags: Vec<String>) -> Self {
        let ListedReplication { replication, repository, digest, .. } = listed;
        Self {
            id: replication.id,
            repository_name: repository.to_string(),
            image_digest: digest.to_string(),
            image_tags,
            region: replication.destination.region.to_string(),
            registry_id: replication.destination.account.to_string(),
            status: replication.status.as_str(),
            attempts: replication.attempts,
            updated_at: Timestamp::from_ms(replication.updated_at_ms),
            failure_code: replication.failure_code,
            failure_reason: replication.failure_reason,
        }
    }
}

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    repository: Option<RepositoryName>,
    tag: Option<Tag>,
    digest: Option<Digest>,
    status: Option<ReplicationStatus>,
    limit: usize,
    after: i64,
}

impl Operation for ListReplications {
    const NAME: &'static str = "ListReplications";
    const ACTION: Action = Action::WharfListReplications;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, WharfError> {
        let Input { repository_name, image_tag, image_digest, status, max_results, next_token } = input;
        if repository_name.is_none() && (image_tag.is_some() || image_digest.is_some()) {
            return Err(WharfError::validation("repositoryName", "must be given with an image"));
        }
        let limit = max_results.unwrap_or(DEFAULT_RESULTS);
        if !(1..=MAX_RESULTS).contains(&limit) {
            return Err(WharfError::validation("maxResults", format!("must be 1 to {MAX_RESULTS}")));
        }
        let name = |text| parsed("repositoryName", Some(text), "a repository name");
        let digest = |text| parsed("imageDigest", Some(text), "a digest");
        Ok(Checked {
            registry: call.own_registry(),
            repository: repository_name.as_deref().map(name).transpose()?,
            tag: image_tag.as_deref().map(|text| parsed("imageTag", Some(text), "a tag")).transpose()?,
            digest: image_digest.as_deref().map(digest).transpose()?,
            status: status
                .as_deref()
                .map(|text| Check::one_of("status", text, &ReplicationStatus::ALL, ReplicationStatus::as_str))
                .transpose()?,
            limit,
            after: match next_token.as_deref() {
                None => 0,
                token => parsed("nextToken", token, "of the page before")?,
            },
        })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        let name = checked.repository.as_ref().map_or("*", RepositoryName::as_str);
        vec![Need::on_repository(Self::ACTION, &checked.registry, name)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, WharfError> {
        let Checked { registry, repository, tag, digest, status, limit, after } = checked;
        call.app
            .db
            .read(move |tx| {
                let mut filter = ReplicationFilter { repository: repository.clone(), digest, status };
                if let (Some(name), Some(tag)) = (&repository, &tag) {
                    let found = match repositories::find(tx, &registry.repository(name))? {
                        Some(found) => images::find_by_tag(tx, found.id, tag.as_str())?,
                        None => None,
                    };
                    let image = found.filter(|image| digest.is_none_or(|digest| digest == image.digest));
                    let Some(image) = image else {
                        return Err(WharfError::ImageNotFound(format!("{name}:{tag}")));
                    };
                    filter.digest = Some(image.digest);
                }
                let mut found = image_replications::list(tx, &registry, &filter, after, limit + 1)?;
                let mut next_token = None;
                if found.len() > limit {
                    found.truncate(limit);
                    next_token = found.last().map(|last| last.replication.id.to_string());
                }
                let mut replications = Vec::new();
                for listed in found {
                    let tags = image_tags::list_of_image(tx, listed.image_id)?;
                    replications.push(Replication::new(listed, tags));
                }
                Ok(Output { replications, next_token })
            })
            .await
    }
}
