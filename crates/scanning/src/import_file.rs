//! Reads a feed's file out of a layer, and puts it in force, without any network.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use oci::Digest;
use registry::images::errors::RegistryError;
use registry::images::repositories::reference;
use registry::layers;
use registry::layers::reading::Unread;
use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, JobError};
use scan::feeds::catalog::{Feed, FeedFile};
use scan::feeds::{Compression, Packaging};
use store::blob::BlockingReader;
use store::error::StoreError;
use store::tables::repositories;

use crate::advisory_state::files;
use crate::advisory_update::{self, FileNotes, OpenFile, Refused, Shrinking, Updated};
use crate::context::Scanning;
use crate::fetch::Known;
use crate::fetch_advisories::{Notes, note_in_force, scratch};
use crate::import_advisories::{ImportAdvisories, is_being_updated};

/// How long an update that is under way is waited for before the next look.
const LOOK_AGAIN_MS: i64 = 1_000;

impl Handle<Scanning> for ImportAdvisories {
    const AT_ONCE: usize = 1;
    /// Whoever asked for it waits.
    const MAX_ATTEMPTS: i64 = 5;

    async fn run(self, app: Arc<Scanning>, _: Attempt) -> Result<(), JobError> {
        let name = self.file.clone();
        let feeds = &app.advisories.feeds;
        let Some((_, feed, file)) = files(feeds).find(|(known, ..)| *known == name) else {
            return Err(JobError::Hopeless(format!("there is no feed with a file '{name}', or it is switched off")));
        };
        let asked = name.clone();
        if app.db.read(move |tx| is_being_updated(tx, &asked)).await.map_err(|error: StoreError| error)? {
            return Err(JobError::TooEarly { until_ms: app.now_ms() + LOOK_AGAIN_MS });
        }
        let updated = self.import(&app, &name, (feed, file)).await?;
        tracing::info!(
            "advisories {name} were imported and are in force as revision {}: {} records, {} new or changed, {} gone or \
             changed, {} broken",
            updated.revision,
            updated.records,
            updated.written,
            updated.ended,
            updated.broken
        );
        app.metrics.scans.updates.increment();
        note_in_force(&app, updated.revision).await?;
        Ok(())
    }
}

impl ImportAdvisories {
    async fn import(&self, app: &Arc<Scanning>, name: &str, which: (&Feed, &FeedFile)) -> Result<Updated, JobError> {
        let limit = which.0.packed_bytes;
        let reader = self.open(app, limit).await?;
        let input = copy(app, reader, limit).await?;
        let mut head = [0; 6];
        // Unlike a read, this leaves the file where it is.
        let read = input.read_at(&mut head, 0).map_err(|error| StoreError::io("the copy cannot be read", error))?;
        let begins = begins_as(&head[..read]).map(|what| format!("; this one begins as {what} does"));
        let begins = begins.unwrap_or_default();
        let open = OpenFile { input: io::BufReader::new(input), scratch: scratch(app, which.0)? };
        let known = Known { sha256: self.sha256(), ..Known::default() };
        let notes = FileNotes { files: Notes::text(&known)?, source_updated_at_ms: None };
        let shrinking = if self.is_forced { Shrinking::Allowed } else { Shrinking::Refused };
        let put = advisory_update::put_in_force(&app.db, name, which, open, (&notes, shrinking), app.now_ms()).await;
        put.map_err(|refused| match refused {
            Refused::Store(error) => JobError::Store(error),
            Refused::Overtaken => JobError::Failed(refused.to_string()),
            Refused::Shrunk { .. } => JobError::Hopeless(format!(
                "{refused}. What was in force stays; if the file is right, import it with '--force'"
            )),
            // The same bytes will be no other the next time.
            Refused::Unfit(why) => JobError::Hopeless(format!(
                "the file cannot be used: {why}. What was in force stays. Files of the feed '{}' are of the form {}, {}{begins}",
                which.0.name,
                which.0.form,
                match which.0.packaging {
                    Packaging::File(Compression::None) => "not packed".to_owned(),
                    packaging => format!("packed as {packaging}"),
                }
            )),
        })
    }

    /// The layer, if it can be the file of a feed that has so many bytes at most.
    async fn open(&self, app: &Arc<Scanning>, limit: u64) -> Result<BlockingReader, JobError> {
        let digest = self.digest.parse::<Digest>();
        let digest = digest.map_err(|_| JobError::Hopeless(format!("'{}' is no digest", self.digest)))?;
        let gone = || JobError::Hopeless(format!("the layer {digest} is not there any more: upload it again"));
        let id = self.repository_id;
        let repository = app.db.read(move |tx| repositories::find_by_id(tx, id)).await?.ok_or_else(gone)?;
        let found = async { layers::find(app, &reference(&repository), digest).await?.readable(app).await };
        let layer = match found.await {
            Ok(layer) => layer,
            Err(RegistryError::LayerNotFound(..) | RegistryError::RepositoryNotFound(_)) => return Err(gone()),
            Err(RegistryError::Store(error)) => return Err(error.into()),
            Err(error) => return Err(JobError::Failed(error.to_string())),
        };
        if layer.location().size_bytes().is_some_and(|bytes| bytes > limit) {
            return Err(too_large(limit));
        }
        layer.blocking(&app.registry).await.map_err(|unread| match unread {
            Unread::NotOpened(RegistryError::Store(error)) => error.into(),
            unread => JobError::Failed(unread.to_string()),
        })
    }

    /// The digest as feeds write checksums; empty if it is another kind of digest.
    fn sha256(&self) -> String {
        self.digest.strip_prefix("sha256:").unwrap_or_default().to_owned()
    }
}

/// What a file is by its first bytes.
fn begins_as(head: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 8] = [
        (b"PK\x03\x04", "a zip"),
        (b"\x1f\x8b", "a gzip file"),
        (b"\xfd7zXZ\0", "an xz file"),
        (b"BZh", "a bzip2 file"),
        (b"\x28\xb5\x2f\xfd", "a zstd file"),
        (b"<", "a page of HTML or XML"),
        (b"{", "JSON"),
        (b"[", "JSON"),
    ];
    KNOWN.iter().find(|(begin, _)| head.starts_with(begin)).map(|(_, what)| *what)
}

fn too_large(limit: u64) -> JobError {
    JobError::Hopeless(format!("the file is larger than {limit} bytes, which files of this feed have at most"))
}

/// Copies a layer into a file without a name: archives are read from their end.
async fn copy(app: &Arc<Scanning>, reader: BlockingReader, limit: u64) -> Result<File, JobError> {
    app.require_room()?;
    let folder = app.spool_folder.clone();
    let copied = runtime::tasks::blocking("copying a layer", move || {
        let mut file = runtime::files::temporary(&folder)?;
        let copied = io::copy(&mut reader.take(limit + 1), &mut file)?;
        file.flush()?;
        file.rewind()?;
        Ok::<_, io::Error>((file, copied))
    });
    let (file, bytes) = copied.await?.map_err(|error| StoreError::io("the layer cannot be copied", error))?;
    if bytes > limit { Err(too_large(limit)) } else { Ok(file) }
}
