//! Puts a new revision of a feed's file in force: what has changed is written beside what counts, and counts when all of it is
//! there.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek};
use std::ops::ControlFlow;

use runtime::boxed;
use scan::ecosystem::Ecosystem;
use scan::feeds::catalog::{Feed, FeedFile};
use scan::feeds::{self, Record, Report};
use scan::stored::{self, StoredAdvisory};
use store::db::{Db, Tx};
use store::error::StoreError;
use store::tables::advisory_feeds::{self, NewRevision};
use store::tables::advisory_records::{self, NewPackage, NewRecord, PackageKey, RecordKind};
use tokio::sync::mpsc;

/// Records of one transaction: pushes go between them.
const BATCH: usize = 200;
/// Rows of the packages of such records; an advisory may have thousands.
const BATCH_ROWS: usize = 2_000;
/// Bytes of such records; an advisory may have millions.
const BATCH_BYTES: usize = 4 << 20;
/// Batches that wait to be written while another one is written and the next is made.
const WAITING: usize = 1;

/// Why a file of a feed does not come into force. What was in force stays.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is no whole file of the feed.
    #[error("what was fetched is no whole revision: {0}")]
    Unfit(String),
    /// It has hardly anything of what is in force.
    #[error(
        "it has {records} records where {in_force} are in force: less than half of them is hardly a revision of it"
    )]
    Shrunk {
        /// Records that it has.
        records: u64,
        /// Records that are in force.
        in_force: u64,
    },
    /// Another update has put a revision in force meanwhile.
    #[error("another update of it has come first")]
    Overtaken,
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// The revision that is in force now.
    pub revision: i64,
    /// Records that are new or have changed.
    pub written: u64,
    /// Records that are not there any more, or have changed.
    pub ended: u64,
    /// How reading went.
    pub records: u64,
    /// Records that could not be read.
    pub broken: u64,
}

/// What is known of a file that was fetched, beside its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileNotes {
    /// How its publisher is asked whether it has changed, as JSON.
    pub files: String,
    /// When its publisher changed it last, as far as the publisher says.
    pub source_updated_at_ms: Option<i64>,
}

/// Whether a file may be put in force that has less than half of the records that are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shrinking {
    /// No: publishers lose files.
    Refused,
    /// Yes: somebody has said so.
    Allowed,
}

/// Of fewer records in force, half is soon gone.
const FEW: u64 = 100;

/// A file of a feed, open to be read.
pub struct OpenFile<R> {
    /// The content, as it is published.
    pub input: R,
    /// An empty file for what is unpacked on the way.
    pub scratch: Option<File>,
}

/// Reads a file of a feed, and puts it in force as the next revision.
#[boxed]
pub async fn put_in_force<R: Read + Seek + Send + 'static>(
    db: &Db,
    name: &str,
    (feed, file): (&Feed, &FeedFile),
    open: OpenFile<R>,
    (notes, shrinking): (&FileNotes, Shrinking),
    now_ms: i64,
) -> Result<Updated, Refused> {
    let (asked, writer) = (name.to_owned(), runtime::random::uuid().to_string());
    let begun = writer.clone();
    // Who was at it before, and may go on where it was held up, puts nothing in force any more.
    let known = db.write(move |tx: &mut dyn Tx| {
        advisory_feeds::begin(tx, &asked, &begun)?;
        advisory_feeds::find(tx, &asked)
    });
    let known = known.await.map_err(|error: StoreError| Refused::Store(error))?;
    let in_force = known.as_ref().map_or(0, |known| known.records.max(0).cast_unsigned());
    let revision = 1 + known.map_or(0, |known| known.revision);
    take_back(db, name, revision).await?;
    let (send, mut batches) = mpsc::channel(WAITING);
    let (covers, release) = (feed.covers.clone(), file.release.clone());
    let (feed, file) = (feed.clone(), file.clone());
    let reading = runtime::tasks::blocking("reading advisories", move || read(&feed, &file, open, &send));
    let mut update = Update { db, name, revision, kept: HashSet::new(), written: 0 };
    let mut written = Ok(());
    while let Some(batch) = batches.recv().await {
        written = update.write(batch).await;
        if written.is_err() {
            break;
        }
    }
    drop(batches);
    let (report, of_others) = reading.await?;
    written?;
    let (records, broken) = (report.records, report.broken);
    let refused = if !report.is_fit() {
        Some(Refused::Unfit(unfit(&report)))
    } else if of_others.saturating_mul(2) > records {
        let own = own_places(&covers, release.as_deref());
        Some(Refused::Unfit(format!("{of_others} of its {records} records tell of others than packages of {own}")))
    } else if shrinking == Shrinking::Refused && in_force >= FEW && records.saturating_mul(2) < in_force {
        Some(Refused::Shrunk { records, in_force })
    } else {
        None
    };
    if let Some(refused) = refused {
        take_back(db, name, revision).await?;
        return Err(refused);
    }
    let ended = update.end_others().await?;
    let put = (name.to_owned(), notes.clone(), writer);
    let is_in_force = db
        .write(move |tx| {
            let (name, notes, writer) = &put;
            let new = NewRevision {
                revision,
                writer,
                files: &notes.files,
                source_updated_at_ms: notes.source_updated_at_ms,
                records: records.cast_signed(),
                broken: broken.cast_signed(),
            };
            advisory_feeds::put_in_force(tx, name, &new, now_ms)
        })
        .await
        .map_err(|error: StoreError| Refused::Store(error))?;
    if !is_in_force {
        return Err(Refused::Overtaken);
    }
    delete_ended(db, name, revision).await?;
    Ok(Updated { revision, written: update.written, ended, records, broken })
}

