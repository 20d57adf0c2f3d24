//! Every file of every feed that is known, configured or still stored, and how each stands: for whoever runs the server.

use std::collections::HashMap;

use registry::advisory_settings::AdvisorySettings;
use runtime::jobs::job::Job as _;
use scan::feeds::catalog::{Feed, FeedFile};
use store::db::Tx;
use store::error::StoreError;
use store::tables::advisory_feeds::{self, WantedFeed};
use store::tables::jobs::{self, JobStatus};

use crate::advisory_state::file_name;
use crate::import_advisories::ImportAdvisories;
use crate::update_advisories::{UpdateAdvisories, next_look_ms};

/// How a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its feed is switched off.
    Off,
    /// No feed has it any more.
    Removed,
    /// Nothing has needed it yet.
    Unwanted,
    /// It is wanted, and was not tried yet.
    Pending,
    /// It is wanted, and there is none: it could not be fetched, or was not imported.
    Missing,
    /// It is there, and was last seen to be current too long ago to call an image clean.
    Stale,
    /// It is there, and is no older than it may be.
    Current,
}

/// A file of a feed.
#[derive(Clone, Debug)]
pub struct FileOverview<'a> {
    /// The name under which it is stored.
    pub name: String,
    /// Its feed, and which of its files it is; none if no feed has it any more.
    pub of: Option<(&'a Feed, &'a FeedFile)>,
    /// What is stored of it; none if it is not wanted.
    pub wanted: Option<WantedFeed>,
    /// How it stands.
    pub standing: Standing,
    /// When it is asked for again; none if it is not.
    pub next_look_ms: Option<i64>,
    /// The update that waits or is under way.
    pub update: Option<JobStatus>,
    /// The import that waits, is under way, or was given up.
    pub import: Option<JobStatus>,
}

/// How the files stand, in the order of their names. Of those that `is_asked` says.
pub fn list<'a>(
    tx: &mut dyn Tx,
    settings: &'a AdvisorySettings,
    is_asked: impl Fn(&str) -> bool,
    now_ms: i64,
) -> Result<Vec<FileOverview<'a>>, StoreError> {
    let mut stored: HashMap<String, WantedFeed> =
        advisory_feeds::list(tx)?.into_iter().map(|wanted| (wanted.name.clone(), wanted)).collect();
    let mut files = Vec::new();
    for feed in &settings.feeds {
        for file in &feed.files {
            let name = file_name(feed, file);
            let wanted = stored.remove(&name);
            files.push((name, Some((feed, file)), wanted));
        }
    }
    files.extend(stored.into_iter().map(|(name, wanted)| (name, None, Some(wanted))));
    files.retain(|(name, ..)| is_asked(name));
    files.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let mut overview = Vec::with_capacity(files.len());
    for (name, of, wanted) in files {
        let standing = standing(settings, of.map(|(feed, _)| feed), wanted.as_ref(), now_ms);
        let is_fetched = !settings.is_offline && !matches!(standing, Standing::Off | Standing::Removed);
        let next_look_ms = of
            .zip(wanted.as_ref())
            .filter(|_| is_fetched)
            .map(|((feed, _), wanted)| next_look_ms(feed, wanted).unwrap_or(now_ms));
        let (mut update, mut import) = (None, None);
        if wanted.is_some() {
            update = jobs::find(tx, UpdateAdvisories::KIND, &name)?;
            import = jobs::find(tx, ImportAdvisories::KIND, &name)?;
        }
        overview.push(FileOverview { name, of, wanted, standing, next_look_ms, update, import });
    }
    Ok(overview)
}

fn standing(settings: &AdvisorySettings, feed: Option<&Feed>, wanted: Option<&WantedFeed>, now_ms: i64) -> Standing {
    let Some(feed) = feed else { return Standing::Removed };
    if !feed.is_on {
        return Standing::Off;
    }
    let Some(wanted) = wanted else { return Standing::Unwanted };
    match wanted.checked_at_ms.filter(|_| wanted.revision > 0) {
        Some(checked_at_ms) if now_ms - checked_at_ms > settings.max_data_age_ms => Standing::Stale,
        Some(_) => Standing::Current,
        None if settings.is_offline || wanted.failure.is_some() => Standing::Missing,
        None => Standing::Pending,
    }
}
