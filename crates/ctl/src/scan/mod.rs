//! `wharf scan`: has an image scanned, waits, and shows what was found.

mod explain;

use std::time::{Duration as Wait, Instant};

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::duration::Duration;
use crate::error::Error;
use crate::image_scan::{self, FailOn, ImageId, ImageScan, ShowArgs, show};
use crate::output::{field, fields};
use crate::progress::ProgressLine;
use crate::target::Target;
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
    /// Image: REPO:TAG, REPO@DIGEST, or REPO for its tag latest. Of an index all platforms are scanned.
    #[arg(required = true)]
    target: Option<Target>,
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
        match (self.command, self.start.target.as_ref()) {
            (Some(Command::Explain(explain)), None) if self.start.is_bare() => explain.run(session).await,
            (Some(_), _) => Err(Error::Usage("what has an image scanned goes without `explain`".to_owned())),
            (None, Some(target)) => self.start.run(session, target).await,
            (None, None) => Err(Error::Usage("name an image: REPO, REPO:TAG or REPO@DIGEST".to_owned())),
        }
    }
}

impl StartArgs {
    /// Whether none of it was given.
    fn is_bare(&self) -> bool {
        self.target.is_none() && self.show == ShowArgs::default() && !self.no_wait && self.timeout.is_none()
    }

    async fn run(&self, session: &mut Session<'_>, target: &Target) -> Result<Outcome, Error> {
        let Session { client, output } = session;
        let input = json!({ "repositoryName": target.repository, "imageId": target.one_image() });
        let started: StartAnswer = client.wharf("StartImageScan", &input).await?;
        // The tag may move meanwhile.
        let id = json!({ "imageDigest": started.image_id.image_digest });
        if self.no_wait {
            let shown = json!({
                "repositoryName": target.repository,
                "imageDigest": started.image_id.image_digest,
                "imageTag": started.image_id.image_tag,
            });
            let digest = started.image_id.image_digest.unwrap_or_default();
            let text = fields(&[
                field("Scan", format!("started of {target}")),
                field("Digest", &digest),
                field("Found", format!("`wharf findings {}@{digest}`, once it has ended", target.repository)),
            ]);
            output.show(&shown, |_| text)?;
            return Ok(Outcome::Done);
        }
        let timeout = Wait::from_secs(self.timeout.map_or(TIMEOUT_SECONDS, Duration::seconds));
        wait(client, &target.repository, &id, timeout).await?;
        let mut scan = image_scan::read(client, &target.repository, &id).await?;
        scan.image_id.image_tag = started.image_id.image_tag;
        show(output, scan, self.show.gate(FailOn::Any))
    }
}

/// Waits until the scans of all platforms have ended, or the time is up.
async fn wait(client: &Client, repository: &str, id: &Value, timeout: Wait) -> Result<(), Error> {
    let (began, mut line, mut pause) = (Instant::now(), ProgressLine::new(), LOOK_FIRST);
    loop {
        let scan = image_scan::read_state(client, repository, id).await?;
        let Some(open) = scan.open().next() else { return Ok(()) };
        let left = timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        let (done, all) = (scan.platforms.len() - scan.open().count(), scan.platforms.len());
        let words = open.scan.as_ref().map(image_scan::Scan::words).unwrap_or_default();
        line.show(0, 0, &progress(&scan, done, all, open.name(), &words));
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 3 / 2).min(LOOK_LAST);
    }
}

fn progress(scan: &ImageScan, done: usize, all: usize, name: &str, words: &str) -> String {
    let text = if all > 1 {
        format!("{}: {done} of {all} platforms scanned; {name} is {words}", scan.repository_name)
    } else {
        format!("{}: the scan is {words}", scan.repository_name)
    };
    crate::output::clean(&text)
}
