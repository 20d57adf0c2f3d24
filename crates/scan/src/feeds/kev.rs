//! CISA's catalogue of vulnerabilities that are known to be exploited.

use std::{io::Read, ops::ControlFlow};

use serde::Deserialize;

use super::{Exploited, Import, Record, SUMMARY_BYTES, clip, is_cve, is_name, json, reckoning::Weights};

#[derive(Deserialize)]
struct Catalogue {
    vulnerabilities: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(alias = "cveID")]
    id: String,
    #[serde(alias = "vulnerabilityName", default)]
    name: String,
    #[serde(rename = "dateAdded", default)]
    added: String,
    #[serde(rename = "dueDate", default)]
    due: String,
    #[serde(alias = "knownRansomwareCampaignUse", default)]
    ransomware: String,
}

/// Reads the catalogue, or its entries one a line.
pub fn read(import: &mut Import<'_>, input: &mut dyn Read) -> ControlFlow<()> {
    json::values(import, input, Weights::OF_VALUES, |import, bytes| {
        let entries = json::parse::<Catalogue>(bytes)
            .map(|catalogue| catalogue.vulnerabilities)
            .or_else(|_| json::parse::<Entry>(bytes).map(|entry| vec![entry]));
        match entries {
            Ok(entries) => entries.into_iter().try_for_each(|entry| give(import, entry)),
            Err(why) => {
                import.report.broken("an entry", why);
                ControlFlow::Continue(())
            }
        }
    })
}

fn give(import: &mut Import<'_>, entry: Entry) -> ControlFlow<()> {
    if !is_name(&entry.id) || !is_cve(&entry.id) {
        import.report.broken(&entry.id, "it is no CVE");
        return ControlFlow::Continue(());
    }
    import.give(Record::Exploited(Exploited {
        is_ransomware: entry.ransomware == "Known",
        name: clip(&entry.name, SUMMARY_BYTES).to_owned(),
        added: clip(&entry.added, 32).to_owned(),
        due: clip(&entry.due, 32).to_owned(),
        id: entry.id,
    }))
}
