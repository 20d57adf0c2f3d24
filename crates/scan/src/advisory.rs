//! The one form that all feeds are read into: what is known of a vulnerability, and the rows that say which packages have it.

use serde::{Deserialize, Serialize};

use crate::ecosystem::Ecosystem;

/// An advisory of a feed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Advisory {
    /// What it says of the vulnerabilities.
    pub head: Head,
    /// What it says of packages.
    pub affected: Vec<Affected>,
}

/// What an advisory says apart from the packages.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    /// The feed that it is of.
    pub source: String,
    /// Its id in that feed, or the key of its record where the feed has none: see [`Head::published_id`].
    pub id: String,
    /// Other names of the one vulnerability that it is about.
    pub aliases: Vec<String>,
    /// The vulnerabilities that it is about, each a finding of its own: CVEs where there are some.
    pub vulnerabilities: Vec<String>,
    /// What it is.
    pub kind: Kind,
    /// The severity, in the feed's word.
    pub severity: Option<String>,
    /// What it is rated by CVSS.
    pub ratings: Vec<Rating>,
    /// When it was published, as the feed writes it.
    pub published: Option<String>,
    /// When it was changed last, as the feed writes it.
    pub modified: Option<String>,
    /// When it was withdrawn: it matches nothing then.
    pub withdrawn: Option<String>,
    /// One sentence on it.
    pub summary: String,
    /// More on it, for display.
    pub details: String,
    /// Pages on it.
    pub references: Vec<String>,
}

/// What an advisory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// It tells of a vulnerability.
    #[default]
    Vulnerability,
    /// The package itself is malicious.
    Malicious,
    /// It tells of none: a bug fix, or that nobody maintains the package. It is no finding.
    Notice,
}

/// A rating by CVSS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rating {
    /// Who rated.
    pub source: String,
    /// The version of CVSS: 2, 3 or 4.
    pub version: u8,
    /// The vector; empty where only the score is given.
    pub vector: String,
    /// The base score.
    pub score: f64,
}

/// One row: a package of a release, and which versions of it the advisory speaks of.
#[derive(Debug, Clone, PartialEq)]
pub struct Affected {
    /// The ecosystem that the package is of.
    pub ecosystem: Ecosystem,
    /// The release of the ecosystem; empty where it has none.
    pub release: String,
    /// The package.
    pub name: String,
    /// Which of a package's names it is.
    pub of: NameOf,
    /// The versions.
    pub versions: Versions,
    /// What is said of these versions.
    pub state: State,
    /// How far a statement that something is not affected reaches.
    pub scope: Scope,
    /// The architectures that it is for; all where empty.
    pub arches: Vec<String>,
    /// The module streams that it is for; packages of no module and of all streams where empty.
    pub modules: Vec<Module>,
    /// The repository, product or support that it is for.
    pub repository: Option<String>,
    /// The severity for this package, in the feed's word.
    pub severity: Option<String>,
    /// What it is rated by CVSS for this package.
    pub ratings: Vec<Rating>,
    /// The vendor's own words on the state.
    pub note: Option<String>,
    /// The import paths within a module of Go that have the vulnerability; the whole module where empty.
    pub imports: Vec<String>,
}

/// Which of a package's names a row speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameOf {
    /// The package that is installed.
    #[default]
    Binary,
    /// The source that packages are built from.
    Source,
    /// Either: the feed does not say.
    Either,
}

/// What a vendor says of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// They are affected; the end of the range, if there is one, is the fix.
    #[default]
    Affected,
    /// They are affected, and will not be fixed.
    WillNotFix,
    /// They are affected, and the fix is put off.
    Deferred,
    /// They are affected, and the release gets no fixes any more.
    EndOfLife,
    /// It is not known yet whether they are affected.
    UnderInvestigation,
    /// They are not affected.
    NotAffected,
}

/// How far a statement that a package is not affected reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The package.
    #[default]
    Package,
    /// The package and what lies in its files.
    PackageAndFiles,
}

/// A stream of a module, as of Red Hat: packages of it are compared with fixes of it alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Module {
    /// The name of the module.
    pub name: String,
    /// The stream.
    pub stream: String,
}

/// Which versions a row speaks of: what is in a range or listed, but not what is set apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versions {
    /// Ranges, each of events.
    pub ranges: Vec<Vec<Event>>,
    /// Single versions.
    pub listed: Vec<String>,
    /// Requirements that hold for versions without the vulnerability: one that holds sets a version apart.
    pub unaffected: Vec<Requirement>,
    /// The version to update to, where no range ends with it.
    pub fixed: Option<String>,
}

/// What happens at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// This version is affected, and so are later ones; `0` is before every version.
    Introduced(String),
    /// This version is not affected any more, nor are later ones.
    Fixed(String),
    /// This version is affected still, later ones are not.
    LastAffected(String),
    /// Nothing is said of this version and of later ones.
    Limit(String),
}

/// Comparisons of which all must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirement(pub Vec<(Comparison, String)>);

/// How a version stands to the one that a requirement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Head {
    /// The id under which its publisher made it known. None where a feed has no id for each of its records: importers put a
    /// key together then of several words (`CVE-2023-45853 zlib`), with blanks between them as no id has, and nobody knows
    /// the advisory by that.
    pub fn published_id(&self) -> Option<&str> {
        (!self.id.is_empty() && !self.id.contains(' ')).then_some(self.id.as_str())
    }
}

impl Module {
    /// Reads `name:stream`, with whatever follows another colon (`MODULARITYLABEL` has version and context there).
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (name, stream) = (parts.next()?.trim(), parts.next()?.trim());
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._+".contains(&byte))
        };
        (is_word(name) && is_word(stream)).then(|| Self { name: name.to_owned(), stream: stream.to_owned() })
    }
}

impl Versions {
    /// All versions.
    pub fn all() -> Self {
        Self { ranges: vec![vec![Event::Introduced("0".to_owned())]], ..Self::default() }
    }

    /// All versions before this one.
    pub fn before(fixed: impl Into<String>) -> Self {
        let events = vec![Event::Introduced("0".to_owned()), Event::Fixed(fixed.into())];
        Self { ranges: vec![events], ..Self::default() }
    }

    /// Whether it says no more than "from some version on, without an end".
    pub fn is_open_ended(&self) -> bool {
        self.listed.is_empty()
            && self.unaffected.is_empty()
            && self.ranges.iter().flatten().all(|event| matches!(event, Event::Introduced(_)))
    }

    /// The versions that fix it, in the order of the ranges.
    pub fn fixes(&self) -> impl Iterator<Item = &str> {
        self.ranges.iter().flatten().filter_map(|event| match event {
            Event::Fixed(version) => Some(version.as_str()),
            Event::Introduced(_) | Event::LastAffected(_) | Event::Limit(_) => None,
        })
    }
}

impl Affected {
    /// A row that says that all versions are affected; what is known better is to be set.
    pub fn all(ecosystem: Ecosystem, release: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            ecosystem,
            release: release.into(),
            name: name.into(),
            of: NameOf::default(),
            versions: Versions::all(),
            state: State::default(),
            scope: Scope::default(),
            arches: Vec::new(),
            modules: Vec::new(),
            repository: None,
            severity: None,
            ratings: Vec::new(),
            note: None,
            imports: Vec::new(),
        }
    }
}
