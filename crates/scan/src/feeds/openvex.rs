//! OpenVEX, as Ubuntu publishes it: statements on source packages of its releases.

use std::{collections::BTreeMap, ops::ControlFlow};

use serde::Deserialize;

use super::{DETAILS_BYTES, Import, NOTE_BYTES, clip, is_cve, is_name, json};
use crate::{
    advisory::{Advisory, Affected, Head, NameOf, State, Versions},
    ecosystem::{Ecosystem, UBUNTU_PRO},
};

#[derive(Deserialize)]
struct Vex {
    #[serde(default)]
    timestamp: Option<String>,
    statements: Vec<Statement>,
}

#[derive(Deserialize)]
struct Statement {
    vulnerability: Vulnerability,
    #[serde(default)]
    products: Vec<Product>,
    status: String,
    #[serde(default)]
    justification: Option<String>,
    #[serde(default)]
    impact_statement: Option<String>,
    #[serde(default)]
    action_statement: Option<String>,
    #[serde(default)]
    status_notes: Option<String>,
}

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
}

#[derive(Deserialize)]
struct Product {
    #[serde(rename = "@id", default)]
    id: String,
}

/// The releases of Ubuntu by their names.
const UBUNTU: [(&str, &str); 12] = [
    ("trusty", "14.04"),
    ("xenial", "16.04"),
    ("bionic", "18.04"),
    ("focal", "20.04"),
    ("jammy", "22.04"),
    ("mantic", "23.10"),
    ("noble", "24.04"),
    ("oracular", "24.10"),
    ("plucky", "25.04"),
    ("questing", "25.10"),
    ("resolute", "26.04"),
    ("lunar", "23.04"),
];

/// Reads one document: an advisory for each vulnerability.
pub fn document(import: &mut Import<'_>, bytes: &[u8]) -> ControlFlow<()> {
    let vex: Vex = match json::parse(bytes) {
        Ok(vex) => vex,
        Err(why) => {
            import.report.broken("a document", why);
            return ControlFlow::Continue(());
        }
    };
    let mut advisories: BTreeMap<String, Advisory> = BTreeMap::new();
    for statement in vex.statements {
        let vulnerability = &statement.vulnerability;
        if !is_name(&vulnerability.name) {
            import.report.broken("a statement", "it names no vulnerability");
            continue;
        }
        let advisory = advisories.entry(vulnerability.name.clone()).or_insert_with(|| {
            let is_named = |name: &&String| is_name(name) && **name != vulnerability.name;
            let cve = std::iter::once(&vulnerability.name).chain(&vulnerability.aliases).find(|name| is_cve(name));
            let head = Head {
                id: vulnerability.name.clone(),
                vulnerabilities: vec![cve.unwrap_or(&vulnerability.name).clone()],
                aliases: vulnerability.aliases.iter().filter(is_named).cloned().collect(),
                modified: vex.timestamp.clone(),
                details: clip(vulnerability.description.as_deref().unwrap_or_default(), DETAILS_BYTES).to_owned(),
                ..Head::default()
            };
            Advisory { head, affected: Vec::new() }
        });
        for product in &statement.products {
            if advisory.affected.len() > import.limits.rows {
                break;
            }
            match row(&product.id, &statement) {
                Some(row) => advisory.affected.push(row),
                None => import.report.skipped_rows += 1,
            }
        }
    }
    advisories.into_values().try_for_each(|advisory| import.advisory(advisory))
}

fn row(product: &str, statement: &Statement) -> Option<Affected> {
    let purl = Purl::read(product)?;
    if purl.kind != "deb" || purl.namespace != "ubuntu" {
        return None;
    }
    let distro = purl.qualifier("distro")?;
    let name = distro.rsplit('/').next()?;
    let name = name.strip_prefix("ubuntu-").unwrap_or(name);
    let release = UBUNTU.into_iter().find(|(known, number)| *known == name || *number == name)?.1;
    let mut row = Affected::all(Ecosystem::Ubuntu, release, purl.name.clone());
    row.of = if purl.qualifier("arch") == Some("source") { NameOf::Source } else { NameOf::Either };
    row.repository = distro.contains('/').then(|| UBUNTU_PRO.to_owned());
    match statement.status.as_str() {
        "fixed" => row.versions = Versions::before(purl.version.clone()?),
        "not_affected" => row.state = State::NotAffected,
        "affected" => row.state = State::Affected,
        "under_investigation" => row.state = State::UnderInvestigation,
        _ => return None,
    }
    let words =
        [&statement.justification, &statement.impact_statement, &statement.status_notes, &statement.action_statement];
    row.note = words.into_iter().flatten().next().map(|words| clip(words, NOTE_BYTES).to_owned());
    Some(row)
}

/// The parts of a package URL that are asked for.
pub struct Purl {
    /// The type: `deb`, `rpm`.
    pub kind: String,
    /// Whose packages: `ubuntu`, `redhat`.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The version.
    pub version: Option<String>,
    qualifiers: Vec<(String, String)>,
}

impl Purl {
    /// Reads a package URL.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > 4096 {
            return None;
        }
        let rest = text.strip_prefix("pkg:")?;
        let rest = rest.split('#').next()?;
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, rest) = rest.trim_start_matches('/').split_once('/')?;
        let (path, version) = match rest.rsplit_once('@') {
            Some((path, version)) if !path.is_empty() => (path, Some(decode(version)?)),
            _ => (rest, None),
        };
        let (namespace, name) = path.rsplit_once('/').unwrap_or(("", path));
        let pair = |pair: &str| pair.split_once('=').and_then(|(key, value)| Some((key.to_owned(), decode(value)?)));
        let name = decode(name).filter(|name| is_name(name))?;
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            namespace: decode(namespace)?,
            name,
            version,
            qualifiers: qualifiers.split('&').filter_map(pair).collect(),
        })
    }

    /// The value of a qualifier.
    pub fn qualifier(&self, name: &str) -> Option<&str> {
        self.qualifiers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The text without percent signs.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
