//! The readers of files that tell of packages: which file is for which reader, and what it tells.
//!
//! A detector is asked by path whether it wants a file ([`Detector::wants`]), and reads the file's whole content
//! ([`Detector::read`]). It takes whatever bytes there are: what it cannot read it says in [`Found::problems`], and it
//! neither panics nor works longer than the input is large.

mod apk;
pub mod dotnet;
mod dpkg;
mod dpkg_owned;
mod gather;
pub mod go;
pub mod java;
pub mod languages;
mod mariner;
pub mod npm;
mod paragraphs;
pub mod php;
pub mod program;
pub mod python;
mod rpm;
pub mod ruby;
pub mod rust;
mod text;
mod toml_lock;
pub mod zip;

pub use apk::Apk;
pub use dpkg::Dpkg;
pub use dpkg_owned::DpkgOwned;
pub use mariner::Mariner;
pub use rpm::Rpm;
pub(crate) use text::without_mark;

use crate::{facts::Found, limits::Limits};

/// A reader of one kind of file.
pub trait Detector: Sync {
    /// Its name in facts and messages, as `dpkg` or `npm`; facts are read anew when its [`Detector::revision`] rises.
    fn name(&self) -> &'static str;

    /// The revision of what it finds.
    fn revision(&self) -> u32;

    /// Whether it wants a file, by its path within the image, without a slash in front.
    fn wants(&self, file: &Candidate<'_>) -> bool;

    /// What the file tells.
    fn read(&self, path: &str, content: &[u8], limits: &Limits) -> Found;
}

/// All readers, in the order in which they are asked: those of operating systems first.
pub fn all() -> Vec<&'static dyn Detector> {
    let systems: [&dyn Detector; 5] = [&Apk, &Dpkg, &DpkgOwned, &Rpm, &Mariner];
    systems.into_iter().chain(languages::LANGUAGES.iter().copied()).collect()
}

/// Where systems keep the databases of their packages, in one file each.
pub(crate) fn databases() -> impl Iterator<Item = String> {
    let rpm = rpm::FOLDERS.iter().flat_map(|folder| rpm::FILES.iter().map(move |file| format!("{folder}{file}")));
    apk::PATHS.iter().chain([&dpkg::STATUS]).map(|path| (*path).to_owned()).chain(rpm)
}

/// A regular file of a layer, before it is read.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its path within the image, without a slash in front.
    pub path: &'a str,
    /// Its first bytes, 64 at most.
    pub head: &'a [u8],
    /// Its size in bytes.
    pub size: u64,
    /// Its mode, as the archive says.
    pub mode: u32,
}
