//! What one row says of one package: whether it is for it at all, and what follows.

use std::borrow::Cow;

use super::{
    answer::Evidence,
    compare::{self, Compared, Subject},
    index::Row,
    modules::{Relation, Streams},
    rpm,
};
use crate::{
    advisory::{Kind, NameOf, State},
    ecosystem::{Ecosystem, UBUNTU_PRO},
    package::{Package, PackageKind},
    versions::Verdict,
};

/// What a row says of a package.
#[derive(Debug, Clone)]
pub struct Ruling<'a> {
    /// The row.
    pub row: &'a Row,
    /// What it says.
    pub says: Says,
    /// Why, in words.
    pub rule: Cow<'static, str>,
    /// The version that was compared.
    pub version: Cow<'a, str>,
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// It is not for this package.
    Nothing,
    /// It cannot be said whether it is for this package, or what follows.
    Unclear,
    /// The vendor says that the package is not affected.
    Denies,
    /// It is about packages of a module, none of which any program has.
    Unused,
    /// The versions were compared.
    Compared(Compared),
}

/// What is known of a package when its rows are ruled on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The package.
    pub package: &'a Package,
    /// Its place in the input.
    pub at: usize,
    /// The streams of the image's packages.
    pub streams: &'a Streams,
    /// Whether a distribution has the package outside of its extras.
    pub is_in_core: bool,
    /// Whether extended support is attached.
    pub has_extended_support: bool,
}

/// What programs have of the packages of a module that a row is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Use<'a> {
    /// The row is about the whole module.
    All,
    /// These.
    Some(Vec<&'a str>),
    /// None of them.
    None,
    /// No program tells.
    Unknown,
}

/// What Go itself is called, as a module: the paths of its packages do not begin with it.
const STDLIB: &str = "stdlib";

impl<'a> Context<'a> {
    /// What a row says of the package; `None` where it speaks of another name.
    pub fn rule(&self, row: &'a Row) -> Option<Ruling<'a>> {
        let (version, is_epoch_known) = self.version(row)?;
        let ruling = |says, rule: Cow<'static, str>| Some(Ruling { row, says, rule, version: version.clone() });
        if let Some((says, why)) = self.is_out(row, &version) {
            return ruling(says, why);
        }
        if row.affected.state == State::NotAffected {
            return ruling(Says::Denies, "the vendor says that the package is not affected".into());
        }
        let use_of = self.use_of(row);
        if use_of == Use::None {
            let why = format!("no program has {}", row.affected.imports.join(", "));
            return ruling(Says::Unused, why.into());
        }
        let subject = Subject { scheme: row.affected.ecosystem.scheme(), version: &version, is_epoch_known };
        let compared = subject.compare(&row.affected.versions);
        let rule = match compared.verdict {
            Verdict::Affected => "the version is in the range",
            Verdict::NotAffected => "the version is not in the range",
            Verdict::Unknown => "the versions cannot be compared",
        };
        let rule = match use_of {
            Use::All => rule.into(),
            Use::Some(imports) => format!("{rule}, and the program has {}", imports.join(", ")).into(),
            Use::Unknown => {
                format!("{rule}; that the program uses {} is not confirmed", row.affected.imports.join(", ")).into()
            }
            Use::None => return None,
        };
        ruling(Says::Compared(compared), rule)
    }

    /// What programs have of the packages that a row is about. Their functions tell, where they can be read.
    fn use_of(&self, row: &'a Row) -> Use<'a> {
        let affected = &row.affected;
        if affected.imports.is_empty() {
            return Use::All;
        }
        let Some(known) = &self.package.imports else { return Use::Unknown };
        let within = |import: &'a str| match affected.name.as_str() {
            STDLIB => Some(import),
            module => import.strip_prefix(module).filter(|rest| rest.is_empty() || rest.starts_with('/')),
        };
        let mut used = Vec::new();
        for import in &affected.imports {
            // A path that is none of the module's is of no package that is known.
            let Some(rest) = within(import) else { return Use::Unknown };
            let rest = rest.strip_prefix('/').unwrap_or(rest);
            if known.binary_search_by(|one| one.as_str().cmp(rest)).is_ok() {
                used.push(import.as_str());
            }
        }
        if used.is_empty() { Use::None } else { Use::Some(used) }
    }

    /// The version that the row is about, and whether its epoch is known.
    fn version(&self, row: &Row) -> Option<(Cow<'a, str>, bool)> {
        let package = self.package;
        let name = row.affected.name.as_str();
        let own = |is_own: bool| is_own.then_some((Cow::Borrowed(package.version.as_str()), true));
        let source = || {
            let source = package.source.as_ref().filter(|source| source.name == name)?;
            let version = rpm::source_version(package, source);
            let is_epoch_known = package.kind != PackageKind::Rpm || version.contains(':');
            Some((version, is_epoch_known))
        };
        if !package.kind.is_of_system() {
            return own(true);
        }
        match row.affected.of {
            NameOf::Binary => own(package.name == name),
            // A package without a source of another name is its own source.
            NameOf::Source if package.source.is_none() => own(package.name == name),
            NameOf::Source => source(),
            NameOf::Either => own(package.name == name).or_else(source),
        }
    }

    /// Why a row is not for the package, if it is not.
    fn is_out(&self, row: &Row, version: &str) -> Option<(Says, Cow<'static, str>)> {
        let (package, affected) = (self.package, &row.affected);
        let nothing = |why: &'static str| Some((Says::Nothing, Cow::Borrowed(why)));
        if let Some(when) = &row.head.withdrawn {
            return Some((Says::Nothing, format!("it was withdrawn on {when}").into()));
        }
        if row.head.kind == Kind::Notice {
            return nothing("it tells of no vulnerability");
        }
        let is_noarch = matches!(package.arch.as_str(), "" | "noarch" | "all");
        if !affected.arches.is_empty() && !is_noarch && !affected.arches.contains(&package.arch) {
            return nothing("it is for other architectures");
        }
        if package.kind == PackageKind::Rpm {
            if !rpm::is_of_extra(affected, package, self.is_in_core) {
                return nothing("it is for a repository that the package is not of");
            }
            if affected.versions.fixes().any(|fix| !rpm::is_same_flavour(version, fix)) {
                return nothing("it is for builds of another flavour");
            }
            match self.streams.relation(self.at, package, row) {
                Relation::Same => {}
                Relation::Other => return nothing("it is for another stream of the module"),
                Relation::Unknown => {
                    return Some((
                        Says::Unclear,
                        "it is not known which stream of the module the package is of".into(),
                    ));
                }
            }
        }
        if affected.ecosystem == Ecosystem::Ubuntu
            && affected.repository.as_deref() == Some(UBUNTU_PRO)
            && !self.has_extended_support
        {
            return nothing("it is for systems with extended support attached");
        }
        None
    }
}

impl Ruling<'_> {
    /// What was looked at, in words.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            source: self.row.head.source.clone(),
            record: self.row.head.id.clone(),
            modified: self.row.head.modified.clone(),
            name: self.row.affected.name.clone(),
            version: self.version.clone().into_owned(),
            range: compare::in_words(&self.row.affected.versions),
            rule: self.rule.clone().into_owned(),
        }
    }

    /// The comparison, if versions were compared.
    pub fn compared(&self) -> Option<&Compared> {
        match &self.says {
            Says::Compared(compared) => Some(compared),
            Says::Nothing | Says::Unclear | Says::Denies | Says::Unused => None,
        }
    }

    /// Whether it says only that something is affected, without an end.
    pub fn is_open_ended(&self) -> bool {
        self.row.affected.versions.is_open_ended()
    }
}
