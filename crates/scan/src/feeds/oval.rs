//! OVAL, as Oracle publishes it: definitions whose criteria say in words which packages are earlier than the fix.

use std::{collections::BTreeMap, io::Read, ops::ControlFlow};

use roxmltree::{Document, Node};

use super::{DETAILS_BYTES, Import, REFERENCES, SUMMARY_BYTES, clip, is_cve, is_name, xml};
use crate::{
    advisory::{Advisory, Affected, Head, Module, Versions},
    ecosystem::Ecosystem,
};

/// Reads the definitions, one at a time.
pub fn read(import: &mut Import<'_>, input: &mut dyn Read) -> ControlFlow<()> {
    xml::elements(import, input, "definition", |import, text| {
        let document = match Document::parse(text) {
            Ok(document) => document,
            Err(why) => {
                import.report.broken(clip(text, 80), why);
                return ControlFlow::Continue(());
            }
        };
        match advisory(document.root_element(), import.limits.rows) {
            Some(advisory) => import.advisory(advisory),
            None => {
                import.report.broken(clip(text, 80), "it names no advisory");
                ControlFlow::Continue(())
            }
        }
    })
}

fn named<'a, 'input: 'a>(node: Node<'a, 'input>, name: &'a str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.descendants().filter(move |node| node.tag_name().name() == name)
}

fn advisory(definition: Node<'_, '_>, limit: usize) -> Option<Advisory> {
    let references = || named(definition, "reference");
    let id = references()
        .find(|reference| reference.attribute("source").is_some_and(|source| source.eq_ignore_ascii_case("elsa")))
        .and_then(|reference| reference.attribute("ref_id"))
        .filter(|id| is_name(id))?;
    let cves = references().filter_map(|reference| reference.attribute("ref_id"));
    let mut vulnerabilities: Vec<String> = cves.filter(|id| is_cve(id)).map(str::to_owned).collect();
    vulnerabilities.sort();
    vulnerabilities.dedup();
    if vulnerabilities.is_empty() {
        vulnerabilities.push(id.to_owned());
    }
    let text = |name, bytes| {
        let text = named(definition, name).next().and_then(|node| node.text()).unwrap_or_default();
        clip(text.trim(), bytes).to_owned()
    };
    let date = named(definition, "issued").next().and_then(|node| node.attribute("date")).map(str::to_owned);
    let urls = references().filter_map(|reference| reference.attribute("ref_url"));
    let head = Head {
        id: id.to_owned(),
        vulnerabilities,
        severity: Some(text("severity", 64)).filter(|word| !word.is_empty()),
        published: date,
        summary: text("title", SUMMARY_BYTES),
        details: text("description", DETAILS_BYTES),
        references: urls.take(REFERENCES).map(str::to_owned).collect(),
        ..Head::default()
    };
    Some(Advisory { head, affected: rows(definition, limit) })
}

/// What has to hold beside for what a criterion says.
#[derive(Clone, Default)]
struct Conditions {
    release: String,
    arch: Option<String>,
    module: Option<Module>,
}

/// The rows; one more than the limit if there are more.
fn rows(definition: Node<'_, '_>, limit: usize) -> Vec<Affected> {
    let mut found: BTreeMap<(String, String, String, Option<Module>), Vec<String>> = BTreeMap::new();
    let top = definition.children().filter(|node| node.tag_name().name() == "criteria");
    let mut open: Vec<(Node<'_, '_>, Conditions)> = top.map(|node| (node, Conditions::default())).collect();
    while let Some((criteria, mut conditions)) = open.pop() {
        let criterions = || criteria.children().filter(|node| node.tag_name().name() == "criterion");
        let is_and = criteria.attribute("operator").is_none_or(|operator| operator == "AND");
        if is_and {
            criterions().filter_map(|node| node.attribute("comment")).for_each(|words| conditions.take(words));
        }
        for words in criterions().filter_map(|node| node.attribute("comment")) {
            if let Some((name, fixed)) = words.split_once(" is earlier than ")
                && is_name(name)
                && is_name(fixed)
                && !conditions.release.is_empty()
                && found.len() <= limit
            {
                let key = (conditions.release.clone(), name.to_owned(), fixed.to_owned(), conditions.module.clone());
                let arches = found.entry(key).or_default();
                arches.extend(conditions.arch.iter().cloned());
            }
        }
        for inner in criteria.children().filter(|node| node.tag_name().name() == "criteria") {
            open.push((inner, conditions.clone()));
        }
    }
    let row = |((release, name, fixed, module), arches): ((String, String, String, Option<Module>), Vec<String>)| {
        let mut row = Affected::all(Ecosystem::OracleLinux, release, name);
        row.versions = Versions::before(fixed);
        row.arches = arches;
        row.modules = module.into_iter().collect();
        row
    };
    found.into_iter().map(row).collect()
}

impl Conditions {
    /// `Oracle Linux 8 is installed`, `Oracle Linux arch is x86_64`, `Module nodejs:12 is enabled`.
    fn take(&mut self, words: &str) {
        // Each inner part keeps a copy.
        if words.len() > 128 {
            return;
        }
        if let Some(release) = words.strip_prefix("Oracle Linux ").and_then(|rest| rest.strip_suffix(" is installed")) {
            release.clone_into(&mut self.release);
        } else if let Some(arch) = words.strip_prefix("Oracle Linux arch is ") {
            self.arch = Some(arch.to_owned());
        } else if let Some(module) = words.strip_prefix("Module ").and_then(|rest| rest.strip_suffix(" is enabled")) {
            self.module = Module::read(module);
        }
    }
}
