//! The packages of an enhanced finding (ECR: `VulnerablePackage`).

use scan::package::{Package, PackageKind, Presence};
use scanning::report::{Finding, Report, ReportedPackage};
use serde::Serialize;

/// `VulnerablePackage`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VulnerablePackage {
    #[serde(skip_serializing_if = "Option::is_none")]
    arch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_path: Option<String>,
    name: String,
    package_manager: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_layer_hash: Option<String>,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_in_version: Option<String>,
}

/// A version of an operating system's package in its parts: `[epoch:]version[-release]`.
struct Parts<'a> {
    epoch: i64,
    version: &'a str,
    release: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if epoch.parse::<i64>().is_ok() => (epoch.parse().unwrap_or_default(), rest),
            _ => (0, text),
        };
        // At the last dash, as Inspector does (reference/scanning.md 6).
        let (version, release) =
            rest.rsplit_once('-').map_or((rest, None), |(version, release)| (version, Some(release)));
        Self { epoch, version, release }
    }
}

/// Those of a finding: of an operating system the source package, once for each architecture and layer; of a language the
/// package, once for each file that tells of it.
pub fn of(report: &Report, finding: &Finding) -> Vec<VulnerablePackage> {
    let mut packages = Vec::new();
    for reported in finding.packages.iter().filter_map(|at| report.packages.get(*at)) {
        let layer = report.layers.get(reported.layer).cloned();
        if reported.package.kind.is_of_system() {
            let package = of_system(finding, &reported.package, layer);
            if !packages.contains(&package) {
                packages.push(package);
            }
        } else {
            packages.extend(of_language(finding, reported, layer.as_deref()));
        }
    }
    packages
}

fn of_system(finding: &Finding, package: &Package, source_layer_hash: Option<String>) -> VulnerablePackage {
    let parts = Parts::of(&finding.version);
    let fixed = finding.fixed_in.as_deref().map(|fixed| match Parts::of(fixed) {
        Parts { epoch: 0, .. } if !fixed.starts_with("0:") => format!("0:{fixed}"),
        _ => fixed.to_owned(),
    });
    VulnerablePackage {
        arch: Some(package.arch.to_ascii_uppercase()).filter(|arch| !arch.is_empty()),
        epoch: Some(parts.epoch),
        file_path: None,
        name: finding.name.clone(),
        package_manager: "OS",
        release: parts.release.map(str::to_owned),
        source_layer_hash,
        version: parts.version.to_owned(),
        fixed_in_version: fixed,
    }
}

fn of_language<'a>(
    finding: &'a Finding,
    reported: &'a ReportedPackage,
    layer: Option<&'a str>,
) -> impl Iterator<Item = VulnerablePackage> + 'a {
    let ReportedPackage { package, places, .. } = reported;
    places.iter().map(move |place| VulnerablePackage {
        arch: None,
        epoch: None,
        file_path: Some(place.whole_path()),
        name: package.name.clone(),
        package_manager: manager(package, &place.path),
        release: None,
        source_layer_hash: layer.map(str::to_owned),
        version: package.version.clone(),
        fixed_in_version: finding.fixed_in.clone(),
    })
}

/// Inspector's word for who manages a package: of a lock file the tool that wrote it.
fn manager(package: &Package, path: &str) -> &'static str {
    let file = path.rsplit('/').next().unwrap_or(path);
    let is_declared = package.presence == Presence::Declared;
    match package.kind {
        PackageKind::Apk | PackageKind::Dpkg | PackageKind::Rpm => "OS",
        PackageKind::Npm if is_declared && file == "yarn.lock" => "YARN",
        PackageKind::Npm if is_declared => "NPM",
        PackageKind::Npm => "NODEPKG",
        PackageKind::Python if is_declared && file.starts_with("Pipfile") => "PIPENV",
        PackageKind::Python if is_declared && file == "poetry.lock" => "POETRY",
        PackageKind::Python if is_declared => "PIP",
        PackageKind::Python => "PYTHONPKG",
        PackageKind::Maven if is_declared => "POM",
        PackageKind::Maven => "JAR",
        PackageKind::Go if is_declared => "GOMOD",
        PackageKind::Go => "GOBINARY",
        PackageKind::Gem if is_declared => "BUNDLER",
        PackageKind::Gem => "GEMSPEC",
        PackageKind::Composer => "COMPOSER",
        PackageKind::NuGet if is_declared => "NUGET",
        PackageKind::NuGet => "DOTNET_CORE",
        PackageKind::Cargo => "CARGO",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parted_at_the_last_dash() {
        for (text, epoch, version, release) in [
            ("5.10.178-3", 0, "5.10.178", Some("3")),
            ("1:2.0-rc1-4.el9", 1, "2.0-rc1", Some("4.el9")),
            ("1.2.5-r0", 0, "1.2.5", Some("r0")),
            ("20210119", 0, "20210119", None),
            ("a:1-2", 0, "a:1", Some("2")),
            ("", 0, "", None),
        ] {
            let parts = Parts::of(text);
            assert_eq!((parts.epoch, parts.version, parts.release), (epoch, version, release), "{text}");
        }
    }

    #[test]
    fn who_manages_a_package() {
        use PackageKind::{Apk, Cargo, Composer, Dpkg, Gem, Go, Maven, Npm, NuGet, Python, Rpm};
        for (kind, presence, path, word) in [
            (Apk, Presence::Installed, "lib/apk/db/installed", "OS"),
            (Dpkg, Presence::Installed, "var/lib/dpkg/status", "OS"),
            (Rpm, Presence::Installed, "var/lib/rpm/rpmdb.sqlite", "OS"),
            (Npm, Presence::Installed, "a/node_modules/b/package.json", "NODEPKG"),
            (Npm, Presence::Declared, "a/yarn.lock", "YARN"),
            (Npm, Presence::Declared, "a/package-lock.json", "NPM"),
            (Python, Presence::Installed, "a.dist-info/METADATA", "PYTHONPKG"),
            (Python, Presence::Declared, "Pipfile.lock", "PIPENV"),
            (Python, Presence::Declared, "a/poetry.lock", "POETRY"),
            (Python, Presence::Declared, "requirements.txt", "PIP"),
            (Maven, Presence::Installed, "a.jar", "JAR"),
            (Maven, Presence::Declared, "pom.xml", "POM"),
            (Go, Presence::Installed, "usr/bin/a", "GOBINARY"),
            (Go, Presence::Declared, "go.mod", "GOMOD"),
            (Gem, Presence::Installed, "specifications/a.gemspec", "GEMSPEC"),
            (Gem, Presence::Declared, "Gemfile.lock", "BUNDLER"),
            (Composer, Presence::Installed, "vendor/composer/installed.json", "COMPOSER"),
            (NuGet, Presence::Installed, "a.deps.json", "DOTNET_CORE"),
            (NuGet, Presence::Declared, "packages.lock.json", "NUGET"),
            (Cargo, Presence::Installed, "usr/bin/a", "CARGO"),
        ] {
            let package = Package { presence, ..Package::installed(kind, "a", "1") };
            assert_eq!(manager(&package, path), word, "{kind:?} {path}");
        }
    }
}
