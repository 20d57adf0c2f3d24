//! CSAF VEX, as Red Hat and SUSE publish it: one vulnerability a document, with the state of each product's components.

use std::{
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
};

use super::{
    DETAILS_BYTES, Import, NOTE_BYTES, REFERENCES, SUMMARY_BYTES, clip,
    csaf_document::{Csaf, Document, Product, Tree, Vulnerability},
    is_name, json,
    openvex::Purl,
    osv_words,
};
use crate::{
    advisory::{Advisory, Affected, Head, Module, NameOf, Rating, State, Versions},
    ecosystem::{Ecosystem, EcosystemRelease},
};

/// How many products a component may lie in: a package in a module in a release.
const NESTING: usize = 4;

/// Reads one document.
pub fn document(import: &mut Import<'_>, bytes: &[u8]) -> ControlFlow<()> {
    let csaf: Csaf<'_> = match json::parse(bytes) {
        Ok(csaf) => csaf,
        Err(why) => {
            import.report.broken("a document", why);
            return ControlFlow::Continue(());
        }
    };
    let tree = Products::of(&csaf.product_tree);
    let tracking = csaf.document.tracking.as_ref();
    let Some(document) = tracking.and_then(|tracking| tracking.id.as_str()).filter(|id| is_name(id)) else {
        import.report.broken("a document", "it has no id");
        return ControlFlow::Continue(());
    };
    for vulnerability in &csaf.vulnerabilities {
        let other = vulnerability.ids.iter().find_map(|id| id.text.as_str());
        let Some(name) = vulnerability.cve.as_deref().or(other).filter(|id| is_name(id)) else {
            import.report.broken(document, "a vulnerability of it has no name");
            continue;
        };
        let mut head = head(import.about.source, &csaf.document, vulnerability, name);
        // A document on several vulnerabilities has a record for each, and its own id stays known.
        if !document.eq_ignore_ascii_case(name) {
            head.id = format!("{document} {name}");
            head.aliases.push(document.to_owned());
        }
        let affected = rows(import, &tree, vulnerability);
        import.advisory(Advisory { head, affected })?;
    }
    ControlFlow::Continue(())
}

fn head(source: &str, document: &Document<'_>, vulnerability: &Vulnerability<'_>, name: &str) -> Head {
    let description = vulnerability.notes.iter().find(|note| note.category.as_str() == Some("description"));
    let description = description.and_then(|note| note.text.as_str()).unwrap_or_default();
    let title = vulnerability.title.as_deref().or(document.title.as_str()).unwrap_or_default();
    let scores = &vulnerability.scores;
    let of = |version: usize| {
        scores.iter().filter_map(move |score| [&score.cvss_v3, &score.cvss_v4, &score.cvss_v2].into_iter().nth(version))
    };
    let vectors = (0..3).flat_map(of).filter_map(|cvss| cvss.as_ref()?.vector.as_str());
    let mut ratings: Vec<Rating> = Vec::new();
    for rating in vectors.filter_map(|vector| Rating::of_vector(source, vector)) {
        if !ratings.contains(&rating) && ratings.len() < 8 {
            ratings.push(rating);
        }
    }
    let urls = vulnerability.references.iter().filter_map(|reference| reference.url.as_str());
    let severity = document.aggregate_severity.as_ref().and_then(|severity| severity.text.as_str());
    let changed = document.tracking.as_ref().and_then(|tracking| tracking.current_release_date.as_str());
    Head {
        id: name.to_owned(),
        vulnerabilities: vec![name.to_owned()],
        severity: severity.map(|word| clip(word, 64).to_owned()),
        ratings,
        published: vulnerability.release_date.as_deref().map(str::to_owned),
        modified: changed.map(str::to_owned),
        summary: clip(title, SUMMARY_BYTES).to_owned(),
        details: clip(description, DETAILS_BYTES).to_owned(),
        references: urls.filter(|url| url.len() <= 2048).take(REFERENCES).map(str::to_owned).collect(),
        ..Head::default()
    }
}

