//! Reads the list of modules that Go's linker writes into programs.

use crate::detectors::gather::{Gather, shown};
use crate::package::PackageKind;

/// What Go says in the place of a version that it does not know.
const UNKNOWN: &str = "(devel)";

/// A module of the list.
#[derive(Debug, Clone, Copy)]
struct Module<'a> {
    path: &'a str,
    version: &'a str,
}

impl<'a> Module<'a> {
    /// From what follows `mod`, `dep` or `=>`: its path, its version and a sum.
    fn read(fields: &'a str) -> Self {
        let mut fields = fields.split('\t');
        let (path, version) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        Self { path, version: if version == UNKNOWN { "" } else { version } }
    }

    /// Itself, or what replaces it. A folder says nothing of what lies in it.
    fn replaced_by(self, other: Self) -> Self {
        let is_folder = other.version.is_empty();
        if is_folder { Self { version: "", ..self } } else { other }
    }
}

/// Reads the whole list.
pub fn read(list: &str, gather: &mut Gather<'_>) {
    let mut main: Option<Module<'_>> = None;
    let mut dependency: Option<Module<'_>> = None;
    let mut is_main_replaced = false;
    let mut linker_flags = None;
    for line in list.lines() {
        let (word, fields) = line.split_once('\t').unwrap_or((line, ""));
        match word {
            "mod" => main = Some(Module::read(fields)),
            "dep" => {
                add(dependency.take(), gather);
                dependency = Some(Module::read(fields));
            }
            "=>" => {
                let other = Module::read(fields);
                if let Some(replaced) = dependency {
                    dependency = Some(replaced.replaced_by(other));
                } else {
                    main = main.map(|replaced| replaced.replaced_by(other));
                    is_main_replaced = true;
                }
            }
            "build" => linker_flags = fields.strip_prefix("-ldflags=").or(linker_flags),
            "path" | "" => {}
            _ => gather.problem(format!("the list of modules has a line `{}`", shown(line))),
        }
    }
    add(dependency, gather);
    let Some(mut main) = main else { return };
    // Go makes this version where it sees no tag.
    if main.version.starts_with("v0.0.0-") && !is_main_replaced {
        main.version = "";
    }
    let told = linker_flags.map(unquoted);
    let told = told.as_deref().and_then(|flags| version_in(flags, main.path));
    match (main.version, told) {
        ("", Some(told)) => gather.installed(PackageKind::Go, main.path, &format!("v{told}")),
        (version, _) => gather.installed(PackageKind::Go, main.path, version),
    }
}

fn add(module: Option<Module<'_>>, gather: &mut Gather<'_>) {
    if let Some(module) = module {
        gather.installed(PackageKind::Go, module.path, module.version);
    }
}

/// A value of the list without the quotes that Go puts around it where it has blanks or quotes.
fn unquoted(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.trim_matches('`').to_owned();
    };
    let mut text = String::with_capacity(inside.len());
    let mut is_escaped = false;
    for letter in inside.chars() {
        is_escaped = letter == '\\' && !is_escaped;
        if !is_escaped {
            text.push(letter);
        }
    }
    text
}

/// The version, without `v`, that the linker was told to put into a variable (`-X package.variable=value`): one of the
/// package `main`, else one of the main module, else one of any package that is named `version`. None where two
/// variables of the same rank say different versions.
fn version_in(flags: &str, main_module: &str) -> Option<String> {
    let mut ranks: [Option<&str>; 3] = [None; 3];
    let mut is_disputed = [false; 3];
    let mut words = flags.split_whitespace();
    while let Some(word) = words.next() {
        let Some(after) = word.trim_matches(['"', '\'']).strip_prefix("-X") else { continue };
        let setting = match after.strip_prefix('=').unwrap_or(after) {
            "" => words.next().unwrap_or_default(),
            setting => setting,
        };
        let Some((variable, value)) = setting.trim_matches(['"', '\'']).split_once('=') else { continue };
        let Some((package, name)) = variable.rsplit_once('.') else { continue };
        let Some(value) = release(value.trim_matches(['"', '\''])) else { continue };
        if !is_version_name(name) {
            continue;
        }
        let is_within = package.strip_prefix(main_module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_version_package = package.rsplit('/').next() == Some("version");
        let rank = match package {
            "main" => 0,
            _ if is_within => 1,
            _ if is_version_package => 2,
            _ => continue,
        };
        if let (Some(known), Some(is_disputed)) = (ranks.get_mut(rank), is_disputed.get_mut(rank)) {
            *is_disputed |= known.is_some_and(|known| known != value);
            *known = Some(value);
        }
    }
    let (version, is_disputed) = ranks.into_iter().zip(is_disputed).find(|(version, _)| version.is_some())?;
    version.filter(|_| !is_disputed).map(str::to_owned)
}

fn is_version_name(name: &str) -> bool {
    ["version", "ver", "gitversion", "appversion", "buildversion", "semver"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// A version of three numbers and what may follow, without `v`; none if the text is something else.
fn release(text: &str) -> Option<&str> {
    let version = text.strip_prefix('v').unwrap_or(text);
    let core = version.split(['-', '+']).next()?;
    let mut numbers = core.split('.');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let has_three = numbers.by_ref().take(3).filter(|part| is_number(part)).count() == 3;
    (has_three && numbers.next().is_none()).then_some(version)
}

/// The release in Go's own version: `1.22.1` of `go1.22.1`, `go1.22.1 X:boringcrypto`, `go1.22.1-vendor` and
/// `go1.22.1b7`, `1.22rc1` of `go1.22rc1`; empty for Go in development.
pub fn release_of(go: &str) -> &str {
    let Some(version) =
        go.strip_prefix("go").filter(|version| version.starts_with(|first: char| first.is_ascii_digit()))
    else {
        return "";
    };
    let numbers_end = version.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(version.len());
    let (numbers, rest) = version.split_at(numbers_end);
    let name_bytes = ["rc", "beta"].iter().find(|name| rest.starts_with(**name)).map_or(0, |name| name.len());
    let digits = rest.bytes().skip(name_bytes).take_while(u8::is_ascii_digit).count();
    let end = if name_bytes > 0 && digits > 0 { numbers.len() + name_bytes + digits } else { numbers.len() };
    version.get(..end).unwrap_or(numbers)
}
