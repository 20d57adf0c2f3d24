//! Where the rows of advisories are looked up: by ecosystem, release and name.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    convert::Infallible,
    sync::Arc,
};

use crate::{
    advisory::{Advisory, Affected, Head, Rating},
    ecosystem::Ecosystem,
    feeds::{Record, Scores},
};

/// What rows are looked up by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The ecosystem.
    pub ecosystem: Ecosystem,
    /// The release of it.
    pub release: String,
    /// The package's name.
    pub name: String,
}

/// A row, with the advisory that it is of.
#[derive(Debug, Clone)]
pub struct Row {
    /// The advisory.
    pub head: Arc<Head>,
    /// What it says of the package.
    pub affected: Affected,
}

impl Row {
    /// What it is looked up by.
    pub fn key(&self) -> Key {
        let row = &self.affected;
        Key { ecosystem: row.ecosystem, release: row.release.clone(), name: row.name.clone() }
    }
}

/// What is known of a vulnerability apart from the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// NVD's ratings, or those of whoever assigned the CVE.
    pub ratings: Vec<Rating>,
    /// The severity in the word of an advisory on it of another ecosystem.
    pub word: Option<String>,
}

/// The advisories that are in force.
pub trait AdvisoryIndex {
    /// Why looking up fails.
    type Error;

    /// All rows of these keys, or so many of them.
    fn rows(&self, keys: &BTreeSet<Key>, most: usize) -> Result<Vec<Row>, Self::Error>;

    /// What is known of these vulnerabilities.
    fn facts(&self, ids: &BTreeSet<String>) -> Result<HashMap<String, Facts>, Self::Error>;

    /// Whether there are advisories for this release at all: that nothing is found says something only then.
    fn covers(&self, ecosystem: Ecosystem, release: &str) -> Result<bool, Self::Error>;
}

/// Advisories in memory.
#[derive(Debug, Default)]
pub struct MemoryIndex {
    rows: HashMap<Key, Vec<Row>>,
    facts: HashMap<String, Facts>,
    covered: HashSet<(Ecosystem, String)>,
}

impl MemoryIndex {
    /// Adds what a feed tells.
    pub fn add(&mut self, record: Record) {
        match record {
            Record::Advisory(advisory) => self.add_advisory(*advisory),
            Record::Scores(scores) => self.add_scores(scores),
            Record::Exploited(_) | Record::Likelihood(_) => {}
        }
    }

    /// Adds an advisory.
    pub fn add_advisory(&mut self, advisory: Advisory) {
        let head = Arc::new(advisory.head);
        if let Some(word) = &head.severity {
            for id in &head.vulnerabilities {
                self.facts.entry(id.clone()).or_default().word.get_or_insert_with(|| word.clone());
            }
        }
        for affected in advisory.affected {
            self.covered.insert((affected.ecosystem, affected.release.clone()));
            let row = Row { head: Arc::clone(&head), affected };
            self.rows.entry(row.key()).or_default().push(row);
        }
    }

    /// Adds what a vulnerability is rated.
    pub fn add_scores(&mut self, scores: Scores) {
        self.facts.entry(scores.id).or_default().ratings.extend(scores.ratings);
    }
}

impl AdvisoryIndex for MemoryIndex {
    type Error = Infallible;

    fn rows(&self, keys: &BTreeSet<Key>, most: usize) -> Result<Vec<Row>, Infallible> {
        Ok(keys.iter().filter_map(|key| self.rows.get(key)).flatten().take(most).cloned().collect())
    }

    fn facts(&self, ids: &BTreeSet<String>) -> Result<HashMap<String, Facts>, Infallible> {
        Ok(ids.iter().filter_map(|id| Some((id.clone(), self.facts.get(id)?.clone()))).collect())
    }

    fn covers(&self, ecosystem: Ecosystem, release: &str) -> Result<bool, Infallible> {
        Ok(self.covered.contains(&(ecosystem, release.to_owned())))
    }
}
