//! A package of rpm, of the fields that its header or a list of packages has.

use crate::{
    detectors::gather::Gather,
    package::{Package, PackageKind, SourcePackage},
};

/// The name under which rpm keeps the keys that it checks signatures by: they are no packages.
const KEYS: &[u8] = b"gpg-pubkey";

/// Whether what has that name is a package.
pub(in crate::detectors) fn is_package(name: &[u8]) -> bool {
    name != KEYS
}

/// The fields of a package; one that is absent is empty.
#[derive(Debug, Default)]
pub(in crate::detectors) struct Fields<'a> {
    pub(in crate::detectors) name: &'a [u8],
    /// The version and the release with a hyphen between them.
    pub(in crate::detectors) version: &'a [u8],
    pub(in crate::detectors) epoch: u32,
    pub(in crate::detectors) arch: &'a [u8],
    pub(in crate::detectors) vendor: &'a [u8],
    /// The file name of the source package.
    pub(in crate::detectors) source: &'a [u8],
    pub(in crate::detectors) module: &'a [u8],
}

impl Fields<'_> {
    /// Tells of the package, and gives its name.
    pub(in crate::detectors) fn tell(&self, gather: &mut Gather<'_>) -> Option<String> {
        if self.name.is_empty() {
            gather.problem("a package has no name");
            return None;
        }
        let name = gather.text("the name of a package", self.name)?;
        if self.version.is_empty() {
            gather.problem(format!("{name} has no version"));
        }
        let mut field = |what: &str, value: &[u8]| {
            let text = if value.is_empty() { None } else { gather.text(&format!("the {what} of {name}"), value) };
            text.filter(|text| text != "(none)")
        };
        let version = field("version", self.version).unwrap_or_default();
        let arch = field("architecture", self.arch).unwrap_or_default();
        let vendor = field("vendor", self.vendor);
        let module = field("module", self.module);
        let file = field("source", self.source);
        let mut source = None;
        if let Some(file) = file {
            source = source_package(&file);
            if source.is_none() {
                gather.problem(format!("the source of {name} is no name of a source package"));
            }
        }
        let source = source.filter(|source| source.name != name || source.version != version);
        let version = match self.epoch {
            0 => version,
            _ if version.is_empty() => version,
            epoch => format!("{epoch}:{version}"),
        };
        let package = Package::installed(PackageKind::Rpm, name.clone(), version);
        gather.package(Package { arch, source, module, vendor, ..package });
        Some(name)
    }
}

/// The source package of a file name as `name-version-release.src.rpm`.
fn source_package(file: &str) -> Option<SourcePackage> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let release = stem.rfind('-')?;
    let version = stem.get(..release)?.rfind('-')?;
    let (name, version) = (stem.get(..version)?, stem.get(version + 1..)?);
    let is_whole = !name.is_empty() && !version.starts_with('-') && !version.ends_with('-');
    is_whole.then(|| SourcePackage { name: name.to_owned(), version: version.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_packages_are_read_from_the_end() {
        for (file, expected) in [
            ("bash-5.1.8-9.el9.src.rpm", Some(("bash", "5.1.8-9.el9"))),
            ("perl-Pod-Escapes-1.07-460.el9.src.rpm", Some(("perl-Pod-Escapes", "1.07-460.el9"))),
            ("firmware-1-2.nosrc.rpm", Some(("firmware", "1-2"))),
            ("bash-5.1.8-9.el9.x86_64.rpm", None),
            ("bash.src.rpm", None),
            ("bash-5.src.rpm", None),
            ("-5-1.src.rpm", None),
            ("bash--1.src.rpm", None),
            ("bash-5-.src.rpm", None),
        ] {
            let expected = expected.map(|(name, version)| SourcePackage { name: name.into(), version: version.into() });
            assert_eq!(source_package(file), expected, "{file}");
        }
    }
}
