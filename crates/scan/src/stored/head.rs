//! What advisories say apart from the packages: the head that matching reads, and what people read.

use super::codec::{Damaged, Input, Output};
use crate::advisory::{Head, Kind};

/// What of an advisory only people read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// When it was published, as the feed writes it.
    pub published: Option<String>,
    /// One sentence on it.
    pub summary: String,
    /// More on it.
    pub details: String,
    /// Pages on it.
    pub references: Vec<String>,
}

const VULNERABILITIES: u8 = 1;
const ALIASES: u8 = 2;
const SEVERITY: u8 = 3;
const RATINGS: u8 = 4;
const MODIFIED: u8 = 5;
const WITHDRAWN: u8 = 6;
/// In place of the vulnerabilities: it is about the one that it has its id of.
const ITSELF: u8 = 7;

/// A head as bytes, without source and id, and without what is in [`Details`].
pub fn head_to_bytes(head: &Head) -> Vec<u8> {
    to_bytes(head, head.modified.as_deref())
}

/// The same, as if it had been modified then.
pub(super) fn to_bytes(head: &Head, modified: Option<&str>) -> Vec<u8> {
    let mut out = Output::new();
    out.byte(match head.kind {
        Kind::Vulnerability => 0,
        Kind::Malicious => 1,
        Kind::Notice => 2,
    });
    if head.vulnerabilities.as_slice() == std::slice::from_ref(&head.id) {
        out.byte(ITSELF);
    } else {
        out.part(VULNERABILITIES, &head.vulnerabilities, |out, id| out.text(id));
    }
    out.part(ALIASES, &head.aliases, |out, id| out.text(id));
    out.text_part(SEVERITY, head.severity.as_deref());
    out.part(RATINGS, &head.ratings, Output::rating);
    out.text_part(MODIFIED, modified);
    out.text_part(WITHDRAWN, head.withdrawn.as_deref());
    out.end()
}

/// The head of bytes that [`head_to_bytes`] made; what is in [`Details`] is empty.
pub fn head_from_bytes(source: &str, id: &str, bytes: &[u8]) -> Result<Head, Damaged> {
    let mut input = Input::new(bytes)?;
    let kind = match input.byte()? {
        0 => Kind::Vulnerability,
        1 => Kind::Malicious,
        2 => Kind::Notice,
        _ => return Err(Damaged("an advisory of no kind")),
    };
    let mut head = Head { source: source.to_owned(), id: id.to_owned(), kind, ..Head::default() };
    while let Some(part) = input.part() {
        match part {
            ITSELF => head.vulnerabilities = vec![id.to_owned()],
            VULNERABILITIES => head.vulnerabilities = input.list(Input::text)?,
            ALIASES => head.aliases = input.list(Input::text)?,
            SEVERITY => head.severity = Some(input.text()?),
            RATINGS => head.ratings = input.list(Input::rating)?,
            MODIFIED => head.modified = Some(input.text()?),
            WITHDRAWN => head.withdrawn = Some(input.text()?),
            _ => return Err(Damaged("a part that is not known")),
        }
    }
    Ok(head)
}

const PUBLISHED: u8 = 1;
const SUMMARY: u8 = 2;
const DETAILS: u8 = 3;
const REFERENCES: u8 = 4;

impl Details {
    /// The details of an advisory.
    pub fn of(head: &Head) -> Self {
        Self {
            published: head.published.clone(),
            summary: head.summary.clone(),
            details: head.details.clone(),
            references: head.references.clone(),
        }
    }

    /// Puts them back where they are from.
    pub fn put_into(self, head: &mut Head) {
        let Self { published, summary, details, references } = self;
        (head.published, head.summary, head.details, head.references) = (published, summary, details, references);
    }

    /// They as bytes. Whoever stores many may well compress them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Output::new();
        out.text_part(PUBLISHED, self.published.as_deref());
        out.filled_part(SUMMARY, &self.summary);
        out.filled_part(DETAILS, &self.details);
        out.part(REFERENCES, &self.references, |out, page| out.text(page));
        out.end()
    }

    /// The details of bytes that [`Details::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut input = Input::new(bytes)?;
        let mut details = Self::default();
        while let Some(part) = input.part() {
            match part {
                PUBLISHED => details.published = Some(input.text()?),
                SUMMARY => details.summary = input.text()?,
                DETAILS => details.details = input.text()?,
                REFERENCES => details.references = input.list(Input::text)?,
                _ => return Err(Damaged("a part that is not known")),
            }
        }
        Ok(details)
    }
}
