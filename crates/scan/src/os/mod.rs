//! Which operating system an image is of, told by its own files; and which files those are.
//!
//! `ID` and `VERSION_ID` of `os-release` decide, `ID_LIKE` never does: what is like another system has advisories of its
//! own, or none.

mod family;
mod release;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{detectors::without_mark, signs};

pub use family::Family;

/// The name under which facts tell of what this module has them keep.
pub(crate) const READER: &str = "os";
/// The revision of which files those are.
pub(crate) const REVISION: u32 = 1;
/// Bytes of such a file.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// The operating system of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Os {
    /// Its family.
    pub family: Family,
    /// Its id, as `os-release` says (`debian`), or as the family is called there where an older file told it.
    pub id: String,
    /// Its version, as its own files say: `VERSION_ID`, or more exactly where another file knows; empty where none does.
    pub version: String,
    /// The release under which the family's advisories know it; empty where the family has no releases, and where it is
    /// not known.
    pub release: String,
    /// How it calls itself.
    pub pretty_name: String,
    /// The repositories that a Red Hat image was made from (`content_sets`), sorted.
    pub content_sets: Vec<String>,
    /// What a Red Hat image says it is (CPE), sorted.
    pub cpes: Vec<String>,
    /// Whether an Ubuntu image is attached to Ubuntu Pro, whose updates it may have then.
    pub is_attached_to_pro: bool,
}

impl Os {
    /// The system that `ID`, `VERSION_ID` and `NAME` of an `os-release` name, where no other file tells more.
    pub fn named(id: &str, version: &str, name: &str) -> Self {
        let [id, version_id, name] = [id, version, name].map(str::to_owned);
        Self::of(release::OsRelease { id, name, version_id, ..release::OsRelease::default() }, &NoFiles)
    }

    fn of(named: release::OsRelease, files: &dyn Files) -> Self {
        let family = Family::of(&named);
        let (version, release) = family.release(&named, files);
        Self {
            family,
            version,
            release,
            pretty_name: named.pretty_name,
            id: named.id,
            content_sets: Vec::new(),
            cpes: Vec::new(),
            is_attached_to_pro: false,
        }
    }
}

/// The files of an image, as far as they may tell the operating system.
pub trait Files {
    /// The content of a file; symbolic links are followed within the image.
    fn content(&self, path: &str) -> Option<&[u8]>;

    /// The files of a directory and those below it, with their content.
    fn below<'a>(&'a self, directory: &str) -> Vec<(&'a str, &'a [u8])>;
}

/// The files of an image that has none.
struct NoFiles;

impl Files for NoFiles {
    fn content(&self, _: &str) -> Option<&[u8]> {
        None
    }

    fn below<'a>(&'a self, _: &str) -> Vec<(&'a str, &'a [u8])> {
        Vec::new()
    }
}

/// The files that tell more than `os-release`.
const FILES: [&str; 14] = [
    "etc/alpine-release",
    "etc/almalinux-release",
    "etc/apk/repositories",
    "etc/centos-release",
    "etc/debian_version",
    "etc/fedora-release",
    "etc/lsb-release",
    "etc/mariner-release",
    "etc/oracle-release",
    "etc/photon-release",
    "etc/redhat-release",
    "etc/rocky-release",
    "etc/system-release",
    "var/lib/ubuntu-advantage/status.json",
];
/// Where Red Hat's images tell what they were made from.
const BUILD_INFO: [&str; 2] = ["root/buildinfo/", "usr/share/buildinfo/"];

/// Whether a file may tell the operating system. `os-release` is often a link: to what, is known only in the image.
pub(crate) fn wants(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.contains("os-release")
        || FILES.contains(&path)
        || name.strip_suffix(".json").is_some() && BUILD_INFO.iter().any(|directory| path.starts_with(directory))
}

/// A file's content as text, without the mark that some editors put in front; what is none stays visible as such.
fn text<'a>(files: &'a dyn Files, path: &str) -> Option<Cow<'a, str>> {
    files.content(path).map(|content| String::from_utf8_lossy(without_mark(content)))
}

/// The operating system of an image; `None` where nothing tells of one.
pub fn identify(files: &dyn Files) -> Option<Os> {
    let own = ["etc/os-release", "usr/lib/os-release"].iter().find_map(|path| text(files, path));
    let named = own.and_then(|own| release::OsRelease::read(&own)).or_else(|| family::older(files))?;
    let mut os = Os::of(named, files);
    os.is_attached_to_pro = os.family == Family::Ubuntu && is_attached_to_pro(files);
    if os.family == Family::RedHat {
        (os.content_sets, os.cpes) = made_from(files);
    }
    Some(os)
}

/// Whether Ubuntu's own note says that it is attached.
fn is_attached_to_pro(files: &dyn Files) -> bool {
    let status = files.content("var/lib/ubuntu-advantage/status.json");
    let status = status.and_then(|status| serde_json::from_slice::<serde_json::Value>(status).ok());
    status.and_then(|status| status.get("attached")?.as_bool()).unwrap_or(false)
}

/// The repositories and CPEs that Red Hat's manifests name.
fn made_from(files: &dyn Files) -> (Vec<String>, Vec<String>) {
    let (mut sets, mut cpes) = (Vec::new(), Vec::new());
    for (_, content) in BUILD_INFO.iter().flat_map(|directory| files.below(directory.trim_end_matches('/'))) {
        // What cannot be read only makes the answer less exact: the major release is known from elsewhere.
        let Ok(manifest) = serde_json::from_slice::<serde_json::Value>(content) else { continue };
        let named = manifest.get("content_sets").and_then(serde_json::Value::as_array);
        sets.extend(named.into_iter().flatten().filter_map(|set| set.as_str()).map(str::to_owned));
        cpes.extend(manifest.get("cpe").and_then(serde_json::Value::as_str).map(str::to_owned));
    }
    for list in [&mut sets, &mut cpes] {
        list.sort_unstable();
        list.dedup();
        list.retain(|told: &String| !signs::are_in(told));
    }
    (sets, cpes)
}
