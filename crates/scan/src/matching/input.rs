//! What is matched: an operating system, and the packages of an image.

use crate::{
    ecosystem::Ecosystem,
    os::Os,
    package::{Package, PackageKind},
};

/// What is matched.
#[derive(Debug, Clone, Default)]
pub struct MatchInput {
    /// The operating system, if there is one. Its packages match nothing where no advisories are for it.
    pub system: Option<Os>,
    /// The packages.
    pub packages: Vec<InputPackage>,
}

/// A package of an image.
#[derive(Debug, Clone)]
pub struct InputPackage {
    /// The package.
    pub package: Package,
    /// The files that tell of it, without a slash in front.
    pub paths: Vec<String>,
    /// The package of the operating system that owns these files, by its name.
    pub owner: Option<String>,
}

impl From<Package> for InputPackage {
    fn from(package: Package) -> Self {
        Self { package, paths: Vec::new(), owner: None }
    }
}

impl PackageKind {
    /// Whether it is one of the operating system's own package managers.
    pub fn is_of_system(self) -> bool {
        matches!(self, Self::Apk | Self::Dpkg | Self::Rpm)
    }

    /// The ecosystem of a language's packages.
    pub fn ecosystem(self) -> Option<Ecosystem> {
        Some(match self {
            Self::Apk | Self::Dpkg | Self::Rpm => return None,
            Self::Npm => Ecosystem::Npm,
            Self::Python => Ecosystem::PyPi,
            Self::Maven => Ecosystem::Maven,
            Self::Go => Ecosystem::Go,
            Self::Gem => Ecosystem::RubyGems,
            Self::Composer => Ecosystem::Packagist,
            Self::NuGet => Ecosystem::NuGet,
            Self::Cargo => Ecosystem::CratesIo,
        })
    }
}
