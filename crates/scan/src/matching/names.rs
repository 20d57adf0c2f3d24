//! The one name of a vulnerability that several records have by different ones: its CVE where it has one.

use std::collections::HashMap;

use super::index::Row;

/// The CVEs of other names, as the records on a package know them.
pub struct Names<'a> {
    known: HashMap<&'a str, &'a [String]>,
}

impl<'a> Names<'a> {
    /// Learns the names of these rows' records.
    pub fn of(rows: &[&'a Row]) -> Self {
        let mut known: HashMap<&str, &[String]> = HashMap::new();
        for row in rows.iter().filter(|row| !row.affected.ecosystem.is_distribution()) {
            let head = &row.head;
            // A record on several CVEs would join what others tell apart.
            if head.vulnerabilities.len() == 1 {
                for name in std::iter::once(&head.id).chain(&head.aliases) {
                    known.entry(name).or_insert(&head.vulnerabilities);
                }
            }
        }
        Self { known }
    }

    /// The vulnerabilities that a row is about.
    pub fn of_row(&self, row: &Row) -> Vec<String> {
        let head = &row.head;
        if !head.vulnerabilities.is_empty() {
            return head.vulnerabilities.clone();
        }
        let names = || std::iter::once(&head.id).chain(&head.aliases);
        if let Some(known) = names().find_map(|name| self.known.get(name.as_str())) {
            return known.to_vec();
        }
        // Without a CVE GitHub's id is what other records name it by.
        vec![names().find(|name| name.starts_with("GHSA-")).unwrap_or(&head.id).clone()]
    }
}
