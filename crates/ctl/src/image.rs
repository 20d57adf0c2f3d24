//! `wharf image`: what was deleted and can be restored.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::deleted_images::{Deleted, list, shown_tags};
use crate::error::Error;
use crate::since::Since;
use crate::target::Target;
use crate::{Outcome, Session, bytes, date};

/// Images that one operation takes.
const IMAGES_AT_ONCE: usize = 100;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring deleted images and tags back. The exit code is 0 if all came back, 1 if some could not, 2 after an error.
    Restore {
        /// What: REPO:TAG, REPO@DIGEST, or REPO with --all or --since.
        target: Target,
        /// Everything that was deleted from the repository and can be restored.
        #[arg(long)]
        all: bool,
        /// Everything that was deleted since then: 2h or 3d (ago), 2026-11-21, or 2026-11-21T08:00:00Z.
        #[arg(long, value_name = "TIME")]
        since: Option<Since>,
        /// Create the repository if it is gone, encrypted as it was.
        #[arg(long)]
        create_repository: bool,
        /// Show what would come back, without doing it.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the deleted images and tags that can be restored.
    ListDeleted {
        /// One repository [default: all].
        repository: Option<String>,
        /// Only what was deleted since then: 2h or 3d (ago), 2026-11-21, or 2026-11-21T08:00:00Z.
        #[arg(long, value_name = "TIME")]
        since: Option<Since>,
    },
    /// Drop deleted images for good, before their time is over, to free storage.
    PurgeDeleted {
        /// What: REPO:TAG, REPO@DIGEST, or REPO with --all.
        target: Target,
        /// Everything that was deleted from the repository.
        #[arg(long)]
        all: bool,
        /// Show what would go, without doing it.
        #[arg(long)]
        dry_run: bool,
    },
}

