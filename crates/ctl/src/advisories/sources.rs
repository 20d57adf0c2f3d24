//! `wharf advisories sources`.

use serde::Serialize;

use crate::duration::shortest;
use crate::error::Error;
use crate::output::{Output, field, fields};
use crate::{Outcome, Session};

use super::answer::Feed;
use super::describe;

/// How feeds are changed.
const HOW: &str = "\n`wharf advisories sources FEED` shows all files of one. Feeds are changed in the server's configuration. One is switched off, or read from a mirror, by its name:\n\n  \
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

    /// The form of its files, and how they are packed.
    fn form_words(&self) -> String {
        let packaging = if self.packaging == "none" { "not packed" } else { &self.packaging };
        format!("{} ({packaging})", self.form)
    }

    fn switch(&self) -> &'static str {
        if self.is_enabled { "on" } else { "off" }
    }

    fn covers(&self) -> String {
        if self.ecosystems.is_empty() { "all images".to_owned() } else { self.ecosystems.join(", ") }
    }

    fn row(&self) -> Vec<String> {
        let url = self.files.first().map(|file| file.url.clone()).unwrap_or_default();
        let covers = self.covers();
        vec![
            self.name.clone(),
            covers,
            self.form_words(),
            self.switch().to_owned(),
            self.licence.clone(),
            match self.files.len() {
                0 | 1 => url,
                number => format!("{url} and {} more", number - 1),
            },
        ]
    }
}

impl Source {
    /// Shows it with all of its files. Scripts get a list of one, as of all.
    fn show(&self, output: &mut Output<'_>) -> Result<Outcome, Error> {
        output.show(&[self], |_| {
            fields(&[
                field("Feed", &self.name),
                field("For", self.covers()),
                field("Form", self.form_words()),
                field("Switched", self.switch()),
                field("Licence", &self.licence),
                field("Asked for", format!("every {}", shortest(self.interval_minutes * 60))),
                field("Files", self.files.len().to_string()),
            ])
        })?;
        output.note("")?;
        output.table(&self.files, &["FILE", "RELEASE", "URL"], SourceFile::row)?;
        Ok(Outcome::Done)
    }
}

impl SourceFile {
    fn row(&self) -> Vec<String> {
        vec![self.name.clone(), self.release.clone().unwrap_or_default(), self.url.clone()]
    }
}

/// Shows all feeds that there are, or one with all of its files.
pub(super) async fn run(session: &mut Session<'_>, feed: Option<&str>) -> Result<Outcome, Error> {
    let Session { client, output } = session;
    let mut sources: Vec<Source> = Vec::new();
    let names: Vec<String> = feed.map(str::to_owned).into_iter().collect();
    for file in describe(client, &names).await?.files {
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
    if let Some(name) = feed {
        let [source] = &sources[..] else {
            return Err(Error::Usage(format!("there is no feed '{name}': `wharf advisories sources` lists them")));
        };
        return source.show(output);
    }
    let columns = ["FEED", "FOR", "FORM", "ON", "LICENCE", "URL"];
    output.list(&sources, "There are no feeds.", &columns, Source::row)?;
    output.note(HOW)?;
    Ok(Outcome::Done)
}
