//! Finds the names of a program's functions, which Go's runtime keeps in every program, and the packages that they are of.
//!
//! The runtime needs the table to print where a program has failed, so that it is there in stripped programs too. Since Go
//! 1.16 all names stand together in it, those of functions that were built into others as well: that a package has none says
//! that nothing of it is in the program. Of tables before nothing is taken, as they do not name these.

use std::{borrow::Cow, collections::BTreeSet};

use crate::detectors::program::{Numbers, Program};

/// What the table's part is called: of programs that are loaded anywhere, and of Mach-O.
const NAMED: [&str; 3] = [".gopclntab", ".data.rel.ro.gopclntab", "__gopclntab"];
/// Bytes in which a table is looked for that nothing names; no more than a file may have.
const SEARCHED_BYTES: usize = 256 << 20;
/// Where it may begin.
const ALIGNMENT: usize = 4;
/// Packages of one program: the largest have some thousands.
const MAX_PACKAGES: usize = 50_000;
/// Bytes of their names in all.
const MAX_BYTES: usize = 4 << 20;
/// Bytes of one name, and folders in it: each is looked up among the modules.
const MAX_PATH_BYTES: usize = 512;
const MAX_FOLDERS: usize = 64;
/// What is in every program of Go. What has it not is no table, or names are not what they were.
const RUNTIME: &str = "runtime";

/// The import paths of all packages that a program has functions of, `main` among them; none where no table tells of them all.
pub fn packages(program: &Program<'_>) -> Option<BTreeSet<String>> {
    match NAMED.iter().find_map(|name| program.named(name)) {
        Some(part) => packages_of(names(part.content)?),
        None => searched(program),
    }
}

/// Looks for a table by how it begins. Parts may lie in one another, so that the bound is one of all.
fn searched(program: &Program<'_>) -> Option<BTreeSet<String>> {
    let mut left = SEARCHED_BYTES;
    for part in program.loaded() {
        let content = part.content.get(..left).unwrap_or(part.content);
        left -= content.len();
        let mut begins = content.chunks_exact(ALIGNMENT).enumerate().filter(|(_, chunk)| form(chunk).is_some());
        // Only the first that holds names is looked through, whatever these are.
        if let Some(names) = begins.find_map(|(at, _)| names(part.content.get(at * ALIGNMENT..)?)) {
            return packages_of(names);
        }
    }
    None
}

/// How many addresses stand before the place of the names, and whether the highest byte of numbers comes first.
fn form(magic: &[u8]) -> Option<(u64, bool)> {
    match magic {
        [0xfa, 0xff, 0xff, 0xff] => Some((2, false)),
        [0xf0 | 0xf1, 0xff, 0xff, 0xff] => Some((3, false)),
        [0xff, 0xff, 0xff, 0xfa] => Some((2, true)),
        [0xff, 0xff, 0xff, 0xf0 | 0xf1] => Some((3, true)),
        _ => None,
    }
}

/// The names of a table, each with a NUL behind; none if it is none, or is cut off.
fn names(table: &[u8]) -> Option<&[u8]> {
    let (before, is_big_endian) = form(table.get(..ALIGNMENT)?)?;
    let is_wide = match table.get(4..8)? {
        [0, 0, 1 | 2 | 4, 4] => false,
        [0, 0, 1 | 2 | 4, 8] => true,
        _ => return None,
    };
    let numbers = Numbers { content: table, is_big_endian };
    let number = |at: u64| usize::try_from(numbers.word(8 + at * if is_wide { 8 } else { 4 }, is_wide)?).ok();
    // How many functions there are, where their names begin, and where what follows does.
    let (functions, begin, end) = (number(0)?, number(before)?, number(before + 1)?);
    let names = table.get(begin..end)?;
    // Each has a name of its own.
    (functions > 0 && functions <= names.len() && names.ends_with(b"\0")).then_some(names)
}

fn packages_of(names: &[u8]) -> Option<BTreeSet<String>> {
    let mut packages = BTreeSet::new();
    let (mut last, mut bytes): (&[u8], usize) = (b"", 0);
    for package in names.split(|byte| *byte == 0).filter_map(package_of) {
        // Those of one package mostly stand together.
        if package == last {
            continue;
        }
        last = package;
        let is_long = package.len() > MAX_PATH_BYTES;
        if is_long || package.split(|byte| *byte == b'/').count() > MAX_FOLDERS {
            return None;
        }
        let Some(package) = unescaped(package) else { continue };
        if !packages.contains(&*package) {
            bytes += package.len();
            packages.insert(package.into_owned());
        }
        if packages.len() > MAX_PACKAGES || bytes > MAX_BYTES {
            return None;
        }
    }
    packages.contains(RUNTIME).then_some(packages)
}

/// The package in the name of a function: `net/http` of `net/http.(*Client).Do`, `slices` of `slices.Sort[go.shape.int]`. What
/// the compiler makes for itself (`type:.eq.…`, `go:buildid`) and what is no Go has none.
fn package_of(name: &[u8]) -> Option<&[u8]> {
    // Types follow that may have slashes.
    let end = name.iter().position(|byte| matches!(byte, b'(' | b'[')).unwrap_or(name.len());
    let name = name.get(..end)?;
    let folder = name.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let dot = name.get(folder..)?.iter().position(|byte| *byte == b'.')?;
    let package = name.get(..folder + dot)?;
    let is_path = !package.is_empty() && package.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':');
    is_path.then_some(package)
}

/// A path without the escapes of what symbols cannot have: dots in its last part are `%2e`.
fn unescaped(path: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(path).ok()?;
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    let path = String::from_utf8(bytes).ok()?;
    let is_path = path.chars().all(|letter| !letter.is_control() && !letter.is_whitespace());
    is_path.then_some(Cow::Owned(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_functions() {
        for (name, package) in [
            ("net/http.(*Client).Do", "net/http"),
            ("main.main", "main"),
            ("main.main.func1.2", "main"),
            ("runtime.goexit", "runtime"),
            ("golang.org/x/crypto/ssh.NewClient", "golang.org/x/crypto/ssh"),
            ("gopkg.in/yaml%2ev3.Unmarshal", "gopkg.in/yaml.v3"),
            ("example.com/a%2eb.(*T[go.shape.int]).M", "example.com/a.b"),
            ("slices.SortFunc[go.shape.[]example.com/x.T,go.shape.int]", "slices"),
            ("m.io/a.Map[m.io/b.K]", "m.io/a"),
            ("m.io/a.(*T).m.io/b/c.hidden", "m.io/a"),
            ("vendor/golang.org/x/net/idna.init", "vendor/golang.org/x/net/idna"),
            ("m.io/a/v2.init.0", "m.io/a/v2"),
            ("m.io/%c3%a9.F", "m.io/é"),
            ("go.uber.org/zap.New", "go.uber.org/zap"),
            ("type:.eq.net/http.key", ""),
            ("go:buildid", ""),
            ("_cgo_init", ""),
            ("x_cgo.", "x_cgo"),
            ("", ""),
            (".", ""),
            ("/.", "/"),
            ("m.io/%zz.F", ""),
            ("m.io/%2.F", ""),
            ("m.io/%1b.F", ""),
            ("m.io/%ff.F", ""),
            ("m.io/a b.F", ""),
        ] {
            let found = package_of(name.as_bytes()).and_then(unescaped);
            assert_eq!(found.as_deref().unwrap_or_default(), package, "{name}");
        }
    }
}
