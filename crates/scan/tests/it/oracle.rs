//! Matching against what people labelled true and false. The labels and the advisories are no part of the source: the tests look
//! for them in the folder that `WHARF_TEST_VULNDATA` names, and are not run without it.

mod owned;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    env,
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use scan::{
    feeds::{self, FeedLimits, Form},
    matching::{self, Assessment, InputPackage, MatchInput, MemoryIndex},
    os::Os,
    package::{Package, PackageKind, SourcePackage},
};
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
struct Label {
    image: String,
    #[serde(default)]
    tag: String,
    os: String,
    package: String,
    version: String,
    id: String,
    cve: Option<String>,
    label: String,
    ecosystem: String,
    advisory_name: String,
    #[serde(default)]
    class: String,
}

fn folder() -> Option<PathBuf> {
    let folder = env::var_os("WHARF_TEST_VULNDATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("not run: WHARF_TEST_VULNDATA names no folder of advisories and labels");
    }
    folder
}

fn unpack(path: &Path) -> impl Read {
    GzDecoder::new(File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Vec<T> {
    let lines = BufReader::new(unpack(path)).lines();
    lines.map(|line| serde_json::from_str(&line.expect("text")).expect("a row")).collect()
}

/// All advisories of the folder.
fn advisories(folder: &Path) -> MemoryIndex {
    let mut index = MemoryIndex::default();
    let mut names: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("entry").path()).collect();
    names.sort();
    for path in names {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let form = match name.as_str() {
            "cvss.jsonl.gz" => Form::Cve,
            _ if name.ends_with(".osv.jsonl.gz") => Form::Osv,
            _ => continue,
        };
        let source = name.split('.').next().unwrap_or_default();
        let mut add = |record| {
            index.add(record);
            ControlFlow::Continue(())
        };
        let report = feeds::import(form, source, &mut unpack(&path), &FeedLimits::default(), &mut add);
        assert_eq!(report.ended, None, "{name}");
        assert_eq!(report.broken, 0, "{name}: {:?}", report.problems);
        eprintln!("{name}: {} records, {} rows left out", report.records, report.skipped_rows);
    }
    index
}

fn system(os: &str) -> Option<Os> {
    let (id, version) = os.split_once(':')?;
    let id = match id {
        "amazon" => "amzn",
        "oracle" => "ol",
        other => other,
    };
    Some(Os::named(id, version, ""))
}

/// The package that a label is about.
fn package(label: &Label) -> Package {
    let ecosystem = label.ecosystem.split(':').next().unwrap_or_default();
    let kind = match ecosystem {
        "Red Hat" | "Amazon Linux" => PackageKind::Rpm,
        "Debian" | "Ubuntu" => PackageKind::Dpkg,
        "Alpine" => PackageKind::Apk,
        // The image is one of another language, whose package has the name of another's: there is no such jar or assembly.
        "Maven" if label.tag.contains("quality-ruby") => PackageKind::Gem,
        "Maven" if label.tag.contains("quality-node") => PackageKind::Npm,
        "Maven" => PackageKind::Maven,
        "npm" => PackageKind::Npm,
        "Go" => PackageKind::Go,
        "RubyGems" | "NuGet" => PackageKind::Gem,
        "PyPI" => PackageKind::Python,
        other => panic!("{other}"),
    };
    let is_by_advisory = matches!(kind, PackageKind::Maven | PackageKind::Go);
    let name = if is_by_advisory { &label.advisory_name } else { &label.package };
    let mut package = Package::installed(kind, name, &label.version);
    if matches!(kind, PackageKind::Dpkg | PackageKind::Apk) && label.advisory_name != label.package {
        package.source = Some(SourcePackage { name: label.advisory_name.clone(), version: label.version.clone() });
    }
    package
}

/// The images of labels: each with all its packages.
struct Images {
    assessments: HashMap<String, (Assessment, HashMap<Package, usize>)>,
}

impl Images {
    fn of(labels: &[Label], index: &MemoryIndex, is_owned: bool) -> Self {
        let mut images: BTreeMap<String, (String, BTreeSet<Package>)> = BTreeMap::new();
        for label in labels {
            let image = images.entry(label.image.clone()).or_insert_with(|| (label.os.clone(), BTreeSet::new()));
            image.1.insert(package(label));
        }
        let assess = |(image, (os, packages)): (String, (String, BTreeSet<Package>))| {
            let (input, places) = if is_owned { owned::image(&os, &packages) } else { plain(&os, packages) };
            let Ok(assessment) = matching::assess(&input, index);
            (image, (assessment, places))
        };
        Self { assessments: images.into_iter().map(assess).collect() }
    }

    fn finds(&self, label: &Label) -> bool {
        let (assessment, places) = &self.assessments[&label.image];
        let at = places[&package(label)];
        let name = label.cve.as_ref().unwrap_or(&label.id);
        assessment.findings().any(|found| {
            found.package == at
                && (found.vulnerability == *name || (label.cve.is_none() && found.aliases.contains(name)))
        })
    }

    /// What is said of a label's package and vulnerability.
    fn says(&self, label: &Label) -> String {
        let (assessment, places) = &self.assessments[&label.image];
        let at = places[&package(label)];
        let name = label.cve.as_ref().unwrap_or(&label.id);
        let found = assessment.matches.iter().find(|found| found.package == at && found.vulnerability == *name);
        found.map_or("nothing".to_owned(), |found| format!("{:?} by {:?}", found.answer, found.evidence.first()))
    }
}

/// What an image with these packages is matched as, and the place of each of them.
fn plain(os: &str, packages: BTreeSet<Package>) -> (MatchInput, HashMap<Package, usize>) {
    let input = packages.iter().cloned().map(InputPackage::from).collect();
    let places = packages.into_iter().enumerate().map(|(at, package)| (package, at)).collect();
    (MatchInput { system: system(os), packages: input }, places)
}

fn row(label: &Label) -> String {
    format!(
        "{} {} {} {} ({})",
        label.os,
        label.package,
        label.version,
        label.cve.as_ref().unwrap_or(&label.id),
        label.tag
    )
}

#[test]
fn labels() {
    let Some(folder) = folder() else { return };
    let index = advisories(&folder);
    strict(&folder, &index);
    hard(&folder, &index);
}

/// A row that contradicts what is known: how its image is named, the package, its version, the vulnerability, and why.
type Contradiction = (&'static str, &'static str, &'static str, &'static str, &'static str);

const APPSTREAMS: &str = "docker.io/anchore/test_images:appstreams-rhel-8-1a287dd";
const PHP: &str = "7.4.30-1.module_el8.7.0+1190+d11b935a";
const PHP_WHY: &str = "the fix is labelled false for other vulnerabilities of the same advisory, package and version";

const CONTRADICTORY: &[Contradiction] = &[
    (APPSTREAMS, "php-cli", PHP, "CVE-2021-32610", PHP_WHY),
    (APPSTREAMS, "php-fpm", PHP, "CVE-2021-32610", PHP_WHY),
    (APPSTREAMS, "php-mbstring", PHP, "CVE-2021-32610", PHP_WHY),
    (APPSTREAMS, "php-pdo", PHP, "CVE-2021-32610", PHP_WHY),
    (APPSTREAMS, "php-xml", PHP, "CVE-2021-32610", PHP_WHY),
    (APPSTREAMS, "php-common", PHP, "CVE-2021-32610", PHP_WHY),
    (APPSTREAMS, "php", PHP, "CVE-2021-32610", PHP_WHY),
    (APPSTREAMS, "php-json", PHP, "CVE-2021-32610", PHP_WHY),
    (APPSTREAMS, "php-opcache", PHP, "CVE-2021-32610", PHP_WHY),
];

fn strict(folder: &Path, index: &MemoryIndex) {
    let labels: Vec<Label> = lines(&folder.join("oracle/grype-labels-strict.jsonl.gz"));
    let images = Images::of(&labels, index, false);
    let (mut wanted, mut found, mut false_positives) = (0, 0, 0);
    let mut contradictory = BTreeSet::new();
    for label in &labels {
        let is_found = images.finds(label);
        let at = CONTRADICTORY.iter().position(|(tag, package, version, cve, _)| {
            let row = (label.tag.as_str(), label.package.as_str(), label.version.as_str(), label.cve.as_deref());
            label.label == "TP" && row == (*tag, *package, *version, Some(*cve))
        });
        match (label.label == "TP", is_found, at) {
            (true, false, Some(at)) => {
                contradictory.insert(at);
                eprintln!("contradictory: {}: {}", row(label), CONTRADICTORY[at].4);
            }
            (true, false, None) => {
                wanted += 1;
                eprintln!("missed: {}: {}", row(label), images.says(label));
            }
            (true, true, _) => {
                wanted += 1;
                found += 1;
            }
            (false, true, _) => {
                false_positives += 1;
                eprintln!("false: {}: {}", row(label), images.says(label));
            }
            (false, false, _) => {}
        }
    }
    eprintln!(
        "strict: {found} of {wanted} found, {} contradictory beside, {false_positives} false",
        contradictory.len()
    );
    let agrees = CONTRADICTORY.iter().enumerate().filter(|(at, _)| !contradictory.contains(at)).map(|(_, row)| row);
    assert_eq!(agrees.collect::<Vec<_>>(), Vec::<&Contradiction>::new(), "they are listed as contradictory, and hold");
    assert!(found * 100 >= wanted * 99);
    assert_eq!(false_positives, 0);
}

fn hard(folder: &Path, index: &MemoryIndex) {
    let labels: Vec<Label> = lines(&folder.join("oracle/grype-labels-hard-fp.jsonl.gz"));
    let strict: Vec<Label> = lines(&folder.join("oracle/grype-labels-strict.jsonl.gz"));
    let is_true = |label: &&Label| label.label == "TP";
    // What was built from one source has one source version, and packages of one advisory have one release.
    let source =
        |label: &Label| (label.image.clone(), label.advisory_name.clone(), label.version.clone(), label.cve.clone());
    let release = |label: &Label| {
        let release = label.version.rsplit_once('-').map(|(_, release)| release.to_owned());
        (label.image.clone(), release, label.cve.clone())
    };
    let sources: HashSet<_> = strict.iter().filter(is_true).map(source).collect();
    let releases: HashSet<_> = strict.iter().filter(is_true).map(release).collect();
    let is_contradicted = |label: &Label| {
        sources.contains(&source(label)) || (label.class == "redhat-other" && releases.contains(&release(label)))
    };
    let is_owned = |label: &&Label| label.class.starts_with("language-package-owned");
    let owned: Vec<Label> = labels.iter().filter(is_owned).cloned().collect();
    let others: Vec<Label> = labels.iter().filter(|label| !is_owned(label)).cloned().collect();
    let mut figures: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (labels, images) in [(&owned, Images::of(&owned, index, true)), (&others, Images::of(&others, index, false))] {
        for label in labels {
            let figure = figures.entry(&label.class).or_default();
            figure[0] += 1;
            if !images.finds(label) {
                continue;
            }
            if is_contradicted(label) {
                // By another label of the same image the same source has it, or what the same advisory fixes.
                figure[2] += 1;
                eprintln!("contradictory ({}): {}", label.class, row(label));
            } else {
                figure[1] += 1;
                eprintln!("false ({}): {}: {}", label.class, row(label), images.says(label));
            }
        }
    }
    for (class, [all, found, contradictory]) in &figures {
        eprintln!("hard false positives: {class}: {found} of {all}, {contradictory} contradictory beside");
    }
    let found = |class: &str| figures.get(class).map_or(0, |figure| figure[1]);
    assert_eq!(found("rpm-module-stream"), 0);
    assert_eq!(found("language-package-owned-by-os-package-or-name-collision"), 0);
    assert_eq!(found("distro-says-ignored-or-disputed"), 0);
    // What is left is what the advisories themselves call affected: the vendor's own, or a module's whole instead of its parts.
    assert!(found("redhat-other") <= 9 && found("other") <= 21);
}
