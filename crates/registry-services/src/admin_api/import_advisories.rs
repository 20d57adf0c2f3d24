//! ImportAdvisories: has a feed's file taken from a layer of a repository, on servers that fetch nothing too.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::Digest;
use registry::images::repositories::require;
use registry::layers;
use scanning::advisory_state::{Named, files, named};
use scanning::import_advisories;
use serde::{Deserialize, Serialize};
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check};
use super::errors::WharfError;

/// Has a file of a feed read from a layer of a repository and put in force, in the background.
pub struct ImportAdvisories;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    layer_digest: Option<String>,
    feed: Option<String>,
    /// Whether the file may have less than half of the records that are in force.
    force: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    name: String,
    /// The revision that is in force until the file has been read.
    revision: i64,
}

/// The input, validated.
pub struct Checked {
    repository: RepositoryRef,
    digest: Digest,
    /// The file of a feed.
    name: String,
    is_forced: bool,
}

impl Operation for ImportAdvisories {
    const NAME: &'static str = "ImportAdvisories";
    const ACTION: Action = Action::WharfImportAdvisories;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, WharfError> {
        WharfError::unless_operator(call)?;
        let repository = constraints::repository(call, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let digest = Check::required("layerDigest", input.layer_digest)?
            .parse()
            .map_err(|_| WharfError::validation("layerDigest", "must be 'sha256:' and 64 lower-case hex digits"))?;
        let name = Check::required("feed", input.feed)?;
        Ok(Checked { repository, digest, name, is_forced: input.force.unwrap_or_default() })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        let RepositoryRef { registry, name } = &checked.repository;
        // What is wrong with a file is said, and so is some of what is in it.
        vec![
            Need::anywhere(Self::ACTION),
            Need::on_repository(Action::EcrGetDownloadUrlForLayer, registry, name.as_str()),
        ]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, WharfError> {
        let Checked { repository, digest, name, is_forced } = checked;
        let feeds = &call.app.advisories.feeds;
        let name = match named(feeds, &name) {
            Named::Files(mut of_name) if of_name.len() == 1 => of_name.remove(0),
            Named::Files(of_name) => {
                let (number, first) = (of_name.len(), of_name.first().cloned().unwrap_or_default());
                let rule = format!("must name one of the {number} files of the feed '{name}', such as '{first}'");
                return Err(WharfError::validation("feed", rule));
            }
            Named::Off => return Err(WharfError::AdvisoryFeedOff(name)),
            Named::Nothing => return Err(WharfError::AdvisoryFeedNotFound(name)),
        };
        let layer = layers::find(call.app, &repository, digest).await?.readable(call.app).await?;
        let limit = files(feeds).find(|(file, ..)| *file == name).map_or(0, |(_, feed, _)| feed.packed_bytes);
        if layer.location().size_bytes().is_some_and(|bytes| bytes > limit) {
            let rule = format!("must have at most {limit} bytes, as files of this feed have");
            return Err(WharfError::validation("layerDigest", rule));
        }
        let (file, now_ms) = (name.clone(), call.app.now_ms());
        let asked = call.app.db.write(move |tx| {
            let repository = require(tx, &repository)?;
            Ok::<_, WharfError>(import_advisories::ask(tx, &file, (&repository, &digest), is_forced, now_ms)?)
        });
        let revision = asked.await?;
        call.app.wake_jobs.wake();
        Ok(Output { name, revision })
    }
}
