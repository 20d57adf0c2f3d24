//! The pages of the embedded database against their checksums.

use std::path::Path;

use runtime::boxed;
use store::db::Db;
use store::db::pages::{self, DamagedPage, PageOwner};
use store::error::{StoreError, StoreErrorKind};

use super::finding::{Finding, FindingKind};

/// Reads every page and tells of those that are, or were, not what was written.
#[boxed]
pub async fn findings(db: &Db) -> Result<Vec<Finding>, StoreError> {
    let report = match db.check_pages().await {
        Ok(Some(report)) => report,
        Ok(None) => return Ok(Vec::new()),
        // Other parts of a check tell why it cannot be opened.
        Err(error) if error.kind() == StoreErrorKind::Corrupt => {
            let detail = format!("its pages cannot be read: {}", runtime::with_causes(&error));
            return Ok(vec![Finding::new(FindingKind::DamagedDatabase, "wharf.db", detail)]);
        }
        Err(error) => return Err(error),
    };
    let mut findings: Vec<Finding> = report.damaged.iter().map(damaged).collect();
    findings.extend(report.written_since.iter().map(written_since));
    findings.extend(report.mended.iter().map(mended));
    Ok(findings)
}

/// What the checksums say of the pages of a database that cannot be opened, and why it cannot.
pub fn findings_of_file(path: &Path, error: &StoreError) -> Vec<Finding> {
    // What has no checksums, or cannot be read at all, is told of by the error alone.
    let found = pages::check_file(path).ok().flatten().unwrap_or_default();
    let damaged = found.damaged.iter().map(|number| {
        let subject = format!("page {number} of wharf.db");
        if found.flipped.contains(number) {
            let detail = "its checksum does not fit: one bit of it was flipped";
            let mut finding = Finding::new(FindingKind::DamagedPage, subject, detail);
            finding.advice = Some("`wharf fsck --offline --repair` puts the bit back".to_owned());
            finding
        } else {
            let detail = "its checksum does not fit; what it belongs to cannot be told";
            Finding::new(FindingKind::DamagedPage, subject, detail)
        }
    });
    let mut findings: Vec<Finding> = damaged.collect();
    let is_mended = !found.flipped.is_empty() && found.flipped.len() == found.damaged.len();
    let mut finding = Finding::new(FindingKind::DamagedDatabase, "wharf.db", runtime::with_causes(error));
    if is_mended {
        finding.advice = Some("`wharf fsck --offline --repair` puts back what was flipped in its pages".to_owned());
    }
    findings.push(finding);
    findings
}

fn subject(page: &DamagedPage) -> String {
    format!("page {} of wharf.db", page.number)
}

fn owner(page: &DamagedPage) -> String {
    match &page.owner {
        PageOwner::Table(table) => format!("it belongs to table {table}"),
        PageOwner::Index { name, table } => format!("it belongs to index {name} of table {table}"),
        PageOwner::Nothing => "it is free".to_owned(),
        PageOwner::Unknown => "what it belongs to cannot be told".to_owned(),
    }
}

fn damaged(page: &DamagedPage) -> Finding {
    let kind = match page.owner {
        PageOwner::Nothing => FindingKind::DamagedFreePage,
        PageOwner::Table(_) | PageOwner::Index { .. } | PageOwner::Unknown => FindingKind::DamagedPage,
    };
    Finding::new(kind, subject(page), format!("its checksum does not fit; {}", owner(page)))
}

fn mended(page: &DamagedPage) -> Finding {
    let detail = format!("its checksum did not fit, as one bit of it was flipped; {}", owner(page));
    let finding = Finding::new(FindingKind::DamagedPage, subject(page), detail);
    finding.repaired("the bit was put back before the database was opened")
}

fn written_since(page: &DamagedPage) -> Finding {
    let detail = format!("its checksum did not fit when it was read, and it has been written since; {}", owner(page));
    Finding::new(FindingKind::RewrittenPage, subject(page), detail)
}
