//! Feeds as an operator writes them: one of the table from elsewhere or switched, or one that the table does not have.

use std::{collections::BTreeSet, time::Duration};

use super::{Checksum, Feed, FeedFile, Role, built_in::Row};
use crate::{
    ecosystem::Ecosystem,
    feeds::{Compression, Form, Packaging},
};

/// What an operator says of a feed; of one that is known, only what is to be another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedWords {
    /// What it is called. The name of a known feed means that.
    pub name: String,
    /// Where its files are; of a known feed, with the same placeholders as there.
    pub urls: Vec<String>,
    /// Its form, by its word.
    pub form: Option<String>,
    /// How it is packed, by its word; its URL tells otherwise.
    pub packaging: Option<String>,
    /// The ecosystems that it tells of, as OSV names them.
    pub ecosystems: Vec<String>,
    /// The release that all of it is for.
    pub release: Option<String>,
    /// Whether it says which packages are affected, or only adds to what another one says. It does otherwise.
    pub is_authoritative: Option<bool>,
    /// What the URL of a file with its checksum by SHA-256 has behind its own, such as `.sha256`.
    pub checksum: Option<String>,
    /// How long after one look the next is worth it.
    pub interval: Option<Duration>,
    /// Its licence.
    pub licence: Option<String>,
    /// Whether it is fetched. It is otherwise.
    pub is_on: Option<bool>,
}

/// What is wrong with a feed that was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {text}")]
pub struct FeedProblem {
    /// Which of the feed's words.
    pub key: &'static str,
    /// What is wrong with it.
    pub text: String,
}

/// How often a feed is asked for at most: publishers are not to be pestered.
const SHORTEST: Duration = Duration::from_secs(15 * 60);
/// Bytes of a name: it stands in keys and tables.
const NAME_BYTES: usize = 64;
/// Bytes of a URL.
const URL_BYTES: usize = 2048;
/// Files of one feed.
const URLS: usize = 1000;

/// Whether it can be the name of a feed.
pub fn is_name(name: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= NAME_BYTES && name.bytes().all(is_sign) && name.split('-').all(|word| !word.is_empty())
}

/// Whether it can be the URL of a feed's file. Whoever fetches it looks more closely.
pub fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_sign = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    // Who asks is not to be told in a URL, which is shown.
    url.len() <= URL_BYTES && !host.is_empty() && !host.contains('@') && url.bytes().all(is_sign)
}

/// The feeds of the table with what an operator says of them, and those that he adds.
pub fn all(words: &[FeedWords]) -> Result<Vec<Feed>, Vec<(String, FeedProblem)>> {
    let mut feeds = super::built_in();
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for words in words {
        let mut own = match feed(words) {
            Ok(feed) => {
                match feeds.iter_mut().find(|known| known.name == feed.name) {
                    Some(known) => *known = feed,
                    None => feeds.push(feed),
                }
                Vec::new()
            }
            Err(own) => own,
        };
        if !names.insert(&words.name) {
            own.push(FeedProblem::new("name", "it is there twice"));
        }
        problems.extend(own.into_iter().map(|problem| (words.name.clone(), problem)));
    }
    if problems.is_empty() { Ok(feeds) } else { Err(problems) }
}

/// The feed that an operator's words are for, or all that is wrong with them.
pub fn feed(words: &FeedWords) -> Result<Feed, Vec<FeedProblem>> {
    let mut problems = Vec::new();
    if !is_name(&words.name) {
        problems.push(FeedProblem::new("name", "it is to be made of small letters, digits and dashes"));
    }
    if words.urls.len() > URLS {
        problems.push(FeedProblem::new("urls", format_args!("there are more than {URLS}")));
    }
    for url in words.urls.iter().filter(|url| !is_url(url)) {
        problems.push(FeedProblem::new("urls", format_args!("{url:?} is no URL of http or https without a user name")));
    }
    if words.interval.is_some_and(|interval| interval < SHORTEST) {
        let minutes = SHORTEST.as_secs() / 60;
        problems.push(FeedProblem::new("interval", format_args!("it is to be at least {minutes} minutes")));
    }
    if words.checksum.as_deref().is_some_and(|ends| !is_url(&format!("https://example.com/file{ends}"))) {
        problems.push(FeedProblem::new("checksum", "it cannot be the end of a URL"));
    }
    let packaging = words.packaging.as_deref().map(str::parse).transpose();
    let packaging = packaging.map_err(|error| problems.push(FeedProblem::new("packaging", error))).ok().flatten();
    let mut feed = match Row::named(&words.name) {
        Some(row) => known(row, words, packaging, &mut problems),
        None => added(words, packaging, &mut problems),
    };
    feed.is_on = words.is_on.unwrap_or(true);
    feed.interval = words.interval.unwrap_or(feed.interval);
    if let Some(licence) = &words.licence {
        feed.licence.clone_from(licence);
    }
    if let Some(ends) = &words.checksum {
        feed.checksum = Some(Checksum { ends: ends.clone(), is_required: true });
    }
    if let Some(is_authoritative) = words.is_authoritative {
        feed.role = if is_authoritative { Role::Authoritative } else { Role::Additional };
        if is_authoritative && !feed.form.has_rows() {
            let text = format!("{} tells of no packages", feed.form);
            problems.push(FeedProblem::new("authoritative", text));
        }
    }
    for file in feed.files.iter().filter(|file| file.url.contains(['{', '}'])) {
        problems.push(FeedProblem::new("urls", format_args!("{:?} has a placeholder that is not known", file.url)));
    }
    if problems.is_empty() { Ok(feed) } else { Err(problems) }
}

