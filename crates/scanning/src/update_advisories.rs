//! Keeps advisories current: which files of which feeds are wanted, and the job that fetches one.

use std::collections::BTreeSet;

use runtime::boxed;
use runtime::jobs::job::{self, Job};
use scan::feeds::catalog::Feed;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::StoreError;
use store::tables::advisory_feeds::{self, WantedFeed};
use store::tables::advisory_records;
use store::tables::image_scans::{self, WaitingScan};

use crate::advisory_state::{Places, file_name, files};
use crate::context::Scanning;
use crate::scan_image::ScanImage;

/// Scans that are let go on in one transaction.
const WAITING: usize = 500;
/// Records that are forgotten in one transaction.
const FORGOTTEN: usize = 500;
/// What could not be fetched is tried again after so long at the latest.
const RETRY_MS: i64 = 60 * 60 * 1000;

/// The job, of one file of a feed.
#[derive(Debug, Serialize, Deserialize)]
pub struct UpdateAdvisories {
    /// The file, by the name under which it is stored.
    pub file: String,
}

impl Job for UpdateAdvisories {
    const KIND: &'static str = "update_advisories";

    fn key(&self) -> String {
        self.file.clone()
    }
}

/// The files that images with packages of these places need, with what is known of vulnerabilities whoever has them.
fn needed(feeds: &[Feed], places: &Places) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    for feed in feeds.iter().filter(|feed| feed.is_on) {
        if feed.covers.is_empty() {
            needed.extend(feed.files.iter().map(|file| file_name(feed, file)));
        }
        for (ecosystem, release) in places {
            needed.extend(feed.files_for(*ecosystem, release).map(|file| file_name(feed, file)));
        }
    }
    needed
}

