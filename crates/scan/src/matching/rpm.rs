//! What rpm distributions need beside versions: repositories, flavours, minor releases, epochs.

use std::borrow::Cow;

use super::modules;
use crate::{
    advisory::Affected,
    ecosystem::Ecosystem,
    package::{Package, SourcePackage},
};

/// Marks of builds that are fixed on their own: compared only among themselves.
const FLAVOURS: [&str; 3] = [".ksplice", "_fips", "fips."];

/// Whether both are of the same flavour.
pub fn is_same_flavour(version: &str, fix: &str) -> bool {
    FLAVOURS.iter().all(|flavour| version.contains(flavour) == fix.contains(flavour))
}

/// Whether a row of an extra of Amazon Linux can be for the package. The name of an extra ends with the version that it holds:
/// one that the package's version does not begin with is another. Where it has none, or the core has no such package, it can.
pub fn is_of_extra(row: &Affected, package: &Package, is_in_core: bool) -> bool {
    let Some(topic) = row.repository.as_deref().and_then(|name| name.strip_prefix("extras/")) else { return true };
    if !is_in_core || row.ecosystem != Ecosystem::AmazonLinux {
        return true;
    }
    let word = topic.trim_end_matches('x').trim_end_matches('.');
    let number = word.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let upstream = package.version.split_once(':').map_or(package.version.as_str(), |(_, version)| version);
    !number.is_empty() && modules::begins_with(upstream, number)
}

/// The minor release that a package was built for: 4 of `el8_4`, 6 of `.module+el8.6.0`.
pub fn minor(version: &str) -> Option<u32> {
    let rest = version.rsplit_once("el").map(|(_, rest)| rest)?;
    let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let digits = |rest: &str| rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok();
    // What follows a dot is a minor release only in the mark of a module; else it counts builds.
    match rest.strip_prefix('_') {
        Some(rest) => digits(rest),
        None if version.contains(".module") => digits(rest.strip_prefix('.')?),
        None => None,
    }
}

/// Whether a row holds only for a minor release with support of its own.
pub fn is_of_minor(row: &Affected) -> bool {
    row.repository.as_deref().is_some_and(|name| name.starts_with("rhel_"))
}

/// The version of the source package; `SOURCERPM` has no epoch, and the package's is its own only if the versions agree.
pub fn source_version<'a>(package: &Package, source: &'a SourcePackage) -> Cow<'a, str> {
    let (epoch, own) = package.version.split_once(':').unwrap_or(("", &package.version));
    if !epoch.is_empty() && own == source.version && !source.version.contains(':') {
        return Cow::Owned(format!("{epoch}:{own}"));
    }
    Cow::Borrowed(&source.version)
}

/// A bound as it is to be compared with the version: an epoch that the advisory leaves out is unknown, and taken to be the
/// package's; and where the package's is unknown, as a source's, the bound's is left out.
pub fn bound<'b>(bound: &'b str, version: &str, is_epoch_known: bool) -> Cow<'b, str> {
    let has_epoch = bound.contains(':');
    match version.split_once(':') {
        Some((epoch, _)) if !has_epoch && bound != "0" => Cow::Owned(format!("{epoch}:{bound}")),
        None if has_epoch && !is_epoch_known => Cow::Borrowed(bound.split_once(':').map_or(bound, |(_, rest)| rest)),
        _ => Cow::Borrowed(bound),
    }
}
