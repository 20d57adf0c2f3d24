//! `wharf scan`: has an image scanned, waits, and shows what was found.

mod explain;

use std::time::Duration as Wait;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::duration::Duration;
use crate::error::Error;
use crate::image_scan::{self, FailOn, ImageId, ShowArgs, show};
use crate::named_image::{NamedImage, Place};
use crate::output::{field, fields};
use crate::waiting::Waiting;
use crate::{Outcome, Session};

/// How soon the scan is looked at first, and how seldom in the end.
const LOOK_FIRST: Wait = Wait::from_millis(100);
const LOOK_LAST: Wait = Wait::from_secs(2);

#[derive(Args, Debug)]
#[command(subcommand_negates_reqs = true, subcommand_precedence_over_arg = true)]
pub struct ScanArgs {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: StartArgs,
}

#[derive(Args, Debug)]
struct StartArgs {
    /// Image: REPO:TAG, REPO@DIGEST, or REPO for its tag latest. The registry's host may stand in front. Of an index all
    /// platforms are scanned.
    #[arg(required = true)]
    image: Option<NamedImage>,
    #[command(flatten)]
    show: ShowArgs,
    /// Start the scan without waiting for what it finds.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait [default: 15m].
    #[arg(long, value_name = "TIME", conflicts_with = "no_wait")]
    timeout: Option<Duration>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Why an image is said to have a vulnerability, or why not. Exits with 1 if it has nothing to do with it.
    Explain(explain::ExplainArgs),
}

/// Waiting that somebody would call too long.
const TIMEOUT_SECONDS: u64 = 15 * 60;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartAnswer {
    image_id: ImageId,
}

impl ScanArgs {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        match (self.command, self.start.image.as_ref()) {
            (Some(Command::Explain(explain)), None) if self.start.is_bare() => explain.run(session).await,
            (Some(_), _) => Err(Error::Usage("what has an image scanned goes without `explain`".to_owned())),
            (None, Some(image)) => self.start.run(session, image).await,
            (None, None) => Err(Error::Usage("name an image: REPO, REPO:TAG or REPO@DIGEST".to_owned())),
        }
    }
}

impl StartArgs {
    /// Whether none of it was given.
    fn is_bare(&self) -> bool {
        self.image.is_none() && self.show == ShowArgs::default() && !self.no_wait && self.timeout.is_none()
    }

    async fn run(&self, session: &mut Session<'_>, image: &NamedImage) -> Result<Outcome, Error> {
        let Session { client, output } = session;
        let place = image.place(client)?;
        let started: StartAnswer = place.call(client, "StartImageScan", json!({})).await?;
        // The tag may move meanwhile.
        let scanned = place.with_id(json!({ "imageDigest": started.image_id.image_digest }));
        if self.no_wait {
            let shown = json!({
                "repositoryName": place.repository,
                "imageDigest": started.image_id.image_digest,
                "imageTag": started.image_id.image_tag,
            });
            let digest = started.image_id.image_digest.unwrap_or_default();
            let text = fields(&[
                field("Scan", format!("started of {image}")),
                field("Digest", &digest),
                field("Found", format!("`wharf findings {}@{digest}`, once it has ended", image.repository_name())),
            ]);
            output.show(&shown, |_| text)?;
            return Ok(Outcome::Done);
        }
        let timeout = Wait::from_secs(self.timeout.map_or(TIMEOUT_SECONDS, Duration::seconds));
        wait(client, &scanned, &place.name(), timeout).await?;
        let mut scan = image_scan::read(client, &scanned).await?;
        scan.image_id.image_tag = started.image_id.image_tag;
        show(output, scan, self.show.gate(FailOn::Any))
    }
}

/// Waits until the scans of all platforms have ended, or the time is up; says meanwhile how far they are of what is called `name`.
async fn wait(client: &Client, scanned: &Place, name: &str, timeout: Wait) -> Result<(), Error> {
    let (mut waiting, mut pause) = (Waiting::new(), LOOK_FIRST);
    loop {
        let scan = image_scan::read_state(client, scanned).await?;
        let Some(open) = scan.open().next() else { return Ok(()) };
        let left = timeout.saturating_sub(waiting.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        let (done, all) = (scan.platforms.len() - scan.open().count(), scan.platforms.len());
        let words = open.scan.as_ref().map(image_scan::Scan::words).unwrap_or_default();
        waiting.show(0, 0, &progress(name, done, all, open.name(), &words));
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 3 / 2).min(LOOK_LAST);
    }
}

fn progress(image: &str, done: usize, all: usize, platform: &str, words: &str) -> String {
    match all {
        0 | 1 => format!("{image}: the scan is {words}"),
        _ => format!("{image}: {done} of {all} platforms scanned; {platform} is {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::progress;

    #[test]
    fn how_far() {
        assert_eq!(progress("app:v1", 0, 1, "linux/amd64", "in progress"), "app:v1: the scan is in progress");
        assert_eq!(
            progress("app:v1", 1, 2, "linux/arm64", "pending: advisories come"),
            "app:v1: 1 of 2 platforms scanned; linux/arm64 is pending: advisories come"
        );
    }
}
