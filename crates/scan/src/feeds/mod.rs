//! The reading of feeds: each form that advisories are published in, record by record, into the one form of [`advisory`].
//!
//! A feed is read as a stream. A record that is broken or too large is counted and named, and the next one is read; only what
//! ends the stream (an archive that breaks off, a bound on all of it) makes a revision unfit, which [`Report::ended`] says.
//!
//! [`advisory`]: crate::advisory

mod archive;
mod bundle;
pub mod catalog;
mod csaf;
mod csaf_document;
mod cve;
mod debian;
mod epss;
mod json;
mod kev;
mod limits;
mod openvex;
mod osv;
mod osv_words;
mod oval;
mod packaging;
mod photon;
mod reckoning;
mod requirement;
mod secdb;
mod unpack;
mod updateinfo;
mod xml;

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{Read, Seek},
    ops::ControlFlow,
    str::FromStr,
};

use crate::{
    advisory::{Advisory, Affected, Rating},
    ecosystem::Ecosystem,
};

pub use limits::FeedLimits;
pub use packaging::{Compression, Packaging, UnknownPackaging};
pub use requirement::read as read_requirement;

use reckoning::Weights;
use unpack::Unpacked;

/// A form that a feed is published in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// OSV: one record, or one record a line.
    Osv,
    /// Alpine's secdb, also of Wolfi, Chainguard and MinimOS: the ecosystem is to be named where the file names no release.
    Secdb,
    /// Debian's security tracker.
    DebianTracker,
    /// OpenVEX, as Ubuntu publishes it.
    OpenVex,
    /// CSAF VEX, as Red Hat and SUSE publish it.
    Csaf,
    /// `updateinfo.xml`, as Amazon publishes it.
    UpdateInfo,
    /// OVAL, as Oracle publishes it.
    Oval,
    /// Photon's list of CVEs.
    Photon,
    /// CISA's catalogue of what is known to be exploited.
    Kev,
    /// How probably a vulnerability is exploited, as FIRST reckons it.
    Epss,
    /// Records of the CVE list, or ratings by CVSS one a line.
    Cve,
}

/// Each form, and its word in a configuration.
const FORMS: [(Form, &str); 11] = [
    (Form::Osv, "osv"),
    (Form::Secdb, "secdb"),
    (Form::DebianTracker, "debian-tracker"),
    (Form::OpenVex, "openvex"),
    (Form::Csaf, "csaf"),
    (Form::UpdateInfo, "updateinfo"),
    (Form::Oval, "oval"),
    (Form::Photon, "photon"),
    (Form::Kev, "kev"),
    (Form::Epss, "epss"),
    (Form::Cve, "cve"),
];

/// A word is none for a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a form: osv, secdb, debian-tracker, openvex, csaf, updateinfo, oval, photon, kev, epss or cve")]
pub struct UnknownForm;

impl Form {
    /// All forms.
    pub fn all() -> impl Iterator<Item = Self> {
        FORMS.into_iter().map(|(form, _)| form)
    }

    /// Whether it tells of packages, and not only of vulnerabilities that other feeds tell of.
    pub fn has_rows(self) -> bool {
        !matches!(self, Self::Kev | Self::Epss | Self::Cve)
    }
}

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(word: &str) -> Result<Self, UnknownForm> {
        FORMS.into_iter().find(|(_, known)| *known == word).map(|(form, _)| form).ok_or(UnknownForm)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS.into_iter().find(|(form, _)| form == self).map_or("", |(_, word)| word))
    }
}

/// What is known of a file of a feed beside what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct About<'a> {
    /// The feed, which each of its advisories names.
    pub source: &'a str,
    /// The ecosystem that it is of, where the form has several and does not tell.
    pub ecosystem: Option<Ecosystem>,
    /// The release that it is of, where the form does not tell.
    pub release: Option<&'a str>,
    /// Which of the feed's files it is, such as `v3.20/main`; empty where that is not known.
    pub part: &'a str,
}

/// What a feed tells, one at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// An advisory.
    Advisory(Box<Advisory>),
    /// A vulnerability that is known to be exploited.
    Exploited(Exploited),
    /// How probably a vulnerability is exploited.
    Likelihood(Likelihood),
    /// What a vulnerability is rated, apart from what a feed says of it.
    Scores(Scores),
}

/// A vulnerability that is known to be exploited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exploited {
    /// The CVE.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// The day that it was added.
    pub added: String,
    /// The day that it has to be fixed by.
    pub due: String,
    /// Whether ransomware is known to use it.
    pub is_ransomware: bool,
}