fn unfit(report: &Report) -> String {
    match (&report.ended, report.problems.first()) {
        (Some(why), _) => why.clone(),
        (None, Some(problem)) => format!(
            "{} of {} records are broken, such as {problem}",
            report.broken,
            report.records.saturating_add(report.broken)
        ),
        (None, None) => "it has no records".to_owned(),
    }
}

/// Takes back what an update that was cut off has written.
async fn take_back(db: &Db, name: &str, revision: i64) -> Result<(), StoreError> {
    loop {
        let name = name.to_owned();
        if !db.write(move |tx| advisory_records::take_back(tx, &name, revision, BATCH)).await? {
            return Ok(());
        }
    }
}

/// Removes what ended before the revision that was in force before this one: one is kept, to tell what has changed. Whoever puts a
/// revision in force does it, and whoever finds that it is in force, as the other may have died before.
pub(crate) async fn delete_ended(db: &Db, name: &str, revision: i64) -> Result<(), StoreError> {
    loop {
        let name = name.to_owned();
        if !db.write(move |tx| advisory_records::delete_ended(tx, &name, revision, BATCH)).await? {
            return Ok(());
        }
    }
}

/// The ecosystems that a feed tells of, with the release that a file of it is for.
fn own_places(covers: &[Ecosystem], release: Option<&str>) -> String {
    let release = release.map(|release| format!(" {release}")).unwrap_or_default();
    covers.iter().map(|ecosystem| format!("{}{release}", ecosystem.name())).collect::<Vec<_>>().join(", ")
}

