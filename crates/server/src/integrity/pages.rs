//! The pages of the embedded database against their checksums.

use store::db::Db;
use store::db::pages::{DamagedPage, PageOwner};
use store::error::{StoreError, StoreErrorKind};

use super::finding::{Finding, FindingKind};

/// Reads every page and tells of those that are, or were, not what was written.
pub async fn findings(db: &Db) -> Result<Vec<Finding>, StoreError> {
    let report = match db.check_pages().await {
        Ok(Some(report)) => report,
        Ok(None) => return Ok(Vec::new()),
        // Other parts of a check tell why it cannot be opened.
        Err(error) if error.kind() == StoreErrorKind::Corrupt => {
            let detail = format!("its pages cannot be read: {}", crate::with_causes(&error));
            return Ok(vec![Finding::new(FindingKind::DamagedDatabase, "wharf.db", detail)]);
        }
        Err(error) => return Err(error),
    };
    let mut findings: Vec<Finding> = report.damaged.iter().map(damaged).collect();
    findings.extend(report.written_since.iter().map(written_since));
    Ok(findings)
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

fn written_since(page: &DamagedPage) -> Finding {
    let detail = format!("its checksum did not fit when it was read, and it has been written since; {}", owner(page));
    Finding::new(FindingKind::RewrittenPage, subject(page), detail)
}