/// A feed of the table, from elsewhere if so it is said.
fn known(row: &Row, words: &FeedWords, packaging: Option<Packaging>, problems: &mut Vec<FeedProblem>) -> Feed {
    let mut feed = row.feed();
    let said = [
        ("form", words.form.is_some()),
        ("ecosystems", !words.ecosystems.is_empty()),
        ("release", words.release.is_some()),
    ];
    for (key, _) in said.into_iter().filter(|(_, is_said)| *is_said) {
        problems.push(FeedProblem::new(key, "a feed that is known has its own; give another one another name"));
    }
    let [url] = words.urls.as_slice() else {
        if !words.urls.is_empty() {
            problems.push(FeedProblem::new("urls", "a feed that is known has one"));
        }
        if packaging.is_some() {
            problems.push(FeedProblem::new("packaging", "it is known of the URL that the feed has"));
        }
        return feed;
    };
    for (name, _) in row.values.iter().filter(|(name, _)| !url.contains(&format!("{{{name}}}"))) {
        problems.push(FeedProblem::new("urls", format_args!("{url:?} lacks the placeholder {{{name}}}")));
    }
    feed.files = row.files(url);
    let told = Packaging::of_name(url);
    // A mirror may have the file itself where the publisher has what leads to it, or pack it in another way.
    if let Some(packaging) = packaging.or((told != Packaging::File(Compression::None)).then_some(told)) {
        (feed.packaging, feed.steps) = (packaging, &[]);
    }
    feed
}

/// A feed that the table does not have.
fn added(words: &FeedWords, packaging: Option<Packaging>, problems: &mut Vec<FeedProblem>) -> Feed {
    let form = match words.form.as_deref().map(str::parse::<Form>) {
        Some(Ok(form)) => Some(form),
        Some(Err(error)) => {
            problems.push(FeedProblem::new("form", error));
            None
        }
        None => {
            problems.push(FeedProblem::new("form", "a feed that is not known needs one"));
            None
        }
    };
    if words.urls.is_empty() {
        problems.push(FeedProblem::new("urls", "a feed that is not known needs one"));
    }
    let mut covers = Vec::new();
    for name in &words.ecosystems {
        match Ecosystem::named(name) {
            Some(ecosystem) => covers.push(ecosystem),
            None => {
                let known: Vec<&str> = Ecosystem::all().map(Ecosystem::name).collect();
                let text = format!("{name:?} is none of {}", known.join(", "));
                problems.push(FeedProblem::new("ecosystems", text));
            }
        }
    }
    covers.sort_unstable();
    covers.dedup();
    match form {
        Some(form) if form.has_rows() && words.ecosystems.is_empty() => {
            problems.push(FeedProblem::new("ecosystems", "it is to be said which ones the feed tells of"));
        }
        Some(form) if !form.has_rows() && !words.ecosystems.is_empty() => {
            problems.push(FeedProblem::new("ecosystems", format_args!("{form} tells of none")));
        }
        _ => {}
    }
    let form = form.unwrap_or(Form::Osv);
    let file = |url: &String| FeedFile {
        part: if words.urls.len() == 1 { String::new() } else { url.clone() },
        url: url.clone(),
        release: words.release.clone(),
    };
    Feed {
        name: words.name.clone(),
        form,
        packaging: packaging.unwrap_or_else(|| Packaging::of_name(words.urls.first().map_or("", String::as_str))),
        files: words.urls.iter().map(file).collect(),
        steps: &[],
        checksum: None,
        interval: Duration::from_secs(6 * 3600),
        covers,
        role: if form.has_rows() { Role::Authoritative } else { Role::Additional },
        licence: "not stated".to_owned(),
        is_on: true,
        packed_bytes: 2 << 30,
        bytes: 64 << 30,
    }
}

