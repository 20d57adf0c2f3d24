//! Gems of Ruby: the specifications of installed ones, and `Gemfile.lock`.
//!
//! A specification is a program of Ruby. RubyGems writes those of installed gems, and these assign literals; what is
//! anything else is not run and not guessed. The platform that a gem was built for is no part of its version.

use crate::detectors::gather::Gather;
use crate::detectors::text::{file_name, has_end, lies_in_package, quoted, text};
use crate::detectors::{Candidate, Detector};
use crate::facts::Found;
use crate::limits::Limits;
use crate::package::PackageKind;

/// The detector of installed gems.
pub struct Installed;

/// The detector of lock files.
pub struct Locks;

impl Detector for Installed {
    fn name(&self) -> &'static str {
        "ruby"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        let Some((folder, name)) = file.path.rsplit_once('/') else { return false };
        let folder = folder.strip_suffix("/default").unwrap_or(folder);
        has_end(name, ".gemspec") && file_name(folder) == "specifications"
    }

    fn read(&self, _path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        if let Some(text) = text(content, &mut gather) {
            let stub = stub(&text);
            let name = assigned(&text, "name").or(stub.map(|(name, _)| name));
            let version = assigned(&text, "version").or(stub.map(|(_, version)| version));
            match (name, version) {
                (Some(name), Some(version)) => gather.installed(PackageKind::Gem, name, version),
                _ => gather.problem("it has no name or no version that is written out"),
            }
        }
        gather.finish()
    }
}

/// The literal that is assigned to an attribute of the specification: `s.name = "a".freeze`,
/// `s.version = Gem::Version.new("1.0")`.
fn assigned<'a>(text: &'a str, attribute: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (variable, value) = line.trim_start().split_once('.')?;
        let value = value.strip_prefix(attribute)?.trim_start().strip_prefix('=')?.trim();
        let is_variable = variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let value = value.strip_prefix("Gem::Version.new(").unwrap_or(value);
        quoted(value).filter(|literal| is_variable && !literal.is_empty() && !literal.contains("#{"))
    })
}

/// The name and version in the line that RubyGems writes for itself: `# stub: a 1.0 ruby lib`.
fn stub(text: &str) -> Option<(&str, &str)> {
    let line = text.lines().take(5).find_map(|line| line.strip_prefix("# stub: "))?;
    let mut words = line.split(' ');
    Some((words.next()?, words.next()?))
}

impl Detector for Locks {
    fn name(&self) -> &'static str {
        "ruby-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        ["Gemfile.lock", "gems.locked"].contains(&file_name(file.path)) && !lies_in_package(file.path)
    }

    fn read(&self, _path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        if let Some(text) = text(content, &mut gather) {
            read_lock(&text, &mut gather);
        }
        gather.finish()
    }
}

/// Reads the gems of all sources but folders: four blanks in, `name (version)`; what each needs stands further in.
fn read_lock(text: &str, gather: &mut Gather<'_>) {
    let mut is_source = false;
    for line in text.lines() {
        if line.starts_with(|first: char| first.is_ascii_uppercase()) {
            is_source = ["GEM", "GIT", "PLUGIN SOURCE"].contains(&line.trim_end());
        }
        let gem = line.strip_prefix("    ").filter(|gem| is_source && !gem.starts_with(' '));
        let parts = gem.and_then(|gem| gem.trim_end().strip_suffix(')')?.split_once(" ("));
        if let Some((name, version)) = parts {
            // No version of a gem has a dash.
            gather.declared(PackageKind::Gem, name, version.split('-').next().unwrap_or(version));
        }
    }
}
