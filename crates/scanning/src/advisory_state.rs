//! Whether there are advisories to compare an image with, and how old they are: where there are none, nothing is said.

use std::collections::BTreeSet;

use registry::advisory_settings::AdvisorySettings;
use scan::ecosystem::Ecosystem;
use scan::feeds::catalog::{self, Feed, FeedFile, Role};
use store::db::Tx;
use store::error::StoreError;
use store::tables::advisory_feeds::{self, WantedFeed};

use crate::report::UsedFeed;

/// What an image has packages of: an ecosystem, and its release where it has some.
pub type Places = BTreeSet<(Ecosystem, String)>;

/// The feeds that an image is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrentFeeds {
    /// Those that are in force, by their names.
    pub used: Vec<UsedFeed>,
    /// Those that tell of vulnerabilities whoever has them, and are not there: see [`Report::missing_feeds`].
    ///
    /// [`Report::missing_feeds`]: crate::report::Report::missing_feeds
    pub missing: Vec<String>,
}

/// The advisories for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdvisoryState {
    /// They are there.
    Current(CurrentFeeds),
    /// They are being fetched; says which.
    Coming(String),
    /// There are none that count; says why.
    Missing(String),
}

/// The name under which a file of a feed is stored: the feed's, and which of its files it is.
pub fn file_name(feed: &Feed, file: &FeedFile) -> String {
    if file.part.is_empty() { feed.name.clone() } else { format!("{}/{}", feed.name, file.part) }
}

/// The feeds that are on, file by file, with the names under which they are stored.
pub fn files(feeds: &[Feed]) -> impl Iterator<Item = (String, &Feed, &FeedFile)> {
    feeds
        .iter()
        .filter(|feed| feed.is_on)
        .flat_map(|feed| feed.files.iter().map(move |file| (file_name(feed, file), feed, file)))
}

/// What a name means that somebody gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// These files: those of the feed of that name, or the one that has it.
    Files(Vec<String>),
    /// A feed that is switched off.
    Off,
    /// Nothing.
    Nothing,
}

/// What a name of a feed, or of one of its files, means.
pub fn named(feeds: &[Feed], name: &str) -> Named {
    let feed = name.split('/').next().unwrap_or_default();
    let Some(feed) = feeds.iter().find(|known| known.name == feed) else { return Named::Nothing };
    let mut files: Vec<String> = feed.files.iter().map(|file| file_name(feed, file)).collect();
    if feed.name != name {
        files.retain(|file| file == name);
    }
    match (files.is_empty(), feed.is_on) {
        (true, _) => Named::Nothing,
        (false, false) => Named::Off,
        (false, true) => Named::Files(files),
    }
}

/// Whether no feed that is on tells of a place, as whoever runs the server wants it: then nothing is to be had.
pub fn is_left_out(feeds: &[Feed], (ecosystem, release): &(Ecosystem, String)) -> bool {
    catalog::needed(feeds, *ecosystem, release).is_empty()
}

/// A place as people know it.
pub fn shown((ecosystem, release): &(Ecosystem, String)) -> String {
    let name = ecosystem.name();
    if release.is_empty() { name.to_owned() } else { format!("{name} {release}") }
}

/// Which advisories there are for these places, and what is known of vulnerabilities whoever has them.
pub fn find(
    tx: &mut dyn Tx,
    settings: &AdvisorySettings,
    places: &Places,
    now_ms: i64,
) -> Result<AdvisoryState, StoreError> {
    let stored = advisory_feeds::list(tx)?;
    Ok(decide(settings, places, &stored, now_ms))
}

