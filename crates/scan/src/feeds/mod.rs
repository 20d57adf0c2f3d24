//! The reading of feeds: each form that advisories are published in, record by record, into the one form of [`advisory`].
//!
//! A feed is read as a stream. A record that is broken or too large is counted and named, and the next one is read; only what
//! ends the stream (an archive that breaks off, a bound on all of it) makes a revision unfit, which [`Report::ended`] says.
//!
//! [`advisory`]: crate::advisory

mod archive;
mod csaf;
mod cve;
mod debian;
mod epss;
mod json;
mod kev;
mod openvex;
mod osv;
mod osv_words;
mod oval;
mod photon;
mod requirement;
mod secdb;
mod updateinfo;
mod xml;

use std::{
    io::{Read, Seek},
    ops::ControlFlow,
};

use crate::advisory::{Advisory, Rating};

pub use requirement::read as read_requirement;

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

/// What reading a feed may cost at most: hostile feeds reach these bounds, real ones do not.
#[derive(Debug, Clone, Copy)]
pub struct FeedLimits {
    /// Bytes of one record.
    pub record_bytes: usize,
    /// Records of the whole feed.
    pub records: u64,
    /// Bytes of the whole feed, without compression.
    pub bytes: u64,
    /// Rows of one advisory.
    pub rows: usize,
    /// How deep a record's parts lie in one another.
    pub depth: usize,
}

impl Default for FeedLimits {
    fn default() -> Self {
        Self { record_bytes: 64 << 20, records: 2_000_000, bytes: 16 << 30, rows: 500_000, depth: 100 }
    }
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
}

/// How many broken records are named.
const NAMED_PROBLEMS: usize = 100;

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
}

/// Takes the records of a feed; it may end the reading.
pub type Sink<'a> = &'a mut dyn FnMut(Record) -> ControlFlow<()>;

/// The reading of one feed: what the importers share.
struct Import<'a> {
    source: &'a str,
    limits: &'a FeedLimits,
    sink: Sink<'a>,
    report: Report,
}

impl Import<'_> {
    /// Gives a record on.
    fn give(&mut self, record: Record) -> ControlFlow<()> {
        if self.report.records >= self.limits.records {
            return self.report.end(format_args!("it has more than {} records", self.limits.records));
        }
        if let Record::Advisory(advisory) = &record
            && advisory.affected.len() > self.limits.rows
        {
            let rows = self.limits.rows;
            self.report.broken(&advisory.head.id, format_args!("it has more than {rows} rows"));
            return ControlFlow::Continue(());
        }
        self.report.records += 1;
        match (self.sink)(record) {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(()) => self.report.end("it was ended"),
        }
    }

    fn advisory(&mut self, mut advisory: Advisory) -> ControlFlow<()> {
        self.source.clone_into(&mut advisory.head.source);
        self.give(Record::Advisory(Box::new(advisory)))
    }

    fn read(&mut self, form: Form, input: &mut dyn Read) -> ControlFlow<()> {
        let input = &mut input.take(self.limits.bytes);
        let flow = match form {
            Form::Osv => json::values(self, input, osv::record),
            Form::Secdb => secdb::read(self, input),
            Form::DebianTracker => debian::read(self, input),
            Form::OpenVex => json::values(self, input, openvex::document),
            Form::Csaf => json::values(self, input, csaf::document),
            Form::UpdateInfo => updateinfo::read(self, input),
            Form::Oval => oval::read(self, input),
            Form::Photon => photon::read(self, input),
            Form::Kev => kev::read(self, input),
            Form::Epss => epss::read(self, input),
            Form::Cve => json::values(self, input, cve::record),
        };
        if input.limit() == 0 {
            return self.report.end(format_args!("it is larger than {} bytes", self.limits.bytes));
        }
        flow
    }
}

/// Reads a feed, without compression, and gives its records to `sink`. `source` names the feed in each.
pub fn import(form: Form, source: &str, input: &mut dyn Read, limits: &FeedLimits, sink: Sink<'_>) -> Report {
    let mut import = Import { source, limits, sink, report: Report::default() };
    // What ended it is in the report.
    let _ = import.read(form, input);
    import.report
}

/// Reads all files of a zip that are of a feed's form.
pub fn import_zip<R: Read + Seek>(form: Form, source: &str, input: R, limits: &FeedLimits, sink: Sink<'_>) -> Report {
    let mut import = Import { source, limits, sink, report: Report::default() };
    let _ = archive::zip(&mut import, form, input);
    import.report
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
