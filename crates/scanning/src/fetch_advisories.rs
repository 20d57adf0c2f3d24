//! Fetches a file of a feed in the background, and puts it in force if it is another one than before.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, JobError};
use runtime::timer;
use scan::feeds::Packaging;
use scan::feeds::catalog::{Feed, FeedFile};
use scan::stored::VERSION;
use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::tables::advisory_feeds::{self, WantedFeed};
use store::tables::image_scans;

use crate::advisory_state::files;
use crate::advisory_update::{self, FileNotes, OpenFile, Refused, Shrinking, Updated};
use crate::context::Scanning;
use crate::fetch::{FetchError, Fetched, Known, Outcome, Wanted};
use crate::import_advisories::is_asked_for;
use crate::update_advisories::{UpdateAdvisories, let_go_on};

/// A feed of a gigabyte comes in that time at 600 KiB a second; what has come is kept.
const DEADLINE: Duration = Duration::from_secs(30 * 60);
/// How long an import of the same file is waited for before the next look.
const LOOK_AGAIN_MS: i64 = 1_000;

/// What is stored of a file, to tell whether there is a newer one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// The version of the forms in which its records are stored: with another one it is imported anew.
    #[serde(default)]
    version: u8,
    /// The file itself.
    #[serde(default)]
    known: Option<Known>,
}

impl Notes {
    fn of(wanted: &WantedFeed) -> Option<Known> {
        let notes: Self = serde_json::from_str(&wanted.files).unwrap_or_default();
        notes.known.filter(|_| notes.version == VERSION && wanted.revision > 0)
    }

    /// Of a file that is known so, for storage.
    pub(crate) fn text(known: &Known) -> Result<String, JobError> {
        let notes = Self { version: VERSION, known: Some(known.clone()) };
        serde_json::to_string(&notes).map_err(|error| JobError::Hopeless(error.to_string()))
    }
}

impl Handle<Scanning> for UpdateAdvisories {
    // Reading a feed takes a processor, and storing it goes between pushes.
    const AT_ONCE: usize = 1;
    // The round tries it again.
    const MAX_ATTEMPTS: i64 = 3;

    async fn run(self, app: Arc<Scanning>, attempt: Attempt) -> Result<(), JobError> {
        let name = self.file;
        let Some((_, feed, file)) = files(&app.advisories.feeds).find(|(known, ..)| *known == name) else {
            return Ok(());
        };
        let asked = name.clone();
        let found = app.db.read(move |tx| Ok((advisory_feeds::find(tx, &asked)?, is_asked_for(tx, &asked)?)));
        let (wanted, is_imported) = found.await.map_err(|error: StoreError| JobError::from(error))?;
        let Some(wanted) = wanted.filter(|_| !app.advisories.is_offline) else { return Ok(()) };
        if is_imported {
            return Err(JobError::TooEarly { until_ms: app.now_ms() + LOOK_AGAIN_MS });
        }
        match update(&app, &name, (feed, file), &wanted).await {
            Ok(()) => Ok(()),
            Err(Failed::Storage(error)) => Err(error),
            Err(Failed::Feed(why)) => {
                tracing::warn!("advisories {name} were not updated: {why}");
                app.metrics.scans.failed_updates.increment();
                let (failed, said, now_ms) = (name.clone(), why.clone(), app.now_ms());
                let noted = app.db.write(move |tx| advisory_feeds::note_failure(tx, &failed, &said, now_ms)).await;
                noted.map_err(|error: StoreError| JobError::from(error))?;
                // Whoever waits is told.
                let_go_on(&app).await.map_err(JobError::from)?;
                if attempt.is_last { Ok(()) } else { Err(JobError::Failed(why)) }
            }
        }
    }
}

/// Why a file is not updated.
enum Failed {
    /// It cannot be fetched, or is no whole revision.
    Feed(String),
    /// Storage failed.
    Storage(JobError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Storage(error.into())
    }
}

impl From<JobError> for Failed {
    fn from(error: JobError) -> Self {
        Self::Storage(error)
    }
}

impl From<FetchError> for Failed {
    fn from(error: FetchError) -> Self {
        Self::Feed(runtime::with_causes(&error))
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Store(error) => error.into(),
            Refused::Shrunk { .. } => Self::Feed(format!(
                "{refused}. What is in force stays; if it is right, fetch the file and import it with 'wharf advisories import --force'"
            )),
            Refused::Unfit(_) | Refused::Overtaken => Self::Feed(refused.to_string()),
        }
    }
}

fn disk(what: &str, error: std::io::Error) -> Failed {
    StoreError::io(format!("{what} cannot be opened"), error).into()
}

