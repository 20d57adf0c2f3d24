//! What an image holds: the facts of its layers, folded in order.
//!
//! The fold goes through each layer's entries as extracting it would: first what the layer takes away from those below,
//! then its own entries, each in the stead of what was at its path. What is left at the end is the image.

mod declared;
mod elsewhere;
mod fold;
mod honest;
mod owners;
mod presence;
mod tree;

use crate::facts::LayerFacts;
use crate::os::Os;
use crate::package::Package;

/// What an image holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Its operating system; `None` where nothing tells of one.
    pub os: Option<Os>,
    /// Its packages, sorted, each once.
    pub packages: Vec<ImagePackage>,
    /// What layers brought and later ones took away: it ships with the image, and is no part of it. The first 200,000.
    pub hidden: Vec<HiddenPackage>,
    /// Why the image is partly analysed, if it is.
    pub problems: Vec<Problem>,
}

/// A package of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePackage {
    /// The package.
    pub package: Package,
    /// The layer that first brought exactly this package (name, version and architecture), since when it was there in
    /// every layer.
    pub layer: usize,
    /// The files that tell of it, sorted by path.
    pub occurrences: Vec<Occurrence>,
}

/// A file of an image that tells of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// Its path, without a slash in front, with no symbolic link in it.
    pub path: String,
    /// The path in the file, of a package that an archive within it holds, as [`crate::facts::Found::within`].
    pub within: Option<String>,
    /// The name of the detector that read it.
    pub detector: String,
    /// The layer since which this path tells of the package.
    pub layer: usize,
    /// The package of the operating system that owns the file, if the package is one of a language.
    pub owner: Option<String>,
}

/// A package that a later layer took away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HiddenPackage {
    /// The package.
    pub package: Package,
    /// The file that told of it.
    pub path: String,
    /// The layer that brought it.
    pub layer: usize,
    /// The layer after which it is not there any more.
    pub hidden_in: usize,
}

/// Why a part of an image was not analysed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The layer.
    pub layer: usize,
    /// The file, where it is about one.
    pub path: Option<String>,
    /// The reason, in words for people.
    pub what: String,
}

impl Inventory {
    /// Whether all of the image was analysed: only then may it be called clean.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }
}

/// The inventory of the image whose layers these are, from the lowest on.
pub fn fold(layers: &[&LayerFacts]) -> Inventory {
    let mut image = fold::Image::new();
    for (layer, facts) in layers.iter().enumerate() {
        image.apply(layer, facts);
    }
    image.inventory()
}