fn rows(import: &mut Import<'_>, tree: &Products<'_>, vulnerability: &Vulnerability<'_>) -> Vec<Affected> {
    let mut states: HashMap<&str, &str> = HashMap::new();
    for remediation in &vulnerability.remediations {
        if matches!(&*remediation.category, "none_available" | "no_fix_planned") {
            states.extend(remediation.product_ids.iter().map(|id| (&**id, &*remediation.details)));
        }
    }
    let mut severities: HashMap<&str, &str> = HashMap::new();
    for threat in vulnerability.threats.iter().filter(|threat| &*threat.category == "impact") {
        severities.extend(threat.product_ids.iter().map(|id| (&**id, &*threat.details)));
    }
    let mut reasons: HashMap<&str, &str> = HashMap::new();
    for flag in &vulnerability.flags {
        reasons.extend(flag.product_ids.iter().map(|id| (&**id, &*flag.label)));
    }
    let mut rows: Vec<Affected> = Vec::new();
    let mut arches: Vec<BTreeSet<String>> = Vec::new();
    let mut known: HashMap<(String, String, Option<String>, String), usize> = HashMap::new();
    for (status, ids) in &vulnerability.product_status {
        for id in ids {
            // One row more than there may be is told of when the advisory is given on.
            if rows.len() > import.limits.rows {
                return rows;
            }
            let Some(mut row) = tree.row(id) else {
                import.report.skipped_rows += 1;
                continue;
            };
            let fixed = row.versions.fixed.take();
            match (&**status, fixed) {
                ("fixed" | "first_fixed", Some(version)) => row.versions = Versions::before(version),
                ("known_affected" | "first_affected" | "last_affected", _) => {
                    row.note = states.get(&**id).map(|words| clip(words, NOTE_BYTES).to_owned());
                    row.state = states.get(&**id).map_or(State::Affected, |words| osv_words::state(words));
                }
                ("known_not_affected", _) => {
                    row.state = State::NotAffected;
                    row.note = reasons.get(&**id).map(|words| clip(words, NOTE_BYTES).to_owned());
                }
                ("under_investigation", _) => row.state = State::UnderInvestigation,
                _ => continue,
            }
            row.severity = severities.get(&**id).map(|word| clip(word, 64).to_owned());
            // The same package is there once for each architecture.
            let version = row.versions.fixes().next().unwrap_or(status).to_owned();
            let key = (format!("{} {:?}", row.release, row.of), row.name.clone(), row.repository.clone(), version);
            let own = std::mem::take(&mut row.arches);
            match known.get(&key).and_then(|at| Some((rows.get(*at)?, arches.get_mut(*at)?))) {
                Some((same, arches)) if same.modules == row.modules => arches.extend(own),
                _ => {
                    known.insert(key, rows.len());
                    rows.push(row);
                    arches.push(own.into_iter().collect());
                }
            }
        }
    }
    for (row, arches) in rows.iter_mut().zip(arches) {
        row.arches = arches.into_iter().collect();
    }
    rows
}

/// The products of a document by their ids.
#[derive(Default)]
struct Products<'a> {
    places: HashMap<&'a str, EcosystemRelease>,
    purls: HashMap<&'a str, &'a str>,
    /// What a product is made of: the component, and what it is a component of.
    parts: HashMap<&'a str, (&'a str, &'a str)>,
}

impl<'a> Products<'a> {
    fn of(tree: &'a Tree<'_>) -> Self {
        let mut products = Self::default();
        let mut open: Vec<_> = tree.branches.iter().collect();
        while let Some(branch) = open.pop() {
            open.extend(&branch.branches);
            if let Some(product) = &branch.product {
                products.add(product);
            }
        }
        tree.full_product_names.iter().for_each(|product| products.add(product));
        for relationship in &tree.relationships {
            products.add(&relationship.full_product_name);
            let (component, whole) = (&*relationship.product_reference, &*relationship.relates_to_product_reference);
            products.parts.insert(&relationship.full_product_name.product_id, (component, whole));
        }
        products
    }

