//! Facts as bytes, for storage and for the way between processes; whoever stores them compresses them.
//!
//! Readers trust nothing: what comes from a process that has read a hostile layer may be anything.

use super::codec::{Input, put_after, put_bytes, put_number, put_text};
use super::{
    Entries, Evidence, FileFacts, Found, LayerFacts, OtherName, OwnedPath, Reader, owned_cost, package_cost, text_cost,
};
use crate::limits::Limits;
use crate::package::{Package, PackageKind, Presence, SourcePackage};

/// What the bytes begin with; the last is the version of the form.
const MAGIC: &[u8; 8] = b"wh-facts";
/// The version of the form. Facts of another one are read anew from their layer.
const VERSION: u8 = 1;

/// What facts may hold beside what was counted when they were made: who has read, and why it ended.
const MORE_BYTES: usize = 64 << 10;

/// Bytes that are no facts, or of another version: the layer is to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the facts of a layer are damaged: they hold {0}")]
pub struct Damaged(pub(super) &'static str);

impl LayerFacts {
    /// The facts as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let out = &mut MAGIC.to_vec();
        out.push(VERSION);
        put_list(out, &self.readers, |out, reader| {
            put_text(out, &reader.name);
            put_number(out, u64::from(reader.revision));
        });
        put_list(out, &self.whiteouts, |out, path| put_text(out, path));
        put_list(out, &self.opaque, |out, path| put_text(out, path));
        put_bytes(out, self.entries.bytes());
        put_list(out, &self.files, |out, file| {
            put_told(out, &file.evidence, file.content.as_ref());
            put_list(out, &file.other_names, |out, name| {
                put_text(out, &name.path);
                put_told(out, &name.evidence, name.content.as_ref());
            });
        });
        put_list(out, &self.problems, |out, problem| put_text(out, problem));
        let sum = sum(out);
        out.extend_from_slice(&sum);
        std::mem::take(out)
    }

    /// The facts of bytes that [`LayerFacts::to_bytes`] made, under limits that are no lower than those of the reading.
    pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Self, Damaged> {
        let (body, stored_sum) = bytes.split_last_chunk::<4>().ok_or(Damaged("too little"))?;
        if *stored_sum != sum(body) {
            return Err(Damaged("what does not agree with its checksum"));
        }
        let body = body.strip_prefix(MAGIC).ok_or(Damaged("something else"))?;
        let Some((&VERSION, body)) = body.split_first() else { return Err(Damaged("another version")) };
        let input = &mut Input::new(body, limits.facts_bytes.saturating_add(MORE_BYTES));
        let readers = list(input, |input| {
            let name = text(input)?;
            let revision = u32::try_from(input.number()?).map_err(|_| Damaged("a revision that is too large"))?;
            Ok(Reader { name, revision })
        })?;
        let whiteouts = list(input, text)?;
        let opaque = list(input, text)?;
        let entries = input.bytes()?;
        let (entries, read) = Entries::stored(entries, readers.len(), &mut input.budget)?;
        let files = list(input, |input| file(input, readers.len()))?;
        if files.len() != read {
            return Err(Damaged("more or fewer files than were read"));
        }
        let problems = list(input, text)?;
        if !input.is_at_end() {
            return Err(Damaged("something behind the end"));
        }
        Ok(Self { readers, whiteouts, opaque, entries, files, problems })
    }
}

/// A checksum against damage; not against forgery.
fn sum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

fn put_list<T>(out: &mut Vec<u8>, list: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_number(out, list.len() as u64);
    for item in list {
        put(out, item);
    }
}

fn put_told(out: &mut Vec<u8>, evidence: &[Evidence], content: Option<&Vec<u8>>) {
    put_list(out, evidence, |out, evidence| {
        put_number(out, evidence.reader as u64);
        out.push(u8::from(evidence.is_by_content));
        put_found(out, &evidence.found);
    });
    put_list(out, content.as_slice(), |out, content| put_bytes(out, content));
}

fn put_found(out: &mut Vec<u8>, found: &Found) {
    put_list(out, &found.packages, put_package);
    put_number(out, found.within.len() as u64);
    for (at, path) in &found.within {
        put_number(out, *at as u64);
        put_text(out, path);
    }
    put_number(out, found.owned.len() as u64);
    let (mut path, mut package) = ("", "");
    for owned in &found.owned {
        put_after(out, path, &owned.path);
        put_after(out, package, &owned.package);
        (path, package) = (&owned.path, &owned.package);
    }
    put_list(out, &found.problems, |out, problem| put_text(out, problem));
}

fn put_package(out: &mut Vec<u8>, package: &Package) {
    let Package { kind, name, version, arch, source, module, vendor, presence, imports } = package;
    out.push(kind_byte(*kind) | imports.as_ref().map_or(0, |_| HAS_IMPORTS));
    out.push(match presence {
        Presence::Installed => 0,
        Presence::Declared => 1,
    });
    for text in [name, version, arch] {
        put_text(out, text);
    }
    put_list(out, source.as_slice(), |out, source| {
        put_text(out, &source.name);
        put_text(out, &source.version);
    });
    for text in [module, vendor] {
        put_list(out, text.as_slice(), |out, text| put_text(out, text));
    }
    if let Some(imports) = imports {
        put_number(out, imports.len() as u64);
        let mut last = "";
        for import in imports {
            put_after(out, last, import);
            last = import;
        }
    }
}