/// Reads the file on a thread of its own, and hands its records on in batches. Says too how many of them tell of others than the
/// packages that the file is for: that is not its to tell.
fn read<R: Read + Seek>(
    feed: &Feed,
    file: &FeedFile,
    mut open: OpenFile<R>,
    send: &mpsc::Sender<Vec<NewRecord>>,
) -> (Report, u64) {
    let (mut batch, mut rows, mut bytes, mut of_others) = (Vec::new(), 0, 0, 0);
    let mut hand_on = |record: Record| {
        let has_rows = matches!(&record, Record::Advisory(advisory) if !advisory.affected.is_empty());
        let new = new_record(record, &feed.covers, file.release.as_deref());
        rows += new.packages.len();
        bytes += bytes_of(&new);
        of_others += u64::from(has_rows && new.packages.is_empty());
        batch.push(new);
        if batch.len() < BATCH && rows < BATCH_ROWS && bytes < BATCH_BYTES {
            return ControlFlow::Continue(());
        }
        (rows, bytes) = (0, 0);
        match send.blocking_send(std::mem::take(&mut batch)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let (about, limits) = (feed.about(file), feed.limits());
    let scratch = open.scratch.as_mut();
    let report = feeds::import_file(feed.form, feed.packaging, about, open.input, scratch, &limits, &mut hand_on);
    // Whoever receives has failed if this does.
    let _ = send.blocking_send(batch);
    (report, of_others)
}

/// How many bytes are stored of a record, without those of the rows that name its vulnerabilities and packages.
fn bytes_of(new: &NewRecord) -> usize {
    let packages = new.packages.iter().map(|package| package.key.name.len().saturating_add(package.body.len()));
    [new.head.len(), new.details.len()].into_iter().chain(packages).fold(0, usize::saturating_add)
}

/// A record as it is stored.
fn new_record(record: Record, covers: &[Ecosystem], release: Option<&str>) -> NewRecord {
    let known = |record: String, kind, head: Vec<u8>| {
        let hash = stored::hash_of(&record, &head).to_vec();
        NewRecord { record, kind, hash, head, details: Vec::new(), packages: Vec::new(), vulnerabilities: Vec::new() }
    };
    match record {
        Record::Advisory(advisory) => {
            let vulnerabilities = advisory.head.vulnerabilities.iter().chain(&advisory.head.aliases);
            let mut vulnerabilities: Vec<String> = vulnerabilities.cloned().collect();
            vulnerabilities.sort_unstable();
            vulnerabilities.dedup();
            let StoredAdvisory { id, head, details, rows, hash, matching_hash, .. } = StoredAdvisory::of(&advisory);
            let is_own = |row: &stored::StoredRow| {
                covers.contains(&row.ecosystem) && release.is_none_or(|release| row.release == release)
            };
            let package = |row: stored::StoredRow| NewPackage {
                key: PackageKey { ecosystem: row.ecosystem.name().to_owned(), release: row.release, name: row.name },
                body: row.bytes,
            };
            NewRecord {
                record: id,
                kind: RecordKind::Advisory,
                hash: [hash, matching_hash].concat(),
                head,
                details,
                packages: rows.into_iter().filter(is_own).map(package).collect(),
                vulnerabilities,
            }
        }
        Record::Scores(scores) => {
            let head = stored::scores_to_bytes(&scores);
            known(scores.id, RecordKind::Scores, head)
        }
        Record::Exploited(exploited) => {
            let head = stored::exploited_to_bytes(&exploited);
            known(exploited.id, RecordKind::Exploited, head)
        }
        Record::Likelihood(likelihood) => {
            let head = stored::likelihood_to_bytes(&likelihood);
            known(likelihood.id, RecordKind::Likelihood, head)
        }
    }
}

/// The writing of a revision.
struct Update<'a> {
    db: &'a Db,
    name: &'a str,
    revision: i64,
    /// The rows of records that are as they were.
    kept: HashSet<i64>,
    written: u64,
}

impl Update<'_> {
    /// Writes those records of a batch that are new or have changed.
    async fn write(&mut self, batch: Vec<NewRecord>) -> Result<(), StoreError> {
        let (name, revision) = (self.name.to_owned(), self.revision);
        let work = move |tx: &mut dyn Tx| write_batch(tx, &name, revision, &batch);
        let (kept, written) = self.db.write(work).await?;
        self.kept.extend(kept);
        self.written += written;
        Ok(())
    }

    /// Lets those records end with the revision that were there before and did not come; says how many.
    async fn end_others(&mut self) -> Result<u64, StoreError> {
        let (mut after, mut ended) = (0, 0);
        loop {
            let (name, revision) = (self.name.to_owned(), self.revision);
            let page =
                self.db.read(move |tx| advisory_records::list_before(tx, &name, revision, after, 5 * BATCH)).await?;
            let Some(last) = page.last() else { return Ok(ended) };
            after = last.id;
            let gone: Vec<i64> = page.iter().map(|known| known.id).filter(|id| !self.kept.contains(id)).collect();
            ended += gone.len() as u64;
            if !gone.is_empty() {
                self.db.write(move |tx| advisory_records::end(tx, &gone, revision)).await?;
            }
        }
    }
}

/// Writes what is not there as it is in the batch; returns the rows of what is.
fn write_batch(tx: &mut dyn Tx, name: &str, revision: i64, batch: &[NewRecord]) -> Result<(Vec<i64>, u64), StoreError> {
    let asked: HashSet<(&str, &[u8])> = batch.iter().map(|new| (new.record.as_str(), new.hash.as_slice())).collect();
    let asked: Vec<(&str, &[u8])> = asked.into_iter().collect();
    let known = advisory_records::known(tx, name, &asked)?;
    // A feed may have several records of one name.
    let mut by_content: HashMap<(&str, &[u8]), i64> =
        known.iter().map(|known| ((known.record.as_str(), known.hash.as_slice()), known.id)).collect();
    let (mut kept, mut written) = (Vec::new(), 0);
    for new in batch {
        match by_content.get(&(new.record.as_str(), new.hash.as_slice())) {
            Some(id) => kept.push(*id),
            None => {
                advisory_records::insert(tx, name, revision, new)?;
                by_content.insert((&new.record, &new.hash), 0);
                written += 1;
            }
        }
    }
    Ok((kept, written))
}
