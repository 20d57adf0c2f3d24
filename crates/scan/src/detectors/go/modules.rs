//! Reads the list of modules that Go's linker writes into programs.

use std::collections::{BTreeSet, HashMap};

use crate::detectors::gather::{Gather, shown};

/// What Go itself is called, as a module.
const STDLIB: &str = "stdlib";

/// What Go says in the place of a version that it does not know.
const UNKNOWN: &str = "(devel)";

/// A module of the list.
#[derive(Debug, Clone, Copy)]
struct Module<'a> {
    path: &'a str,
    version: &'a str,
    /// What the import paths of its packages begin with: its own path, whatever replaces it.
    import: &'a str,
}

impl<'a> Module<'a> {
    /// From what follows `mod`, `dep` or `=>`: its path, its version and a sum.
    fn read(fields: &'a str) -> Self {
        let mut fields = fields.split('\t');
        let (path, version) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        Self { path, version: if version == UNKNOWN { "" } else { version }, import: path }
    }

    /// Itself, or what replaces it. A folder says nothing of what lies in it.
    fn replaced_by(self, other: Self) -> Self {
        let is_folder = other.version.is_empty();
        if is_folder { Self { version: "", ..self } } else { Self { import: self.import, ..other } }
    }
}

/// What the list says, and the version of Go.
struct Build<'a> {
    modules: Vec<Module<'a>>,
    main: Option<Module<'a>>,
    /// The import path of the package `main`.
    path: &'a str,
}

/// Reads the whole list, and tells of Go itself. `packages` are those that the program has functions of, if that is known.
pub fn read(go: &str, list: &str, packages: Option<&BTreeSet<String>>, gather: &mut Gather<'_>) {
    let mut main: Option<Module<'_>> = None;
    let mut modules: Vec<Module<'_>> = Vec::new();
    let mut is_main_replaced = false;
    let (mut linker_flags, mut path) = (None, "");
    for line in list.lines() {
        let (word, fields) = line.split_once('\t').unwrap_or((line, ""));
        match word {
            "mod" => main = Some(Module::read(fields)),
            "dep" => modules.push(Module::read(fields)),
            "=>" => {
                let other = Module::read(fields);
                if let Some(replaced) = modules.last_mut() {
                    *replaced = replaced.replaced_by(other);
                } else {
                    main = main.map(|replaced| replaced.replaced_by(other));
                    is_main_replaced = true;
                }
            }
            "build" => linker_flags = fields.strip_prefix("-ldflags=").or(linker_flags),
            "path" => path = fields,
            "" => {}
            _ => gather.problem(format!("the list of modules has a line `{}`", shown(line))),
        }
    }
    if let Some(main) = &mut main {
        // Go makes this version where it sees no tag.
        if main.version.starts_with("v0.0.0-") && !is_main_replaced {
            main.version = "";
        }
    }
    let build = Build { modules, main, path };
    let mut imports = packages.map(|packages| build.imports(packages));
    // A module of which no function is left may have left something else.
    let mut imports_of = |module: &str| imports.as_mut()?.remove(module).filter(|imports| !imports.is_empty());
    gather.module(STDLIB, release_of(go), imports_of(STDLIB));
    for module in &build.modules {
        gather.module(module.path, module.version, imports_of(module.import));
    }
    let Some(main) = main else { return };
    let told = linker_flags.map(unquoted);
    let told = told.as_deref().and_then(|flags| version_in(flags, main.path));
    let imports = imports_of(main.import);
    match (main.version, told) {
        ("", Some(told)) => gather.module(main.path, &format!("v{told}"), imports),
        (version, _) => gather.module(main.path, version, imports),
    }
}

impl<'a> Build<'a> {
    /// The packages of each module, without the module's own path in front. A package is of the module with the longest path.
    fn imports(&self, packages: &BTreeSet<String>) -> HashMap<&'a str, Vec<String>> {
        let modules = self.modules.iter().chain(&self.main).map(|module| (module.import, Vec::new()));
        let mut imports: HashMap<&'a str, Vec<String>> = modules.collect();
        imports.insert(STDLIB, Vec::new());
        for package in packages {
            let package = if package == "main" { self.path } else { package };
            let module = self.module_of(package, &imports);
            if let Some((imports, rest)) = module.and_then(|(module, rest)| Some((imports.get_mut(module)?, rest))) {
                imports.push(rest.to_owned());
            }
        }
        for imports in imports.values_mut() {
            imports.sort_unstable();
            imports.dedup();
        }
        imports
    }

    fn module_of<'p>(&self, package: &'p str, modules: &HashMap<&'a str, Vec<String>>) -> Option<(&'p str, &'p str)> {
        let mut module = package;
        loop {
            if modules.contains_key(module) && module != STDLIB {
                let rest = package.get(module.len()..)?;
                return Some((module, rest.strip_prefix('/').unwrap_or(rest)));
            }
            let Some((above, _)) = module.rsplit_once('/') else { break };
            module = above;
        }
        // Go's own are those whose paths begin with no name of a host.
        let is_of_go = !package.is_empty() && package != self.path && !package.split('/').next()?.contains('.');
        is_of_go.then_some((STDLIB, package))
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
