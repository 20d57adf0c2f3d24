//! Images whose packages of languages are all of one package of the operating system, as that package's own list of files says.

use std::collections::{BTreeSet, HashMap};

use scan::{
    detectors,
    inventory::{Inventory, fold},
    layer,
    limits::Limits,
    matching::{InputPackage, MatchInput},
    package::{Package, PackageKind},
};

use crate::{
    languages::{
        go,
        java::jar,
        programs::{Kind, program},
    },
    layers::support::{Entry, file, tar},
    os::rpm::{made::Made, sqlite},
};

const OWNER: &str = "owner";

/// What an image with these packages of languages is matched as, and the place of each of them. The operating system is named
/// as in labels: `rhel:8`.
pub fn image(os: &str, packages: &BTreeSet<Package>) -> (MatchInput, HashMap<Package, usize>) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut paths = Vec::new();
    for (at, package) in packages.iter().enumerate() {
        let (path, content) = evidence(at, package);
        entries.push(file(&path, content));
        paths.push(path);
    }
    let (id, version) = os.split_once(':').expect("a version");
    let id = if id == "oracle" { "ol" } else { id };
    entries.push(file("etc/os-release", format!("ID={id}\nVERSION_ID=\"{version}\"\n")));
    entries.extend(database(id, &paths));
    let read =
        layer::read(tar(&entries).as_slice(), &detectors::all(), &Limits::default()).expect("memory can be read");
    let input = input(fold(&[&read.facts]));
    let of_language = packages.iter().map(|package| (package.clone(), place(package, &input)));
    let places = of_language.collect();
    (input, places)
}

/// A file that tells of a package, in a folder of its own.
fn evidence(at: usize, package: &Package) -> (String, Vec<u8>) {
    let (name, version) = (&package.name, &package.version);
    match package.kind {
        PackageKind::Npm => {
            let text = format!("{{\"name\":\"{name}\",\"version\":\"{version}\"}}");
            (format!("usr/share/{at}/node_modules/{name}/package.json"), text.into_bytes())
        }
        PackageKind::Python => {
            let text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
            (format!("usr/lib/{at}/dist-packages/{name}-{version}.dist-info/METADATA"), text.into_bytes())
        }
        PackageKind::Gem => {
            let text =
                format!("Gem::Specification.new do |s|\n  s.name = \"{name}\"\n  s.version = \"{version}\"\nend\n");
            (format!("usr/share/{at}/specifications/{name}-{version}.gemspec"), text.into_bytes())
        }
        PackageKind::Maven => {
            let (group, artifact) = name.split_once(':').expect("a group");
            (format!("usr/share/java/{at}/{artifact}.jar"), jar(group, artifact, version))
        }
        PackageKind::Go => {
            let info = go::inline("go1.22.1", &format!("path\tmain\ndep\t{name}\t{version}\th1:x=\n"));
            (format!("usr/bin/{at}"), program(Kind::Elf64, &[(".go.buildinfo", &info)]))
        }
        other => panic!("{other:?}"),
    }
}

/// The database of the system's one package, and its list of files.
fn database(id: &str, paths: &[String]) -> Vec<Entry> {
    match id {
        "rhel" | "ol" => {
            let split = |path: &String| {
                let (folder, name) = path.rsplit_once('/').expect("a folder");
                (format!("/{folder}/"), vec![name.to_owned()])
            };
            let [name, version, release] = [OWNER, "1", "1"].map(str::to_owned);
            let vendor = if id == "ol" { "Oracle America" } else { "Red Hat, Inc." }.to_owned();
            let owner =
                Made { name, version, release, vendor, files: paths.iter().map(split).collect(), ..Made::default() };
            vec![file("var/lib/rpm/rpmdb.sqlite", sqlite::database(&[owner.header().blob()], 4096))]
        }
        "ubuntu" => {
            let status = format!("Package: {OWNER}\nStatus: install ok installed\nVersion: 1-1\n");
            let list = format!("/{}\n", paths.join("\n/"));
            vec![file("var/lib/dpkg/status", status), file(&format!("var/lib/dpkg/info/{OWNER}.list"), list)]
        }
        "alpine" => {
            let split = |path: &String| {
                let (folder, name) = path.rsplit_once('/').expect("a folder");
                format!("F:{folder}\nR:{name}\n")
            };
            let files: String = paths.iter().map(split).collect();
            vec![file("lib/apk/db/installed", format!("P:{OWNER}\nV:1-r1\n{files}\n"))]
        }
        other => panic!("{other}"),
    }
}

/// What is matched of an inventory, as the server does it.
fn input(inventory: Inventory) -> MatchInput {
    assert_eq!(inventory.problems, []);
    let packages = inventory.packages.into_iter().map(|found| InputPackage {
        package: found.package,
        paths: found.occurrences.iter().map(|place| place.path.clone()).collect(),
        owner: found.occurrences.into_iter().next().and_then(|place| place.owner),
    });
    MatchInput { system: inventory.os, packages: packages.collect() }
}

/// The place of a package in the input: it is of the system's package, as nothing but the list of files can have told.
fn place(package: &Package, input: &MatchInput) -> usize {
    let ecosystem = package.kind.ecosystem().expect("a language");
    let is_it = |found: &InputPackage| {
        found.package.kind == package.kind
            && ecosystem.package_name(&found.package.name) == ecosystem.package_name(&package.name)
            && found.package.version == package.version
    };
    let at = input.packages.iter().position(is_it).unwrap_or_else(|| panic!("{package:?}: {input:?}"));
    assert_eq!(input.packages[at].owner.as_deref(), Some(OWNER), "{package:?}");
    at
}