impl FeedProblem {
    fn new(key: &'static str, text: impl std::fmt::Display) -> Self {
        Self { key, text: text.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, urls: &[&str]) -> FeedWords {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        FeedWords { name: name.to_owned(), urls, ..FeedWords::default() }
    }

    fn keys(words: &FeedWords) -> Vec<&'static str> {
        feed(words).expect_err("problems").into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn a_feed_is_added() {
        let text = |text: &str| Some(text.to_owned());
        let written = FeedWords {
            form: text("secdb"),
            ecosystems: vec!["Wolfi".to_owned()],
            checksum: text(".sha256"),
            licence: text("as agreed"),
            interval: Some(Duration::from_secs(3600)),
            ..words("our-wolfi", &["https://mirror.example.com/security.json.gz"])
        };
        let feed = feed(&written).expect("a feed");
        assert_eq!((feed.form, feed.packaging), (Form::Secdb, Packaging::File(Compression::Gzip)));
        assert_eq!((feed.role, feed.is_on, feed.interval.as_secs()), (Role::Authoritative, true, 3600));
        assert_eq!(feed.checksum, Some(Checksum { ends: ".sha256".to_owned(), is_required: true }));
        assert_eq!(feed.about(&feed.files[0]).ecosystem, Some(Ecosystem::Wolfi));
        let feeds = all(&[written]).expect("feeds");
        assert_eq!(super::super::needed(&feeds, Ecosystem::Wolfi, "").len(), 1);
    }

    #[test]
    fn a_known_feed_comes_from_elsewhere() {
        let template = "http://mirror.internal:8080/alpine/{release}-{repository}.json";
        let feeds = all(&[
            words("alpine", &[template]),
            words("redhat-csaf", &["https://mirror.internal/csaf.tar.zst"]),
            words("amazon-2", &["https://mirror.internal/{arch}/mirror.list"]),
            words("suse-csaf", &[]),
            FeedWords { is_on: Some(false), ..words("epss", &[]) },
        ])
        .expect("feeds");
        assert_eq!(feeds.len(), super::super::built_in().len());
        let named = |name: &str| feeds.iter().find(|feed| feed.name == name).expect("a feed");
        assert_eq!(named("alpine").files[1].url, "http://mirror.internal:8080/alpine/v3.6-community.json");
        assert_eq!(named("alpine").files[1].release.as_deref(), Some("3.6"));
        assert!(named("redhat-csaf").steps.is_empty(), "it is the file itself");
        assert_eq!(named("amazon-2").steps.len(), 2);
        assert!(named("suse-csaf").is_on && !named("epss").is_on);
    }

    #[test]
    fn all_that_is_wrong_is_said() {
        let wrong = FeedWords {
            form: Some("rss".to_owned()),
            packaging: Some("rar".to_owned()),
            ecosystems: vec!["Slackware".to_owned()],
            interval: Some(Duration::from_secs(60)),
            ..words("Bad name", &["ftp://example.com/x", "https://user:word@example.com/", "https://example.com/{x}"])
        };
        assert_eq!(keys(&wrong), ["name", "urls", "urls", "interval", "packaging", "form", "ecosystems", "urls"]);
        assert_eq!(keys(&words("new", &[])), ["form", "urls"]);
        let form = |form: &str| FeedWords { form: Some(form.to_owned()), ..words("new", &["https://example.com/"]) };
        assert_eq!(keys(&form("osv")), ["ecosystems"]);
        assert_eq!(keys(&FeedWords { is_authoritative: Some(true), ..form("kev") }), ["authoritative"]);
        assert_eq!(keys(&FeedWords { ecosystems: vec!["npm".to_owned()], ..form("epss") }), ["ecosystems"]);
        assert_eq!(keys(&words("alpine", &["https://example.com/{release}.json"])), ["urls"]);
        assert_eq!(keys(&FeedWords { form: Some("osv".to_owned()), ..words("debian", &[]) }), ["form"]);
        let twice = all(&[words("kev", &[]), words("kev", &[])]).expect_err("a problem");
        assert_eq!(twice.len(), 1);
    }

    #[test]
    fn names_and_urls() {
        for name in ["debian", "osv-npm", "a1"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-", "a-", "a--b", "A", "a b", "ä", &"a".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
        for url in ["https://a", "http://10.0.0.1:80/x?y#z"] {
            assert!(is_url(url), "{url}");
        }
        for url in
            ["", "https://", "https:///x", "file:///etc/passwd", "https://a b", "https://u@h/", "https://a/\u{e4}"]
        {
            assert!(!is_url(url), "{url}");
        }
    }
}