/// How probably a vulnerability is exploited.
#[derive(Debug, Clone, PartialEq)]
pub struct Likelihood {
    /// The CVE.
    pub id: String,
    /// The probability, from 0 to 1.
    pub score: f64,
    /// The share of vulnerabilities that are not more probable.
    pub percentile: f64,
}

/// What a vulnerability is rated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// The CVE.
    pub id: String,
    /// The ratings.
    pub ratings: Vec<Rating>,
    /// What the vulnerability is, for display.
    pub summary: String,
    /// Whether the CVE has been rejected.
    pub is_rejected: bool,
}

/// How the reading of a feed went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Records that were read.
    pub records: u64,
    /// Rows that were left out, as their ecosystem is not known or they name no release.
    pub skipped_rows: u64,
    /// Records that were broken.
    pub broken: u64,
    /// The first of the broken records: which, and what is wrong.
    pub problems: Vec<String>,
    /// Why reading ended before the feed did: what was read is no whole revision.
    pub ended: Option<String>,
    /// Whether it says itself that there is nothing in it.
    pub is_empty: bool,
    /// The rows by ecosystem and release. A release that a feed tells nothing of is one that it knows nothing of.
    pub places: BTreeMap<(Ecosystem, String), u64>,
}

/// How many broken records are named.
const NAMED_PROBLEMS: usize = 100;
/// How many places are counted; real feeds have some dozens.
const PLACES: usize = 10_000;

impl Report {
    fn broken(&mut self, which: &str, why: impl std::fmt::Display) {
        self.broken += 1;
        if self.problems.len() < NAMED_PROBLEMS {
            self.problems.push(format!("{}: {why}", clip(which, 200)));
        }
    }

    fn end(&mut self, why: impl std::fmt::Display) -> ControlFlow<()> {
        self.ended.get_or_insert_with(|| why.to_string());
        ControlFlow::Break(())
    }

    /// Whether what was read can be a revision: it has come to its end, holds something or says that it does not, and nine
    /// records of ten are whole. A page that says that the feed is elsewhere is no feed of broken records.
    pub fn is_fit(&self) -> bool {
        let is_something = self.records > 0 || self.is_empty;
        self.ended.is_none() && is_something && self.broken.saturating_mul(9) <= self.records
    }

    fn count(&mut self, advisory: &Advisory) {
        // Rows of a place stand together.
        let is_same =
            |one: &Affected, other: &Affected| (one.ecosystem, &one.release) == (other.ecosystem, &other.release);
        for rows in advisory.affected.chunk_by(is_same) {
            let Some(first) = rows.first() else { continue };
            let place = (first.ecosystem, first.release.clone());
            if self.places.len() < PLACES || self.places.contains_key(&place) {
                *self.places.entry(place).or_default() += rows.len() as u64;
            }
        }
    }
}

/// Takes the records of a feed; it may end the reading.
pub type Sink<'a> = &'a mut dyn FnMut(Record) -> ControlFlow<()>;

/// The reading of one feed: what the importers share.
struct Import<'a> {
    about: About<'a>,
    limits: &'a FeedLimits,
    sink: Sink<'a>,
    report: Report,
    /// Whether the whole file has ended, and not one of those that it holds.
    is_over: bool,
}

impl<'a> Import<'a> {
    fn new(about: About<'a>, limits: &'a FeedLimits, sink: Sink<'a>) -> Self {
        Self { about, limits, sink, report: Report::default(), is_over: false }
    }

    /// Ends the reading of the whole file.
    fn end_all(&mut self, why: impl fmt::Display) -> ControlFlow<()> {
        self.is_over = true;
        self.report.end(why)
    }

    /// Reads a file of an archive: one that is broken is a broken record of the archive, and not its end.
    fn read_part(&mut self, form: Form, name: &str, input: &mut dyn Read) -> ControlFlow<()> {
        if self.read(form, input).is_break() {
            if self.is_over {
                return ControlFlow::Break(());
            }
            if let Some(why) = self.report.ended.take() {
                self.report.broken(name, why);
            }
        }
        ControlFlow::Continue(())
    }

