//! A package as a file of an image tells of it.

use serde::{Deserialize, Serialize};

/// Who manages a package: it decides how versions compare and which advisories speak of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageKind {
    /// A package of apk: Alpine, Wolfi, Chainguard.
    Apk,
    /// A package of dpkg: Debian, Ubuntu, distroless.
    Dpkg,
    /// A package of rpm: Red Hat and its kin, Amazon Linux, SUSE, Photon, Azure Linux.
    Rpm,
    /// A package of npm. Names keep their scope and case.
    Npm,
    /// A distribution of Python. Names are normalised as PEP 503 says.
    Python,
    /// An artifact of Maven, named `group:artifact`.
    Maven,
    /// A module of Go, or `stdlib` for Go itself.
    Go,
    /// A gem of Ruby.
    Gem,
    /// A package of Composer, named `vendor/name` in lower case.
    Composer,
    /// A package of NuGet, or a shared runtime of .NET. Names are in lower case.
    NuGet,
    /// A crate of Rust, as cargo-auditable writes it into programs.
    Cargo,
}

/// One version of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Package {
    /// Who manages it.
    pub kind: PackageKind,
    /// Its name, in the form that [`PackageKind`] says.
    pub name: String,
    /// Its version as its manager prints it whole; for rpm and dpkg `[epoch:]version[-release]`, the epoch only where it is
    /// not 0. Empty where it is not known: the package is listed then, and matches nothing.
    pub version: String,
    /// The architecture that it was built for, in its manager's word; empty where its manager has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arch: String,
    /// The source package that it was built from, where that has another name or version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePackage>,
    /// The module stream of an rpm (`MODULARITYLABEL`: `name:stream:version:context`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Who built an rpm (`VENDOR`): a distribution's advisories speak of its own packages alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// How the package is there.
    pub presence: Presence,
    /// The packages of a module of Go that programs have, sorted, each without the module's path in front: `html` of
    /// `golang.org/x/net/html`, and empty for the package that is named as its module. None where a program does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imports: Option<Vec<String>>,
}

/// The source package that binary packages are built from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Its name.
    pub name: String,
    /// Its version, as [`Package::version`]; for rpm without an epoch, as `SOURCERPM` has none.
    pub version: String,
}

/// How a package is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Its files are installed.
    Installed,
    /// A lock file names it: it counts where the installed form is absent.
    Declared,
}

impl Package {
    /// Whether it is the same package, whatever is known of what of it is used.
    pub fn is_same(&self, other: &Self) -> bool {
        let Self { kind, name, version, arch, source, module, vendor, presence, imports: _ } = self;
        (kind, name, version, arch) == (&other.kind, &other.name, &other.version, &other.arch)
            && (source, module, vendor, presence) == (&other.source, &other.module, &other.vendor, &other.presence)
    }

    /// Adds what another of the same uses, if both are known: what is in one of two programs is in the image.
    pub fn add_imports(&mut self, other: &Self) {
        self.imports = self.imports.take().zip(other.imports.as_ref()).map(|(mut imports, more)| {
            imports.extend_from_slice(more);
            imports.sort_unstable();
            imports.dedup();
            imports
        });
    }

    /// An installed package of which no more than this is known.
    pub fn installed(kind: PackageKind, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            version: version.into(),
            arch: String::new(),
            source: None,
            module: None,
            vendor: None,
            presence: Presence::Installed,
            imports: None,
        }
    }
}