/// A list. It grows while it is read: what it says of its length is not to be trusted.
fn list<'a, T>(input: &mut Input<'a>, read: impl Fn(&mut Input<'a>) -> Result<T, Damaged>) -> Result<Vec<T>, Damaged> {
    let count = input.count()?;
    let mut list = Vec::new();
    for _ in 0..count {
        list.push(read(input)?);
    }
    Ok(list)
}

/// A value that there may be.
fn maybe<'a, T>(
    input: &mut Input<'a>,
    read: impl Fn(&mut Input<'a>) -> Result<T, Damaged>,
) -> Result<Option<T>, Damaged> {
    match input.byte()? {
        0 => Ok(None),
        1 => read(input).map(Some),
        _ => Err(Damaged("more than one where one may be")),
    }
}

fn text(input: &mut Input<'_>) -> Result<String, Damaged> {
    let text = input.text()?;
    input.charge(text_cost(text))?;
    Ok(text.to_owned())
}

fn file(input: &mut Input<'_>, readers: usize) -> Result<FileFacts, Damaged> {
    let (evidence, content) = told(input, readers)?;
    let other_names = list(input, |input| {
        let path = text(input)?;
        let (evidence, content) = told(input, readers)?;
        Ok(OtherName { path, evidence, content })
    })?;
    Ok(FileFacts { evidence, content, other_names })
}

/// What was found in a file, and its content if that is kept.
type Told = (Vec<Evidence>, Option<Vec<u8>>);

fn told(input: &mut Input<'_>, readers: usize) -> Result<Told, Damaged> {
    input.charge(super::THING_BYTES)?;
    let evidence = list(input, |input| {
        let reader = input.count()?;
        if reader >= readers {
            return Err(Damaged("what nobody has read"));
        }
        let is_by_content = flag(input)?;
        Ok(Evidence { reader, is_by_content, found: found(input)? })
    })?;
    let content = maybe(input, |input| {
        let content = input.bytes()?;
        input.charge(content.len())?;
        Ok(content.to_vec())
    })?;
    Ok((evidence, content))
}

fn flag(input: &mut Input<'_>) -> Result<bool, Damaged> {
    match input.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Damaged("neither yes nor no")),
    }
}

fn found(input: &mut Input<'_>) -> Result<Found, Damaged> {
    input.charge(super::FOUND_BYTES)?;
    let packages = list(input, package)?;
    let within = list(input, |input| {
        let at = input.count()?;
        if at >= packages.len() {
            return Err(Damaged("where a package lies that is not there"));
        }
        Ok((at, text(input)?))
    })?;
    let count = input.count()?;
    let mut owned = Vec::new();
    let (mut path, mut package) = (String::new(), String::new());
    for _ in 0..count {
        input.after(&mut path)?;
        input.after(&mut package)?;
        input.charge(owned_cost(&path, &package))?;
        owned.push(OwnedPath { path: path.clone(), package: package.clone() });
    }
    Ok(Found { packages, within: within.into_iter().collect(), owned, problems: list(input, text)?, unpacked_bytes: 0 })
}

fn package(input: &mut Input<'_>) -> Result<Package, Damaged> {
    let kind = input.byte()?;
    let has_imports = kind & HAS_IMPORTS != 0;
    let kind = kind_of(kind & !HAS_IMPORTS)?;
    let presence = if flag(input)? { Presence::Declared } else { Presence::Installed };
    let mut own = || input.text().map(str::to_owned);
    let (name, version, arch) = (own()?, own()?, own()?);
    let source =
        maybe(input, |input| Ok(SourcePackage { name: input.text()?.to_owned(), version: input.text()?.to_owned() }))?;
    let module = maybe(input, |input| input.text().map(str::to_owned))?;
    let vendor = maybe(input, |input| input.text().map(str::to_owned))?;
    let mut package = Package { kind, name, version, arch, source, module, vendor, presence, imports: None };
    input.charge(package_cost(&package))?;
    if has_imports {
        package.imports = Some(imports(input)?);
    }
    Ok(package)
}

/// The packages of a module that a program has.
fn imports(input: &mut Input<'_>) -> Result<Vec<String>, Damaged> {
    let count = input.count()?;
    let mut imports = Vec::new();
    let mut import = String::new();
    for _ in 0..count {
        input.after(&mut import)?;
        input.charge(text_cost(&import))?;
        imports.push(import.clone());
    }
    Ok(imports)
}

/// Beside the kind of a package: what programs have of it follows. Facts from before this was known have it nowhere.
const HAS_IMPORTS: u8 = 0x80;

fn kind_byte(kind: PackageKind) -> u8 {
    match kind {
        PackageKind::Apk => 0,
        PackageKind::Dpkg => 1,
        PackageKind::Rpm => 2,
        PackageKind::Npm => 3,
        PackageKind::Python => 4,
        PackageKind::Maven => 5,
        PackageKind::Go => 6,
        PackageKind::Gem => 7,
        PackageKind::Composer => 8,
        PackageKind::NuGet => 9,
        PackageKind::Cargo => 10,
    }
}

fn kind_of(byte: u8) -> Result<PackageKind, Damaged> {
    Ok(match byte {
        0 => PackageKind::Apk,
        1 => PackageKind::Dpkg,
        2 => PackageKind::Rpm,
        3 => PackageKind::Npm,
        4 => PackageKind::Python,
        5 => PackageKind::Maven,
        6 => PackageKind::Go,
        7 => PackageKind::Gem,
        8 => PackageKind::Composer,
        9 => PackageKind::NuGet,
        10 => PackageKind::Cargo,
        _ => return Err(Damaged("a package of no kind")),
    })
}
