//! ListImageReferrers: the images that refer to an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use oci::{Digest, MediaType};
use registry::cache;
use registry::images::errors::RegistryError;
use registry::images::referrers;
use registry::images::repositories::require;
use runtime::http::held_answer::AnswerShare;
use serde::{Deserialize, Serialize};
use store::tables::images::{self, ImageStatus};
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check, NewerCheck, Page};
use super::errors::EcrError;

/// Lists the images that refer to an image, those of its upstream included where the cache fills the repository.
pub struct ListImageReferrers;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    subject_id: Option<SubjectId>,
    filter: Option<Filter>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubjectId {
    image_digest: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    artifact_types: Option<Vec<String>>,
    artifact_status: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Referrer {
    digest: String,
    media_type: MediaType,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    artifact_status: &'static str,
}

impl Referrer {
    fn new(found: images::Referrer) -> Self {
        Self {
            digest: found.digest.to_string(),
            media_type: found.media_type,
            artifact_type: found.artifact_type,
            size: found.manifest_bytes,
            annotations: found.annotations,
            artifact_status: found.status.as_str(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    referrers: Vec<Referrer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// The input, validated.
pub struct Checked {
    repository: RepositoryRef,
    subject: Option<Digest>,
    artifact_types: Vec<String>,
    status: Option<ImageStatus>,
    page: Page,
}

impl Operation for ListImageReferrers {
    const NAME: &'static str = "ListImageReferrers";
    const ACTION: Action = Action::EcrBatchGetImage;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        const DIGEST: &str = "subjectId.imageDigest";
        let repository = constraints::repository(call, input.registry_id.as_deref(), input.repository_name)?;
        let subject = NewerCheck::required("subjectId", input.subject_id)?;
        let text = NewerCheck::required(DIGEST, subject.image_digest)?;
        NewerCheck::pattern(DIGEST, &text, constraints::DIGEST_PATTERN, oci::is_digest_like(&text))?;
        let filter = input.filter.unwrap_or_default();
        let list = List::with_members(Self::NAME, &[&repository.registry, &repository.name, &text, &filter]);
        let artifact_types = filter.artifact_types.unwrap_or_default();
        if artifact_types.len() > 5 {
            let rule = "Member must have length less than or equal to 5";
            return Err(EcrError::validation("filter.artifactTypes", Some("[..]"), rule));
        }
        for text in &artifact_types {
            if !(1..=255).contains(&text.chars().count()) {
                let rule = "Member must have length between 1 and 255";
                return Err(EcrError::validation("filter.artifactTypes", Some(text), rule));
            }
        }
        let status = super::shapes::image_status("artifactStatus", filter.artifact_status.as_deref())?;
        let page = Check::page(list, input.max_results, input.next_token.as_deref(), 20, 50)?;
        Ok(Checked { repository, subject: text.parse().ok(), artifact_types, status, page })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![constraints::need_on(Self::ACTION, &checked.repository)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let prepared = match checked.subject {
            Some(subject) => {
                cache::referrers::prepare(call.app, call.http, &call.caller, &checked.repository, subject).await
            }
            None => Ok(()),
        };
        let (app, reader) = (Arc::clone(call.app), call.http.holder.clone());
        let output = call.app.db.read(move |tx| {
            let mut share = AnswerShare::new(&app.request_budget, &reader);
            let repository = require(tx, &checked.repository)?;
            let Some(subject) = checked.subject else {
                return Ok((Output { referrers: Vec::new(), next_token: None }, share));
            };
            let is_listed = |found: &images::Referrer| {
                let has_type = checked.artifact_types.is_empty()
                    || found.artifact_type.as_ref().is_some_and(|kind| checked.artifact_types.contains(kind));
                has_type && checked.status.is_none_or(|status| status == found.status)
            };
            let (after, limit) = (&checked.page.after[0], checked.page.limit);
            let page = referrers::page(tx, repository.id, &subject, after, limit, is_listed, &mut share)?;
            let output = Output {
                next_token: page.next.map(|last| checked.page.token_after(&constraints::after(last))),
                referrers: page.referrers.into_iter().map(Referrer::new).collect(),
            };
            Ok::<_, RegistryError>((output, share))
        });
        let (output, share) = output.await?;
        let _ = call.http.answer_share.set(share);
        match prepared {
            // What is cached is better than nothing.
            Err(failure) if output.referrers.is_empty() => {
                Err(EcrError::UnableToListUpstreamImageReferrers(failure.to_string()))
            }
            Ok(()) | Err(_) => Ok(output),
        }
    }
}
