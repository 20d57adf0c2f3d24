//! Archives for tests, and detectors that read them.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use scan::detectors::{Candidate, Detector};
use scan::facts::{EntryKind, Found, LayerFacts, OwnedPath};
use scan::inventory::{Inventory, fold};
use scan::layer::{self, Analysis};
use scan::limits::Limits;
use scan::package::{Package, PackageKind, Presence};

/// Reads `packages` and `*.pkg`, line by line: `os NAME VERSION`, `npm NAME VERSION`, `lock NAME VERSION` (declared),
/// `owns PATH NAME`, `broken TEXT`, `unpacks BYTES`.
pub struct Lines;

/// Reads what begins with `MAGIC `, wherever it lies: a module of Go of that name, and ` has ` the packages of it.
pub struct Magic;

impl Detector for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        let name = file.path.rsplit('/').next();
        name.is_some_and(|name| name == "packages" || name.strip_suffix(".pkg").is_some())
    }

    fn read(&self, _: &str, content: &[u8], limits: &Limits) -> Found {
        let mut found = Found::default();
        for line in String::from_utf8_lossy(content).lines() {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["os", name, version] => {
                    let arch = "amd64".to_owned();
                    found.packages.push(Package { arch, ..Package::installed(PackageKind::Dpkg, *name, *version) });
                }
                ["npm", name, version] => found.packages.push(Package::installed(PackageKind::Npm, *name, *version)),
                ["lock", name, version] => {
                    let package = Package::installed(PackageKind::Npm, *name, *version);
                    found.packages.push(Package { presence: Presence::Declared, ..package });
                }
                ["owns", path, package] => {
                    found.owned.push(OwnedPath { path: (*path).to_owned(), package: (*package).to_owned() });
                }
                ["unpacks", bytes] => {
                    let bytes = bytes.parse().expect("a number");
                    found.unpacked_bytes = limits.archive_bytes.min(bytes);
                    if found.unpacked_bytes < bytes {
                        found.problems.push(format!("{} of {bytes} bytes are unpacked", found.unpacked_bytes));
                    }
                }
                ["broken", what] => found.problems.push((*what).to_owned()),
                _ => {}
            }
        }
        found
    }
}

impl Detector for Magic {
    fn name(&self) -> &'static str {
        "magic"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        file.head.starts_with(b"MAGIC ")
    }

    fn read(&self, _: &str, content: &[u8], _: &Limits) -> Found {
        let text = String::from_utf8_lossy(content);
        let name = text.strip_prefix("MAGIC ").unwrap_or("without magic");
        let (name, imports) = name.split_once(" has ").map_or((name, None), |(name, imports)| (name, Some(imports)));
        let imports = imports.map(|imports| imports.split(' ').map(str::to_owned).collect());
        let package = Package { imports, ..Package::installed(PackageKind::Go, name, "v1") };
        Found { packages: vec![package], ..Found::default() }
    }
}

pub const DETECTORS: [&dyn Detector; 2] = [&Lines, &Magic];

/// An entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: u8,
    pub name: Vec<u8>,
    pub link: Vec<u8>,
    pub content: Vec<u8>,
    /// What the header says, where that is not how much there is.
    pub size: Option<u64>,
}

pub fn entry(kind: u8, name: impl AsRef<[u8]>, link: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Entry {
    let [name, link, content] = [name.as_ref(), link.as_ref(), content.as_ref()].map(<[u8]>::to_vec);
    Entry { kind, name, link, content, size: None }
}

pub fn file(name: &str, content: impl AsRef<[u8]>) -> Entry {
    entry(b'0', name, "", content)
}

pub fn directory(name: &str) -> Entry {
    entry(b'5', name, "", "")
}

pub fn link(name: &str, target: &str) -> Entry {
    entry(b'2', name, target, "")
}

pub fn hard_link(name: &str, target: &str) -> Entry {
    entry(b'1', name, target, "")
}

/// A header of records in front of an entry.
pub fn pax(records: &[(&str, &str)]) -> Entry {
    let mut content = String::new();
    for (name, value) in records {
        let rest = format!(" {name}={value}\n");
        let length =
            (1..5).map(|digits| rest.len() + digits).find(|length| rest.len() + length.to_string().len() == *length);
        content += &length.expect("a length").to_string();
        content += &rest;
    }
    entry(b'x', "PaxHeaders/x", "", content)
}

/// A block whose checksum is right.
pub fn header(entry: &Entry) -> [u8; 512] {
    let mut header = tar::Header::new_gnu();
    let old = header.as_old_mut();
    for (field, bytes) in [(&mut old.name, &entry.name), (&mut old.linkname, &entry.link)] {
        let length = bytes.len().min(field.len());
        field[..length].copy_from_slice(&bytes[..length]);
    }
    old.linkflag[0] = entry.kind;
    header.set_mode(0o755);
    header.set_size(entry.size.unwrap_or(entry.content.len() as u64));
    header.set_cksum();
    *header.as_bytes()
}

/// An archive, without its end: names that are too long for a header have one of their own in front.
pub fn open_tar(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for one in entries {
        for (kind, long) in [(b'L', &one.name), (b'K', &one.link)] {
            if long.len() > 100 {
                bytes.extend(open_tar(&[entry(kind, "././@LongLink", "", [long.as_slice(), b"\0"].concat())]));
            }
        }
        bytes.extend(header(one));
        bytes.extend(&one.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes
}

pub fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = open_tar(entries);
    bytes.extend([0; 1024]);
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).expect("memory")
}

pub fn analyse(bytes: &[u8], limits: &Limits) -> Analysis {
    layer::read(bytes, &DETECTORS, limits).expect("memory can be read")
}

/// The facts of a layer, read again where the first reading asks for it.
pub fn facts_of(bytes: &[u8]) -> LayerFacts {
    let limits = Limits::default();
    let analysis = analyse(bytes, &limits);
    match analysis.again {
        Some(again) => layer::read_again(bytes, again, &DETECTORS, &limits).expect("memory can be read"),
        None => analysis.facts,
    }
}

pub fn facts(entries: &[Entry]) -> LayerFacts {
    facts_of(&tar(entries))
}

/// The inventory of layers, from the lowest on.
pub fn image(layers: &[&[Entry]]) -> Inventory {
    let layers: Vec<LayerFacts> = layers.iter().map(|entries| facts(entries)).collect();
    fold(&layers.iter().collect::<Vec<_>>())
}

/// The entries of a layer as lines.
pub fn told(facts: &LayerFacts) -> Vec<String> {
    let mut told = Vec::new();
    let mut entries = facts.entries.reader();
    while let Some(entry) = entries.next().expect("whole") {
        told.push(match entry.kind {
            EntryKind::Directory => format!("{}/", entry.path),
            EntryKind::File => entry.path.to_owned(),
            EntryKind::Read => format!("{} read", entry.path),
            EntryKind::Link { target } => format!("{} -> {target}", entry.path),
            EntryKind::HardLink { target, wanted_by } => format!("{} = {target} {wanted_by:?}", entry.path),
        });
    }
    told
}

/// Each package and the paths that tell of it: `name version [path path]`.
pub fn packages(inventory: &Inventory) -> Vec<String> {
    let told = inventory.packages.iter().map(|package| {
        let paths: Vec<&str> = package.occurrences.iter().map(|place| &*place.path).collect();
        format!("{} {} {}", package.package.name, package.package.version, paths.join(" "))
    });
    told.collect()
}