fn decide(settings: &AdvisorySettings, places: &Places, stored: &[WantedFeed], now_ms: i64) -> AdvisoryState {
    let row = |name: &str| stored.iter().find(|row| row.name == name);
    let (mut used, mut coming, mut missing) = (Vec::new(), BTreeSet::new(), Vec::new());
    for place in places {
        for (feed, file) in catalog::needed(&settings.feeds, place.0, &place.1) {
            let name = file_name(feed, file);
            match state_of(settings, row(&name), now_ms) {
                Of::Current(feed) => used.push(feed),
                Of::Coming => drop(coming.insert(format!("{} ({name})", shown(place)))),
                Of::Missing(why) => {
                    return AdvisoryState::Missing(format!(
                        "There are no advisories for {} ({name}): {why}",
                        shown(place)
                    ));
                }
                Of::Old(why) => {
                    return AdvisoryState::Missing(format!(
                        "The advisories for {} ({name}) are too old: {why}",
                        shown(place)
                    ));
                }
            }
        }
        // Others add what they have.
        for (name, ..) in files(&settings.feeds).filter(|(_, feed, file)| {
            feed.role != Role::Authoritative && feed.files_for(place.0, &place.1).any(|needed| needed == *file)
        }) {
            if let Of::Current(feed) = state_of(settings, row(&name), now_ms) {
                used.push(feed);
            }
        }
    }
    // What is known of vulnerabilities is waited for, and done without where it does not come.
    for (name, ..) in files(&settings.feeds).filter(|(_, feed, _)| feed.covers.is_empty()) {
        match state_of(settings, row(&name), now_ms) {
            Of::Current(feed) => used.push(feed),
            Of::Coming => drop(coming.insert(name)),
            Of::Missing(_) | Of::Old(_) => missing.push(name),
        }
    }
    if !coming.is_empty() {
        let coming: Vec<String> = coming.into_iter().collect();
        return AdvisoryState::Coming(format!("Advisories are being fetched: {}", coming.join(", ")));
    }
    used.sort_by(|one, other| one.name.cmp(&other.name));
    used.dedup();
    AdvisoryState::Current(CurrentFeeds { used, missing })
}

/// One file of a feed.
enum Of {
    Current(UsedFeed),
    Coming,
    Missing(String),
    Old(String),
}

