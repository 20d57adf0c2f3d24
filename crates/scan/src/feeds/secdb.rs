//! Alpine's secdb, also of Wolfi, Chainguard and MinimOS: fixes by source package, and `0` for what never was affected.

use std::{collections::BTreeMap, io::Read, ops::ControlFlow};

use serde::Deserialize;

use super::{
    Import, is_name,
    json::{self, Part},
};
use crate::{
    advisory::{Advisory, Affected, Head, NameOf, Scope, State, Versions},
    ecosystem::Ecosystem,
};

#[derive(Deserialize)]
struct Entry {
    pkg: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    secfixes: Option<BTreeMap<String, Option<Vec<String>>>>,
}

/// Distributions without releases that publish this form.
const ROLLING: [Ecosystem; 3] = [Ecosystem::Wolfi, Ecosystem::Chainguard, Ecosystem::MinimOs];

/// What a package that waits takes beside its text.
const WAITING_BYTES: usize = 48;
/// The key of fixes for what is in no version.
const NEVER: &str = "0";

/// Reads a file. One that names no release is of a distribution without: which one, the feed's name tells.
pub fn read(import: &mut Import<'_>, input: &mut dyn Read) -> ControlFlow<()> {
    let mut release = String::new();
    let mut repository = None;
    let rolling = import.about.ecosystem.filter(|told| ROLLING.contains(told)).or_else(|| rolling(import.about.source));
    // The release may stand below the packages: what came before it is known is kept, as the form forces.
    let mut waiting: Vec<Vec<u8>> = Vec::new();
    let mut waiting_bytes = 0_usize;
    json::parts(import, input, "packages", |import, part| {
        match part {
            Part::Member("distroversion", value) => {
                let text = json::parse::<String>(value).ok().filter(|text| is_name(text)).unwrap_or_default();
                text.trim_start_matches('v').clone_into(&mut release);
            }
            Part::Member("reponame", value) => {
                repository = json::parse::<String>(value).ok().filter(|name| is_name(name));
                let asked = import.about.part.rsplit_once('/').map(|(_, asked)| asked);
                if let (Some(asked), Some(told)) = (asked, &repository)
                    && asked != told
                {
                    return import.report.end(format!("it is of the repository '{told}', and not of '{asked}'"));
                }
            }
            Part::Member(..) => {}
            Part::Element(bytes) => match json::parse::<Entry>(bytes) {
                Ok(entry) if !is_name(&entry.pkg.name) => import.report.broken("a package", "it has no name"),
                Ok(_) if release.is_empty() && rolling.is_none() => {
                    waiting_bytes += bytes.len() + WAITING_BYTES;
                    if waiting_bytes > import.limits.record_bytes {
                        return import.report.end("it names no release before its packages");
                    }
                    // What is read of it takes more than its text.
                    waiting.push(bytes.to_vec());
                }
                Ok(entry) => return give(import, entry, rolling, &release, repository.as_deref()),
                Err(why) => import.report.broken("a package", why),
            },
        }
        ControlFlow::Continue(())
    })?;
    if release.is_empty() && rolling.is_none() && !waiting.is_empty() {
        return import.report.end("it names no release");
    }
    for entry in waiting.iter().filter_map(|bytes| json::parse::<Entry>(bytes).ok()) {
        give(import, entry, rolling, &release, repository.as_deref())?;
    }
    // A release may begin with a repository in which nothing was fixed yet.
    import.report.is_empty = import.report.records == 0 && !release.is_empty();
    ControlFlow::Continue(())
}

fn rolling(source: &str) -> Option<Ecosystem> {
    let source = source.to_ascii_lowercase();
    ROLLING.into_iter().find(|ecosystem| source.contains(&ecosystem.name().to_ascii_lowercase()))
}

/// Gives an advisory for each vulnerability that the package's fixes name: its id names the place as well, as a feed has a
/// vulnerability once for each package of each release.
fn give(
    import: &mut Import<'_>,
    entry: Entry,
    rolling: Option<Ecosystem>,
    release: &str,
    repository: Option<&str>,
) -> ControlFlow<()> {
    let ecosystem = rolling.unwrap_or(Ecosystem::Alpine);
    let release = if rolling.is_some() { "" } else { release };
    for (version, ids) in entry.pkg.secfixes.unwrap_or_default() {
        for ids in ids.unwrap_or_default() {
            // One line may name several ids of one vulnerability, apart by spaces.
            let names: Vec<&str> = ids.split_whitespace().filter(|id| is_name(id)).collect();
            let Some(first) = names.iter().find(|name| super::is_cve(name)).or(names.first()) else { continue };
            let mut row = Affected::all(ecosystem, release, entry.pkg.name.clone());
            row.of = NameOf::Source;
            row.repository = repository.map(str::to_owned);
            if version == NEVER {
                row.state = State::NotAffected;
                row.scope = Scope::PackageAndFiles;
            } else {
                row.versions = Versions::before(version.clone());
            }
            let head = Head {
                id: format!("{} {release} {} {first}", ecosystem.name(), entry.pkg.name),
                vulnerabilities: vec![(*first).to_owned()],
                aliases: names.iter().filter(|name| *name != first).map(|name| (*name).to_owned()).collect(),
                references: vec![format!("https://security.alpinelinux.org/vuln/{first}")]
                    .into_iter()
                    .filter(|_| rolling.is_none())
                    .collect(),
                ..Head::default()
            };
            import.advisory(Advisory { head, affected: vec![row] })?;
        }
    }
    ControlFlow::Continue(())
}