    /// Gives a record on.
    fn give(&mut self, record: Record) -> ControlFlow<()> {
        if self.report.records >= self.limits.records {
            return self.end_all(format_args!("it has more than {} records", self.limits.records));
        }
        if let Record::Advisory(advisory) = &record
            && let Err(why) = self.limits.check_advisory(advisory)
        {
            self.report.broken(&advisory.head.id, why);
            return ControlFlow::Continue(());
        }
        self.report.records += 1;
        if let Record::Advisory(advisory) = &record {
            self.report.count(advisory);
        }
        match (self.sink)(record) {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(()) => self.end_all("it was ended"),
        }
    }

    fn advisory(&mut self, mut advisory: Advisory) -> ControlFlow<()> {
        self.about.source.clone_into(&mut advisory.head.source);
        self.give(Record::Advisory(Box::new(advisory)))
    }

    fn read(&mut self, form: Form, input: &mut dyn Read) -> ControlFlow<()> {
        let input = &mut input.take(self.limits.bytes);
        let flow = match form {
            Form::Osv => json::values(self, input, Weights::OF_VALUES, osv::record),
            Form::Secdb => secdb::read(self, input),
            Form::DebianTracker => debian::read(self, input),
            Form::OpenVex => json::values(self, input, Weights::OF_VALUES, openvex::document),
            Form::Csaf => json::values(self, input, Weights::OF_CSAF, csaf::document),
            Form::UpdateInfo => updateinfo::read(self, input),
            Form::Oval => oval::read(self, input),
            Form::Photon => photon::read(self, input),
            Form::Kev => kev::read(self, input),
            Form::Epss => epss::read(self, input),
            Form::Cve => json::values(self, input, Weights::OF_VALUES, cve::record),
        };
        if input.limit() == 0 {
            return self.end_all(format_args!("it is larger than {} bytes", self.limits.bytes));
        }
        flow
    }
}

/// Reads a feed, without compression, and gives its records to `sink`. `source` names the feed in each.
pub fn import(form: Form, source: &str, input: &mut dyn Read, limits: &FeedLimits, sink: Sink<'_>) -> Report {
    let about = About { source, ..About::default() };
    let mut import = Import::new(about, limits, sink);
    // What ended it is in the report.
    let _ = import.read(form, input);
    import.report
}

/// Reads the file of a feed as it is published, packed or not, and gives its records to `sink`. `scratch` is an empty file,
/// open for reading and writing, which [`Packaging::ZipInZip`] needs.
///
/// Nothing of what was given counts unless the report [says so](Report::is_fit): a file that breaks off anywhere is noticed
/// at its end. Only that records one a line, neither packed nor with a checksum, end between two lines is not to be seen.
pub fn import_file<R: Read + Seek>(
    form: Form,
    packaging: Packaging,
    about: About<'_>,
    input: R,
    scratch: Option<&mut File>,
    limits: &FeedLimits,
    sink: Sink<'_>,
) -> Report {
    let mut import = Import::new(about, limits, sink);
    let _ = match packaging {
        Packaging::File(compression) => unpack(&mut import, compression, input, |import, data| import.read(form, data)),
        Packaging::Tar(compression) => {
            unpack(&mut import, compression, input, |import, data| bundle::read(import, form, data))
        }
        Packaging::Zip => archive::zip(&mut import, form, input),
        Packaging::ZipInZip => archive::zip_in_zip(&mut import, form, input, scratch),
    };
    import.report
}

/// Reads all that is packed, to its very end, where checksums are.
fn unpack<R: Read>(
    import: &mut Import<'_>,
    compression: Compression,
    input: R,
    read: impl FnOnce(&mut Import<'_>, &mut dyn Read) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut data = match Unpacked::new(input, compression, import.limits) {
        Ok(data) => data,
        Err(error) => return import.end_all(error),
    };
    read(import, &mut data)?;
    match data.finish() {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => import.end_all(error),
    }
}

/// The text without what is beyond so many bytes.
fn clip(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Bytes of a summary that are kept.
const SUMMARY_BYTES: usize = 1000;
/// Bytes of a note on a row that are kept: an advisory may have it for each.
const NOTE_BYTES: usize = 300;
/// Bytes of a longer text that are kept.
const DETAILS_BYTES: usize = 16 << 10;
/// Pages that are kept of an advisory.
const REFERENCES: usize = 30;
/// Bytes of an id or a name; longer ones are none.
const NAME_BYTES: usize = 512;

/// Whether a text can be an id or a name.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES && !text.contains(char::is_control)
}

/// Whether the id is a CVE's.
fn is_cve(id: &str) -> bool {
    id.strip_prefix("CVE-").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}
