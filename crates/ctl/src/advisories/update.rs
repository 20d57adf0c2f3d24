//! `wharf advisories update`.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::count::counted;
use crate::error::Error;
use crate::waiting::Waiting;
use crate::{Outcome, Session};

use super::answer::{Answer, File, Job};
use super::describe;

/// How often it is looked how far the server is.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(300);
/// As many as the server takes at once.
const MAX_NAMES: usize = 1_000;

#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// Feeds, such as debian, or files of them, such as alpine/v3.20/main; all that are wanted if none is named.
    #[arg(value_name = "FEED")]
    names: Vec<String>,
    /// Wait until they are there.
    #[arg(long)]
    wait: bool,
}

#[derive(Deserialize, Serialize)]
struct Asked {
    files: Vec<String>,
}

/// Whether an update of it waits or is under way.
fn goes_on(file: &File) -> bool {
    file.update.as_ref().is_some_and(Job::goes_on)
}

/// What is done with it at this moment.
fn under_way(file: &File) -> String {
    match &file.update {
        Some(Job { status, last_error: Some(why), .. }) if status == "WAITING" => format!("tried again after: {why}"),
        Some(Job { status, .. }) if status == "WAITING" => "waiting for its turn".to_owned(),
        _ => "being fetched".to_owned(),
    }
}

impl UpdateArgs {
    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        let Session { client, output } = session;
        let input =
            if self.names.is_empty() { Value::Object(serde_json::Map::new()) } else { json!({ "names": self.names }) };
        let asked: Asked = client.wharf("UpdateAdvisories", &input).await?;
        if !self.wait || asked.files.is_empty() {
            output.show(&asked, |asked| match asked.files.len() {
                0 => "No advisories are wanted yet: the first scan of an image has those fetched that it needs. Name a feed \
                      to have it now; `wharf advisories sources` lists them"
                    .to_owned(),
                number => format!(
                    "{} asked for; `wharf advisories status` shows how far they are",
                    counted(number, "file is", "files are")
                ),
            })?;
            return Ok(Outcome::Done);
        }
        // More are told of all at once.
        let names = if asked.files.len() > MAX_NAMES { &[][..] } else { &asked.files };
        let mut waiting = Waiting::new();
        let files = loop {
            let Answer { mut files, .. } = describe(client, names).await?;
            files.retain(|file| asked.files.contains(&file.name));
            let Some(next) = files.iter().find(|file| goes_on(file)) else { break files };
            let left = files.iter().filter(|file| goes_on(file)).count();
            let (done, all) = (files.len() - left, files.len());
            let text =
                format!("{} is {}; {done} of {} done", next.name, under_way(next), counted(all, "file", "files"));
            waiting.show(done as u64, all as u64, &text);
            tokio::time::sleep(LOOK_EVERY).await;
        };
        waiting.clear();
        let now_ms = client.now_ms();
        output.list(&files, "Nothing was asked for.", &File::COLUMNS, |file| file.row(now_ms))?;
        let is_good = files.iter().all(File::is_good);
        Ok(if is_good { Outcome::Done } else { Outcome::No })
    }
}
