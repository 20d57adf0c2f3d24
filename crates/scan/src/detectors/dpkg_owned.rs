//! The paths that packages of dpkg own.
//!
//! `var/lib/dpkg/info/NAME.list` has the path of each file and folder on a line, `NAME.md5sums` a checksum and a path of each
//! file but those of the configuration; a package that is there for several architectures has `NAME:ARCH` instead. Each is a
//! file of its own, because a layer that installs packages brings the lists of these alone, and those of the layers below
//! stay. Images without dpkg have `status.d/NAME.md5sums`.

use super::{Candidate, Detector, gather::Gather, paragraphs::lines};
use crate::{facts::Found, limits::Limits};

const INFO: &str = "var/lib/dpkg/info/";
const STATUS: &str = "var/lib/dpkg/status.d/";
/// The digits of a checksum; two spaces follow it, or a space and an asterisk.
const CHECKSUM: usize = 32;

/// The reader of the lists of paths that dpkg keeps.
#[derive(Debug, Clone, Copy)]
pub struct DpkgOwned;

impl Detector for DpkgOwned {
    fn name(&self) -> &'static str {
        "dpkg-owned"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        list(file.path).is_some()
    }

    fn read(&self, path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        match list(path) {
            Some(List::Paths(package)) => paths(content, package, &mut gather),
            Some(List::Checksums(package)) => checksums(content, package, &mut gather),
            None => gather.problem("it is no list of a package's paths"),
        }
        gather.finish()
    }
}

/// What a list is, with the name of its package.
enum List<'a> {
    Paths(&'a str),
    Checksums(&'a str),
}

fn list(path: &str) -> Option<List<'_>> {
    let of_info = path.strip_prefix(INFO);
    let file = of_info.or_else(|| path.strip_prefix(STATUS)).filter(|file| !file.contains('/'))?;
    if let Some(name) = file.strip_suffix(".md5sums") {
        return Some(List::Checksums(without_arch(name)));
    }
    let name = file.strip_suffix(".list").filter(|_| of_info.is_some())?;
    Some(List::Paths(without_arch(name)))
}

fn without_arch(name: &str) -> &str {
    name.split_once(':').map_or(name, |(package, _)| package)
}

fn paths(content: &[u8], package: &str, gather: &mut Gather<'_>) {
    let mut following = lines(content).peekable();
    while let Some(path) = following.next() {
        if gather.is_full() {
            break;
        }
        // A folder is listed just before what it contains. Folders belong to many packages, and are not asked for.
        let is_folder =
            following.peek().is_some_and(|next| next.strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/")));
        if !is_folder {
            gather.owned(&[path], package);
        }
    }
}

fn checksums(content: &[u8], package: &str, gather: &mut Gather<'_>) {
    for (index, line) in lines(content).enumerate() {
        if gather.is_full() {
            break;
        }
        match line.split_at_checked(CHECKSUM) {
            Some((checksum, [b' ', b' ' | b'*', path @ ..])) if checksum.iter().all(u8::is_ascii_hexdigit) => {
                gather.owned(&[path], package);
            }
            _ if line.is_empty() => {}
            _ => gather.problem(format!("line {} is no checksum with a path", index + 1)),
        }
    }
}