/// The images of a command as operations take them. The last deleted go first, so that of two which had the same tag
/// that one gets it back.
async fn image_ids(
    client: &Client,
    target: &Target,
    is_all: bool,
    since: Option<Since>,
    flags: &str,
) -> Result<Vec<Value>, Error> {
    match (target.image_id(), is_all || since.is_some()) {
        (Some(id), false) => Ok(vec![id]),
        (None, true) => {
            let found = list(client, Some(&target.repository), since).await?;
            let (tags, images): (Vec<&Deleted>, Vec<&Deleted>) = found.iter().partition(|deleted| deleted.is_tag_only);
            Ok(images.into_iter().rev().chain(tags.into_iter().rev()).map(Deleted::image_id).collect())
        }
        (None, false) => Err(Error::Usage(format!("name an image of {target} by its tag or digest, or give {flags}"))),
        (Some(_), true) => Err(Error::Usage(format!("{flags} goes with a repository, not with {target}"))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestoreAnswer {
    restored_images: Vec<RestoredImage>,
    failures: Vec<Failure>,
    is_repository_created: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestoredImage {
    image_digest: String,
    status: String,
    restored_tags: Vec<String>,
    tags_not_restored: Vec<TagFailure>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct TagFailure {
    image_tag: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    image_id: FailedId,
    failure_code: String,
    failure_reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailedId {
    image_digest: Option<String>,
    image_tag: Option<String>,
}

/// What became of one image.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    image_digest: Option<String>,
    image_tags: Vec<String>,
    /// What the server says, or `FAILED`.
    status: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags_not_restored: Vec<TagFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
}

impl From<RestoredImage> for Line {
    fn from(restored: RestoredImage) -> Self {
        Self {
            image_digest: Some(restored.image_digest),
            image_tags: restored.restored_tags,
            status: restored.status,
            tags_not_restored: restored.tags_not_restored,
            failure_code: None,
            failure_reason: None,
        }
    }
}

impl From<Failure> for Line {
    fn from(failure: Failure) -> Self {
        Self {
            image_digest: failure.image_id.image_digest,
            image_tags: failure.image_id.image_tag.into_iter().collect(),
            status: "FAILED".to_owned(),
            tags_not_restored: Vec::new(),
            failure_code: Some(failure.failure_code),
            failure_reason: Some(failure.failure_reason),
        }
    }
}

impl Line {
    fn row(&self, is_dry_run: bool) -> Vec<String> {
        let mut notes: Vec<String> = self.failure_reason.iter().cloned().collect();
        notes.extend(self.tags_not_restored.iter().map(|tag| format!("tag {} did not: {}", tag.image_tag, tag.reason)));
        let done = |what: &str, done: &str| {
            let would = if is_dry_run { "would be " } else { "" };
            format!("{what}{would}{done}")
        };
        let status = match self.status.as_str() {
            "RESTORED" => done("", "restored"),
            "PRESENT" if self.image_tags.is_empty() => "was there".to_owned(),
            "PRESENT" if self.image_tags.len() == 1 => done("tag ", "restored"),
            "PRESENT" => done("tags ", "restored"),
            "PURGED" => done("", "purged"),
            "TAG_PURGED" => done("tag ", "purged"),
            "FAILED" => "failed".to_owned(),
            other => other.to_owned(),
        };
        vec![self.image_digest.clone().unwrap_or_default(), shown_tags(&self.image_tags), status, notes.join("; ")]
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PurgeAnswer {
    purged_images: Vec<PurgedImage>,
    failures: Vec<Failure>,
    released_bytes: u64,
    #[serde(default)]
    later_bytes: u64,
    later_at: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PurgedImage {
    image_digest: String,
    image_tags: Vec<String>,
    status: String,
}

impl From<PurgedImage> for Line {
    fn from(purged: PurgedImage) -> Self {
        Self {
            image_digest: Some(purged.image_digest),
            image_tags: purged.image_tags,
            status: purged.status,
            tags_not_restored: Vec::new(),
            failure_code: None,
            failure_reason: None,
        }
    }
}

const LINE_COLUMNS: [&str; 4] = ["IMAGE", "TAGS", "RESULT", "NOTE"];
const DRY_RUN: &str = "This was a dry run: nothing was changed.";

fn outcome(lines: &[Line]) -> Outcome {
    if lines.iter().any(|line| line.failure_code.is_some()) { Outcome::No } else { Outcome::Done }
}

async fn restore(
    session: &mut Session<'_>,
    target: &Target,
    ids: &[Value],
    may_create: bool,
    is_dry_run: bool,
) -> Result<Outcome, Error> {
    let Session { client, output } = session;
    let (mut lines, mut is_created): (Vec<Line>, bool) = (Vec::new(), false);
    for ids in ids.chunks(IMAGES_AT_ONCE) {
        let mut input = json!({ "repositoryName": target.repository, "imageIds": ids, "dryRun": is_dry_run });
        if may_create {
            input["createRepository"] = true.into();
        }
        let answer: RestoreAnswer = client.wharf("RestoreImage", &input).await?;
        is_created |= answer.is_repository_created;
        lines.extend(answer.restored_images.into_iter().map(Line::from));
        lines.extend(answer.failures.into_iter().map(Line::from));
    }
    let empty = format!("There is nothing of {target} to restore.");
    output.list(&lines, &empty, &LINE_COLUMNS, |line| line.row(is_dry_run))?;
    if is_created {
        output.note(&format!("The repository {} was gone and is created again.", target.repository))?;
    }
    if is_dry_run {
        output.note(DRY_RUN)?;
    }
    Ok(outcome(&lines))
}

async fn purge(session: &mut Session<'_>, target: &Target, ids: &[Value], is_dry_run: bool) -> Result<Outcome, Error> {
    let Session { client, output } = session;
    let (mut lines, mut released, mut later, mut later_at): (Vec<Line>, u64, u64, f64) = (Vec::new(), 0, 0, 0.0);
    // Naming a digest drops every deletion of it.
    let mut distinct: Vec<&Value> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for id in ids {
        if seen.insert(id.to_string()) {
            distinct.push(id);
        }
    }
    for ids in distinct.chunks(IMAGES_AT_ONCE) {
        let input = json!({ "repositoryName": target.repository, "imageIds": ids, "dryRun": is_dry_run });
        let answer: PurgeAnswer = client.wharf("PurgeDeletedImages", &input).await?;
        released += answer.released_bytes;
        later += answer.later_bytes;
        later_at = later_at.max(answer.later_at.unwrap_or_default());
        lines.extend(answer.purged_images.into_iter().map(Line::from));
        lines.extend(answer.failures.into_iter().map(Line::from));
    }
    let empty = format!("There is nothing of {target} to purge.");
    output.list(&lines, &empty, &LINE_COLUMNS, |line| line.row(is_dry_run))?;
    if later > 0 {
        output.note(&format!(
            "{} are kept for pushes that count on them (blob_grace_hours), and freed after {}.",
            bytes::shown(later),
            date::of_iso8601(&date::iso8601(later_at))
        ))?;
    }
    if !lines.is_empty() && released == 0 && later == 0 {
        output.note("No bytes are freed by it: all are named by something else in the account.")?;
    }
    if !lines.is_empty() && released > 0 {
        output.note(&format!(
            "{} are named by nothing else in the account. The garbage collection frees them.",
            bytes::shown(released)
        ))?;
    }
    if is_dry_run {
        output.note(DRY_RUN)?;
    }
    Ok(outcome(&lines))
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        match self {
            Self::Restore { target, all, since, create_repository, dry_run } => {
                let ids = image_ids(&session.client, &target, all, since, "--all or --since").await?;
                restore(session, &target, &ids, create_repository, dry_run).await
            }
            Self::ListDeleted { repository, since } => {
                let deleted = list(&session.client, repository.as_deref(), since).await?;
                let columns = ["REPOSITORY", "IMAGE", "TAGS", "SIZE", "DELETED", "BY", "RESTORABLE UNTIL"];
                let empty = "There are no deleted images that can be restored.";
                session.output.list(&deleted, empty, &columns, Deleted::row)?;
                Ok(Outcome::Done)
            }
            Self::PurgeDeleted { target, all, dry_run } => {
                let ids = image_ids(&session.client, &target, all, None, "--all").await?;
                purge(session, &target, &ids, dry_run).await
            }
        }
    }
}
