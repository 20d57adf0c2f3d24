//! `wharf advisories sources`.

use serde::Serialize;

use crate::error::Error;
use crate::{Outcome, Session};

use super::answer::Feed;
use super::describe;

/// How feeds are changed.
const HOW: &str = "\nFeeds are changed in the server's configuration. One is switched off, or read from a mirror, by its name:\n\n  \
                   [[advisories.feeds]]\n  name = \"debian\"\n  enabled = false\n\nOne of your own has `urls`, a `form` \
                   and `ecosystems` too. docs/advisories.md says more.";

/// A feed with its files.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    name: String,
    is_enabled: bool,
    form: String,
    packaging: String,
    ecosystems: Vec<String>,
    role: String,
    licence: String,
    interval_minutes: u64,
    max_bytes: u64,
    files: Vec<SourceFile>,
}

/// Where a file of a feed is.
#[derive(Serialize)]
struct SourceFile {
    name: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<String>,
}

impl Source {
    fn new(feed: &Feed, is_enabled: bool) -> Self {
        let Feed { name, form, packaging, ecosystems, role, licence, interval_minutes, max_bytes, .. } = feed.clone();
        let files = Vec::new();
        Self { name, is_enabled, form, packaging, ecosystems, role, licence, interval_minutes, max_bytes, files }
    }

    fn row(&self) -> Vec<String> {
        let url = self.files.first().map(|file| file.url.clone()).unwrap_or_default();
        let covers = match self.ecosystems[..] {
            [] => "all images".to_owned(),
            _ => self.ecosystems.join(", "),
        };
        vec![
            self.name.clone(),
            covers,
            format!("{} ({})", self.form, self.packaging),
            if self.is_enabled { "on" } else { "off" }.to_owned(),
            self.licence.clone(),
            match self.files.len() {
                0 | 1 => url,
                number => format!("{url} and {} more", number - 1),
            },
        ]
    }
}

/// Shows all feeds that there are.
pub(super) async fn run(session: &mut Session<'_>) -> Result<Outcome, Error> {
    let Session { client, output } = session;
    let mut sources: Vec<Source> = Vec::new();
    for file in describe(client, &[]).await?.files {
        let Some(feed) = &file.feed else { continue };
        if sources.last().is_none_or(|last| last.name != feed.name) {
            sources.push(Source::new(feed, file.is_enabled));
        }
        let of = SourceFile { name: file.name.clone(), url: feed.url.clone(), release: feed.release.clone() };
        if let Some(last) = sources.last_mut() {
            last.files.push(of);
        }
    }
    sources.sort_by(|one, other| one.name.cmp(&other.name));
    let columns = ["FEED", "FOR", "FORM", "ON", "LICENCE", "URL"];
    output.list(&sources, "There are no feeds.", &columns, Source::row)?;
    output.note(HOW)?;
    Ok(Outcome::Done)
}