    fn add(&mut self, product: &'a Product<'_>) {
        let helper = &product.product_identification_helper;
        if let Some(place) = helper.cpe.as_deref().and_then(place) {
            self.places.insert(&product.product_id, place);
        }
        if let Some(purl) = helper.purl.as_deref().filter(|purl| Purl::read(purl).is_some()) {
            self.purls.insert(&product.product_id, purl);
        }
    }

    /// The package URL of a product.
    fn purl(&self, id: &str) -> Option<Purl> {
        Purl::read(self.purls.get(id)?)
    }

    /// The row of a component of a release, with its version where a fix would have it.
    fn row(&self, id: &str) -> Option<Affected> {
        let (mut component, mut whole) = *self.parts.get(id)?;
        let mut module = None;
        for _ in 0..NESTING {
            // A package in a module is its component, and the module one of the release.
            if let Some(inner) = self.parts.get(component) {
                (component, whole) = *inner;
                continue;
            }
            if let Some(place) = self.places.get(whole) {
                return self.row_of(component, place, module);
            }
            let (inner, outer) = *self.parts.get(whole)?;
            let label = self.purl(inner).and_then(|purl| Some(format!("{}:{}", purl.name, purl.version?)));
            module = Module::read(label.as_deref().unwrap_or(inner)).or(module);
            whole = outer;
        }
        None
    }

    fn row_of(&self, component: &str, place: &EcosystemRelease, mut module: Option<Module>) -> Option<Affected> {
        let told = self.purl(component);
        if told.as_ref().is_some_and(|purl| purl.kind != "rpm" && purl.kind != "rpmmod") {
            return None;
        }
        let purl = told.as_ref().filter(|purl| purl.kind == "rpm");
        // `php:7.4/php` is the package of a stream.
        let text = component.rsplit_once('/').map_or(component, |(label, name)| {
            module = Module::read(label).or(module.take());
            name
        });
        let source = text.strip_suffix(".src");
        let arch = purl.and_then(|purl| purl.qualifier("arch")).or(source.map(|_| "src"));
        let name = purl.map_or_else(|| source.unwrap_or(text).to_owned(), |purl| purl.name.clone());
        if !is_name(&name) {
            return None;
        }
        let mut row = Affected::all(place.ecosystem, place.release.clone(), name);
        row.repository.clone_from(&place.repository);
        row.of = match arch {
            Some("src") => NameOf::Source,
            Some(_) => NameOf::Binary,
            None => NameOf::Either,
        };
        row.arches = arch.filter(|arch| *arch != "src" && *arch != "noarch").map(str::to_owned).into_iter().collect();
        row.modules = module.into_iter().collect();
        row.versions.fixed = purl.and_then(|purl| {
            let version = purl.version.as_deref()?;
            let epoch = purl.qualifier("epoch").unwrap_or("0");
            Some(format!("{epoch}:{version}"))
        });
        Some(row)
    }
}

/// The release that a CPE names.
fn place(cpe: &str) -> Option<EcosystemRelease> {
    if !is_name(cpe) {
        return None;
    }
    let parts: Vec<&str> = cpe.strip_prefix("cpe:/").or(cpe.strip_prefix("cpe:2.3:"))?.split(':').collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let release = part(3).to_owned();
    match (part(1), part(2)) {
        ("redhat", product) => EcosystemRelease::of_osv(&format!("Red Hat:{product}:{release}::{}", part(5))),
        ("suse", product) if product.starts_with("sle") || product.contains("linux_enterprise") => {
            let pack = part(4).strip_prefix("sp").map(|pack| format!("{release}.{pack}"));
            let repository = Some(product.to_owned());
            Some(EcosystemRelease { ecosystem: Ecosystem::Suse, release: pack.unwrap_or(release), repository })
        }
        ("opensuse", "leap") => Some(EcosystemRelease { ecosystem: Ecosystem::OpenSuse, release, repository: None }),
        ("opensuse", "tumbleweed") => Some(EcosystemRelease {
            ecosystem: Ecosystem::OpenSuse,
            release: "tumbleweed".to_owned(),
            repository: None,
        }),
        ("oracle", "linux") => Some(EcosystemRelease { ecosystem: Ecosystem::OracleLinux, release, repository: None }),
        _ => None,
    }
}