fn state_of(settings: &AdvisorySettings, row: Option<&WantedFeed>, now_ms: i64) -> Of {
    let in_force = row.filter(|row| row.revision > 0);
    let Some((row, checked_at_ms)) = in_force.and_then(|row| Some((row, row.checked_at_ms?))) else {
        return match row.and_then(|row| row.failure.as_ref()) {
            _ if settings.is_offline => {
                Of::Missing(
                    "none were imported, and this server fetches nothing (scanning.offline): import them with 'wharf advisories import'"
                        .to_owned(),
                )
            }
            Some(failure) => Of::Missing(format!("they could not be fetched: {failure}")),
            None => Of::Coming,
        };
    };
    let age_ms = now_ms - checked_at_ms;
    if age_ms > settings.max_data_age_ms {
        const HOUR_MS: i64 = 60 * 60 * 1000;
        let failure = row.failure.as_ref().map(|failure| format!("; the last try to fetch them failed: {failure}"));
        return Of::Old(format!(
            "they were last seen to be current {} hours ago, and {} hours are allowed (scanning.max_data_age_hours){}",
            age_ms / HOUR_MS,
            settings.max_data_age_ms / HOUR_MS,
            failure.unwrap_or_default()
        ));
    }
    Of::Current(UsedFeed { name: row.name.clone(), revision: row.revision, checked_at_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1000;

    fn row(name: &str, revision: i64, checked_at_ms: Option<i64>, failure: Option<&str>) -> WantedFeed {
        WantedFeed {
            name: name.to_owned(),
            revision,
            files: "{}".to_owned(),
            source_updated_at_ms: None,
            changed_at_ms: checked_at_ms,
            checked_at_ms,
            attempted_at_ms: checked_at_ms,
            failure: failure.map(str::to_owned),
            records: 1,
            broken: 0,
        }
    }

    /// Debian's tracker and the ratings of the CVE list, and nothing else.
    fn settings() -> AdvisorySettings {
        let mut settings = AdvisorySettings::default();
        settings.feeds.retain(|feed| feed.name == "debian" || feed.name == "kev");
        assert_eq!(settings.feeds.len(), 2);
        settings
    }

    fn decided(settings: &AdvisorySettings, stored: &[WantedFeed]) -> AdvisoryState {
        let places = Places::from([(Ecosystem::Debian, "12".to_owned())]);
        decide(settings, &places, stored, 20 * DAY_MS)
    }

    #[test]
    fn names_mean_feeds_and_files() {
        let mut feeds = catalog::built_in();
        let of = |feeds: &[Feed], name: &str| match named(feeds, name) {
            Named::Files(files) => files.len(),
            Named::Off => 1_000,
            Named::Nothing => 0,
        };
        assert_eq!(named(&feeds, "alpine/v3.20/main"), Named::Files(vec!["alpine/v3.20/main".to_owned()]));
        assert_eq!(named(&feeds, "debian"), Named::Files(vec!["debian".to_owned()]));
        assert!(of(&feeds, "alpine") > 20);
        for name in ["", "/", "alpine/", "alpine/v3.20", "debian/x", "Debian", "nobody"] {
            assert_eq!(of(&feeds, name), 0, "{name}");
        }
        for feed in &mut feeds {
            feed.is_on = feed.name != "alpine";
        }
        assert_eq!((of(&feeds, "alpine"), of(&feeds, "alpine/v3.20/main"), of(&feeds, "alpine/x")), (1_000, 1_000, 0));
    }

    #[test]
    fn no_data_is_never_current() {
        let online = settings();
        let offline = AdvisorySettings { is_offline: true, ..settings() };
        let debian = |revision, checked, failure| row("debian", revision, checked, failure);
        let kev = row("kev", 1, Some(19 * DAY_MS), None);
        let coming = |rows: &[WantedFeed]| matches!(decided(&online, rows), AdvisoryState::Coming(_));
        assert!(coming(&[]) && coming(&[debian(0, None, None), kev.clone()]));
        let missing = |settings: &AdvisorySettings, rows: &[WantedFeed], why: &str| match decided(settings, rows) {
            AdvisoryState::Missing(text) => {
                let is_old = why.contains("hours");
                let begin = if is_old { "The advisories for" } else { "There are no advisories for" };
                assert!(text.starts_with(&format!("{begin} Debian 12 (debian)")), "{text}");
                assert_eq!(text.contains("are too old"), is_old, "{text}");
                assert!(text.contains(why), "{text}");
            }
            other => panic!("{other:?}"),
        };
        missing(&offline, &[], "none were imported");
        missing(&offline, &[debian(0, None, None)], "scanning.offline");
        missing(&online, &[debian(0, None, Some("no such host"))], "could not be fetched: no such host");
        missing(
            &online,
            &[debian(3, Some(5 * DAY_MS), Some("no such host"))],
            "360 hours ago, and 336 hours are allowed",
        );
        missing(&offline, &[debian(3, Some(5 * DAY_MS), None)], "scanning.max_data_age_hours");
        let current = |rows: &[WantedFeed]| match decided(&online, rows) {
            AdvisoryState::Current(feeds) => {
                (feeds.used.into_iter().map(|feed| feed.name).collect::<Vec<_>>(), feeds.missing)
            }
            other => panic!("{other:?}"),
        };
        // A failure since does not matter yet.
        let all = (vec!["debian".to_owned(), "kev".to_owned()], Vec::new());
        assert_eq!(current(&[debian(3, Some(6 * DAY_MS), Some("no such host")), kev]), all);
        // What is known of vulnerabilities is waited for, but not for ever.
        assert!(coming(&[debian(3, Some(19 * DAY_MS), None), row("kev", 0, None, None)]));
        let failed = row("kev", 0, None, Some("no such host"));
        let without = (vec!["debian".to_owned()], vec!["kev".to_owned()]);
        assert_eq!(current(&[debian(3, Some(19 * DAY_MS), None), failed]), without);
    }
}