/// Fetches a file, and puts it in force if it has changed.
async fn update(
    app: &Scanning,
    name: &str,
    (feed, file): (&Feed, &FeedFile),
    wanted: &WantedFeed,
) -> Result<(), Failed> {
    let known = Notes::of(wanted);
    let place = place(app, name).await?;
    // A server that dies when it has read a file leaves it.
    match runtime::files::remove_file(&place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(disk("what was fetched", error)),
        _ => {}
    }
    let deadline = timer::now() + DEADLINE;
    let wants = Wanted { feed, file, known: known.as_ref(), place: &place, deadline };
    match app.fetcher.fetch(wants).await? {
        Outcome::Same(known) => {
            advisory_update::delete_ended(&app.db, name, wanted.revision).await?;
            let (name, notes, now_ms) = (name.to_owned(), Notes::text(&known)?, app.now_ms());
            let done = app.db.write(move |tx| advisory_feeds::note_current(tx, &name, &notes, now_ms)).await;
            done.map_err(|error: StoreError| Failed::from(error))?;
            let_go_on(app).await?;
            Ok(())
        }
        Outcome::Fetched(fetched) => {
            let updated = import(app, name, (feed, file), &fetched).await;
            // It was read, and is fetched again if it comes to that.
            runtime::files::remove_file(&fetched.path).map_err(|error| disk("what was fetched", error))?;
            let updated = updated?;
            app.metrics.scans.updates.increment();
            tracing::info!(
                "advisories {name} are in force as revision {}: {} records, {} new or changed, {} gone or changed, {} broken",
                updated.revision,
                updated.records,
                updated.written,
                updated.ended,
                updated.broken
            );
            Ok(note_in_force(app, updated.revision).await?)
        }
    }
}

/// Lets scans go on that have waited for a file which is in force as of now.
pub(crate) async fn note_in_force(app: &Scanning, revision: i64) -> Result<(), StoreError> {
    // Who was told that there is nothing is told otherwise.
    if revision == 1 {
        let now_ms = app.now_ms();
        app.db.write(move |tx| image_scans::request_failed(tx, now_ms)).await?;
    }
    let_go_on(app).await
}

/// An empty file for what is unpacked on the way, where that is needed.
pub(crate) fn scratch(app: &Scanning, feed: &Feed) -> Result<Option<File>, StoreError> {
    match feed.packaging {
        Packaging::ZipInZip => {
            let made = runtime::files::temporary(&app.spool_folder);
            made.map(Some).map_err(|error| StoreError::io("a file for what is unpacked cannot be opened", error))
        }
        Packaging::File(_) | Packaging::Tar(_) | Packaging::Zip => Ok(None),
    }
}

/// Where a file is put while it is read: a place of its own in the folder of what comes and goes.
async fn place(app: &Scanning, name: &str) -> Result<PathBuf, Failed> {
    let folder = app.spool_folder.join("advisories");
    let made = folder.clone();
    let made = runtime::tasks::blocking("making a folder", move || runtime::files::create_private_dir(&made));
    made.await?.map_err(|error| disk("the folder of what is fetched", error))?;
    Ok(folder.join(name.replace('/', "+")))
}

async fn import(app: &Scanning, name: &str, which: (&Feed, &FeedFile), fetched: &Fetched) -> Result<Updated, Failed> {
    let input = runtime::files::open(&fetched.path).map_err(|error| disk("what was fetched", error))?;
    let scratch = scratch(app, which.0)?;
    let notes = FileNotes {
        files: Notes::text(&fetched.known)?,
        source_updated_at_ms: fetched.known.last_modified.as_deref().and_then(aws::time::parse_http_date),
    };
    let open = OpenFile { input: std::io::BufReader::new(input), scratch };
    Ok(advisory_update::put_in_force(&app.db, name, which, open, (&notes, Shrinking::Refused), app.now_ms()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_form_is_imported_anew() {
        let known = Known { url: "https://example.com/a".to_owned(), sha256: "0".to_owned(), ..Known::default() };
        let wanted = |files: String, revision| WantedFeed {
            name: "debian".to_owned(),
            revision,
            files,
            source_updated_at_ms: None,
            changed_at_ms: None,
            checked_at_ms: None,
            attempted_at_ms: None,
            failure: None,
            records: 0,
            broken: 0,
        };
        let now = Notes::text(&known).expect("JSON");
        assert_eq!(Notes::of(&wanted(now.clone(), 1)), Some(known.clone()));
        assert_eq!(Notes::of(&wanted(now, 0)), None, "nothing is in force");
        let older = serde_json::to_string(&Notes { version: VERSION - 1, known: Some(known) }).expect("JSON");
        for files in [older, "{}".to_owned(), "damaged".to_owned()] {
            assert_eq!(Notes::of(&wanted(files, 1)), None);
        }
    }
}