/// Has the files fetched that images with packages of these places need, from now on.
#[boxed]
pub async fn want(app: &Scanning, places: &Places) -> Result<(), StoreError> {
    let needed = needed(&app.advisories.feeds, places);
    let wanted = app.db.read(|tx| advisory_feeds::list(tx)).await?;
    let new: Vec<String> = needed.into_iter().filter(|name| !wanted.iter().any(|known| known.name == *name)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let (now_ms, is_offline) = (app.now_ms(), app.advisories.is_offline);
    app.db
        .write(move |tx| {
            for file in &new {
                if advisory_feeds::want(tx, file)? && !is_offline {
                    job::enqueue(tx, &UpdateAdvisories { file: file.clone() }, now_ms, now_ms)?;
                }
            }
            Ok::<_, StoreError>(())
        })
        .await?;
    app.wake_jobs.wake();
    Ok(())
}

/// Asks for updates of these files now; they are wanted from now on.
pub fn ask(tx: &mut dyn Tx, files: &[String], now_ms: i64) -> Result<(), StoreError> {
    for file in files {
        advisory_feeds::want(tx, file)?;
        job::enqueue(tx, &UpdateAdvisories { file: file.clone() }, now_ms, now_ms)?;
    }
    Ok(())
}

/// The files that are wanted, of feeds that are on.
pub fn wanted(tx: &mut dyn Tx, feeds: &[Feed]) -> Result<Vec<String>, StoreError> {
    let wanted = advisory_feeds::list(tx)?;
    let is_wanted = |name: &String| wanted.iter().any(|known| known.name == *name);
    Ok(files(feeds).map(|(name, ..)| name).filter(is_wanted).collect())
}

/// When a file is asked for again; at once if it never was.
pub(crate) fn next_look_ms(feed: &Feed, wanted: &WantedFeed) -> Option<i64> {
    let interval_ms = i64::try_from(feed.interval.as_millis()).unwrap_or(i64::MAX);
    let after_ms = if wanted.failure.is_some() { interval_ms.min(RETRY_MS) } else { interval_ms };
    wanted.attempted_at_ms.map(|attempted_at_ms| attempted_at_ms.saturating_add(after_ms))
}

/// The files that it is time to ask for again.
fn due(feeds: &[Feed], wanted: &[WantedFeed], now_ms: i64) -> Vec<String> {
    let is_due = |name: &str, feed: &Feed| wanted.iter().any(|known| known.name == name && is_due(feed, known, now_ms));
    files(feeds).filter(|(name, feed, _)| is_due(name, feed)).map(|(name, ..)| name).collect()
}

/// Whether it is time to ask for a file again.
fn is_due(feed: &Feed, wanted: &WantedFeed, now_ms: i64) -> bool {
    next_look_ms(feed, wanted).is_none_or(|at_ms| at_ms <= now_ms)
}

/// Forgets files of feeds that are switched off, or not there any more: what they tell counts no longer.
async fn forget_others(app: &Scanning, wanted: &[WantedFeed]) -> Result<(), StoreError> {
    let feeds = &app.advisories.feeds;
    for WantedFeed { name, .. } in wanted.iter().filter(|wanted| !files(feeds).any(|(name, ..)| name == wanted.name)) {
        tracing::info!("advisories {name} are forgotten: no feed that is on has such a file");
        let others = name.clone();
        app.db.write(move |tx| advisory_feeds::withdraw(tx, &others)).await?;
        loop {
            let others = name.clone();
            if !app.db.write(move |tx| advisory_records::delete_all(tx, &others, FORGOTTEN)).await? {
                break;
            }
        }
        let others = name.clone();
        app.db.write(move |tx| advisory_feeds::forget(tx, &others)).await?;
    }
    Ok(())
}

/// Has those files fetched that are due, forgets those that no feed has, and lets scans go on that nobody works on.
#[boxed]
pub async fn schedule(app: &Scanning) -> Result<(), StoreError> {
    find_lost(app).await?;
    let wanted = app.db.read(|tx| advisory_feeds::list(tx)).await?;
    forget_others(app, &wanted).await?;
    if app.advisories.is_offline {
        return Ok(());
    }
    let (feeds, now_ms) = (app.advisories.feeds.clone(), app.now_ms());
    if due(&feeds, &wanted, now_ms).is_empty() {
        return Ok(());
    }
    app.db
        .write(move |tx| {
            // Somebody may have asked for it meanwhile.
            let due = due(&feeds, &advisory_feeds::list(tx)?, now_ms);
            due.into_iter().try_for_each(|file| job::enqueue_once(tx, &UpdateAdvisories { file }, now_ms, now_ms))
        })
        .await
        .map_err(|error: StoreError| error)?;
    app.wake_jobs.wake();
    Ok(())
}

/// Lets scans go on that have waited for advisories: all of them, batch by batch, as pushes go between these.
pub(crate) async fn let_go_on(app: &Scanning) -> Result<(), StoreError> {
    note_jobs(app, None).await
}

/// Lets scans go on that nobody works on: a server that was cut off between two transactions leaves some.
async fn find_lost(app: &Scanning) -> Result<(), StoreError> {
    note_jobs(app, Some(ScanImage::KIND)).await
}

async fn note_jobs(app: &Scanning, without_job: Option<&'static str>) -> Result<(), StoreError> {
    let (mut after, now_ms) = ((0, 0), app.now_ms());
    loop {
        let noted = app.db.write(move |tx: &mut dyn Tx| {
            let waiting = image_scans::list_waiting(tx, without_job, after, WAITING)?;
            for WaitingScan { account, key: (image_id, scan_type), .. } in &waiting {
                let job = ScanImage { account: *account, image_id: *image_id, scan_type: *scan_type };
                job::enqueue(tx, &job, now_ms, now_ms)?;
            }
            Ok::<_, StoreError>(waiting.last().map(|last| last.place))
        });
        app.wake_jobs.wake();
        match noted.await? {
            Some(last) => after = last,
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use scan::ecosystem::Ecosystem;
    use scan::feeds::catalog;

    use super::*;

    #[test]
    fn what_images_need_is_wanted_and_no_more() {
        let feeds = catalog::built_in();
        let of = |places: &[(Ecosystem, &str)]| {
            needed(&feeds, &places.iter().map(|(ecosystem, release)| (*ecosystem, (*release).to_owned())).collect())
        };
        let always = of(&[]);
        assert!(always.contains("kev") && always.contains("epss") && !always.contains("debian"), "{always:?}");
        let debian = of(&[(Ecosystem::Debian, "12")]);
        assert!(debian.is_superset(&always) && debian.contains("debian"), "{debian:?}");
        let alpine = of(&[(Ecosystem::Alpine, "3.20")]);
        assert!(alpine.contains("alpine/v3.20/main") && !alpine.contains("alpine/v3.19/main"), "{alpine:?}");
    }
}
