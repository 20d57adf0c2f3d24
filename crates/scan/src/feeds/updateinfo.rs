//! `updateinfo.xml`, as Amazon publishes it: an element for each advisory, with the packages that fix it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    ops::ControlFlow,
};

use roxmltree::{Document, Node};

use super::{DETAILS_BYTES, Import, REFERENCES, SUMMARY_BYTES, clip, is_cve, is_name, xml};
use crate::{
    advisory::{Advisory, Affected, Head, Kind, Versions},
    ecosystem::Ecosystem,
};

/// Reads the advisories, one at a time.
pub fn read(import: &mut Import<'_>, input: &mut dyn Read) -> ControlFlow<()> {
    xml::elements(import, input, "update", |import, text| {
        let document = match Document::parse(text) {
            Ok(document) => document,
            Err(why) => {
                import.report.broken(clip(text, 80), why);
                return ControlFlow::Continue(());
            }
        };
        let Some(id) = child_text(document.root_element(), "id").filter(|id| is_name(id)) else {
            import.report.broken("an update", "it has no id");
            return ControlFlow::Continue(());
        };
        let advisory = advisory(import, document.root_element(), id);
        import.advisory(advisory)
    })
}

fn advisory(import: &mut Import<'_>, update: Node<'_, '_>, id: &str) -> Advisory {
    let references = || update.descendants().filter(|node| node.has_tag_name("reference"));
    let mut vulnerabilities: Vec<String> = references()
        .filter_map(|reference| reference.attribute("id").or(reference.attribute("title")))
        .filter(|id| is_name(id) && is_cve(id))
        .map(str::to_owned)
        .collect();
    vulnerabilities.sort();
    vulnerabilities.dedup();
    let is_security = update.attribute("type").is_none_or(|kind| kind == "security");
    let kind = if vulnerabilities.is_empty() && !is_security { Kind::Notice } else { Kind::Vulnerability };
    if vulnerabilities.is_empty() {
        vulnerabilities.push(id.to_owned());
    }
    let date = |name| child(update, name).and_then(|node| node.attribute("date")).map(str::to_owned);
    let text = |name, bytes| clip(child_text(update, name).unwrap_or_default(), bytes).to_owned();
    let head = Head {
        id: id.to_owned(),
        vulnerabilities,
        kind,
        severity: child_text(update, "severity").map(str::to_owned),
        published: date("issued"),
        modified: date("updated"),
        summary: text("title", SUMMARY_BYTES),
        details: text("description", DETAILS_BYTES),
        references: references()
            .filter_map(|node| node.attribute("href"))
            .take(REFERENCES)
            .map(str::to_owned)
            .collect(),
        ..Head::default()
    };
    Advisory { affected: rows(import, update, id), head }
}

fn rows(import: &mut Import<'_>, update: Node<'_, '_>, id: &str) -> Vec<Affected> {
    let mut arches: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    for package in update.descendants().filter(|node| node.has_tag_name("package")) {
        let field = |name| package.attribute(name).filter(|text| is_name(text));
        let fields = ["name", "version", "release"].map(field);
        let ([Some(name), Some(version), Some(release)], Some(arch)) = (fields, package.attribute("arch")) else {
            import.report.skipped_rows += 1;
            continue;
        };
        if arch == "src" {
            continue;
        }
        let epoch = package.attribute("epoch").unwrap_or("0");
        arches.entry((name, format!("{epoch}:{version}-{release}"))).or_default().insert(arch);
    }
    let mut rows = Vec::new();
    // One row more than there may be is told of when the advisory is given on.
    for ((name, fixed), arches) in arches.into_iter().take(import.limits.rows.saturating_add(1)) {
        let Some(release) = release(&fixed) else {
            import.report.skipped_rows += 1;
            continue;
        };
        let mut row = Affected::all(Ecosystem::AmazonLinux, release, name);
        row.versions = Versions::before(fixed);
        row.arches = arches.into_iter().map(str::to_owned).collect();
        row.repository = extra(id);
        rows.push(row);
    }
    rows
}

/// The release of Amazon Linux that a package was built for.
fn release(version: &str) -> Option<&'static str> {
    let mark = version.rsplit_once(".amzn")?.1;
    Some(match mark.split('.').next()? {
        "2023" => "2023",
        "2022" => "2022",
        "2" => "2",
        "1" | "" => "1",
        _ => return None,
    })
}

/// The extra that an advisory is for, which its id names before the year: `ALAS2KERNEL-5.4-2022-021`.
fn extra(id: &str) -> Option<String> {
    let rest = id.strip_prefix("ALAS2")?;
    let mut parts: Vec<&str> = rest.split('-').collect();
    let (number, year) = (parts.pop()?, parts.pop()?);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let topic = parts.join("-");
    // The ids of 2023 begin as those of the extras do.
    (is_number(number) && is_number(year) && !topic.is_empty() && topic != "023" && topic != "022")
        .then(|| format!("extras/{}", topic.to_ascii_lowercase()))
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn child_text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name).and_then(|child| child.text()).map(str::trim)
}
