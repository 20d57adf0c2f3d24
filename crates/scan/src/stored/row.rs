//! Rows: which versions of a package an advisory speaks of, and what it says of them.

use super::codec::{Damaged, Input, Output};
use crate::{
    advisory::{Affected, Comparison, Event, Module, NameOf, Requirement, Scope, State, Versions},
    ecosystem::Ecosystem,
};

/// What most rows say of versions, and the rest.
const ALL: u8 = 0;
const BEFORE: u8 = 1;
const OTHER: u8 = 2;

const ARCHES: u8 = 1;
const MODULES: u8 = 2;
const REPOSITORY: u8 = 3;
const SEVERITY: u8 = 4;
const RATINGS: u8 = 5;
const NOTE: u8 = 6;
const IMPORTS: u8 = 7;
const FIXED: u8 = 8;

/// A row as bytes, without what it is looked up by.
pub fn row_to_bytes(row: &Affected) -> Vec<u8> {
    let mut out = Output::new();
    let of = match row.of {
        NameOf::Binary => 0,
        NameOf::Source => 1,
        NameOf::Either => 2,
    };
    let state = match row.state {
        State::Affected => 0,
        State::WillNotFix => 1,
        State::Deferred => 2,
        State::EndOfLife => 3,
        State::UnderInvestigation => 4,
        State::NotAffected => 5,
    };
    let scope = match row.scope {
        Scope::Package => 0,
        Scope::PackageAndFiles => 1,
    };
    let shape = Shape::of(&row.versions);
    out.byte(of | state << 2 | scope << 5 | shape.number() << 6);
    match shape {
        Shape::All => {}
        Shape::Before(fixed) => out.text(fixed),
        Shape::Other => versions_to_bytes(&mut out, &row.versions),
    }
    out.part(ARCHES, &row.arches, |out, arch| out.text(arch));
    out.part(MODULES, &row.modules, |out, module| {
        out.text(&module.name);
        out.text(&module.stream);
    });
    out.text_part(REPOSITORY, row.repository.as_deref());
    out.text_part(SEVERITY, row.severity.as_deref());
    out.part(RATINGS, &row.ratings, Output::rating);
    out.text_part(NOTE, row.note.as_deref());
    out.part(IMPORTS, &row.imports, |out, path| out.text(path));
    out.text_part(FIXED, row.versions.fixed.as_deref());
    out.end()
}

/// The row of bytes that [`row_to_bytes`] made.
pub fn row_from_bytes(ecosystem: Ecosystem, release: &str, name: &str, bytes: &[u8]) -> Result<Affected, Damaged> {
    let mut input = Input::new(bytes)?;
    let first = input.byte()?;
    let mut row = Affected::all(ecosystem, release, name);
    row.of = match first & 3 {
        0 => NameOf::Binary,
        1 => NameOf::Source,
        2 => NameOf::Either,
        _ => return Err(Damaged("a name of nothing")),
    };
    row.state = match first >> 2 & 7 {
        0 => State::Affected,
        1 => State::WillNotFix,
        2 => State::Deferred,
        3 => State::EndOfLife,
        4 => State::UnderInvestigation,
        5 => State::NotAffected,
        _ => return Err(Damaged("no state")),
    };
    row.scope = if first >> 5 & 1 == 0 { Scope::Package } else { Scope::PackageAndFiles };
    row.versions = match first >> 6 {
        ALL => Versions::all(),
        BEFORE => Versions::before(input.text()?),
        OTHER => versions(&mut input)?,
        _ => return Err(Damaged("versions of no shape")),
    };
    while let Some(part) = input.part() {
        match part {
            ARCHES => row.arches = input.list(Input::text)?,
            MODULES => row.modules = input.list(|input| Ok(Module { name: input.text()?, stream: input.text()? }))?,
            REPOSITORY => row.repository = Some(input.text()?),
            SEVERITY => row.severity = Some(input.text()?),
            RATINGS => row.ratings = input.list(Input::rating)?,
            NOTE => row.note = Some(input.text()?),
            IMPORTS => row.imports = input.list(Input::text)?,
            FIXED => row.versions.fixed = Some(input.text()?),
            _ => return Err(Damaged("a part that is not known")),
        }
    }
    Ok(row)
}

/// What a row says of versions, apart from [`Versions::fixed`].
enum Shape<'a> {
    All,
    Before(&'a str),
    Other,
}

impl<'a> Shape<'a> {
    fn of(versions: &'a Versions) -> Self {
        let [range] = versions.ranges.as_slice() else { return Self::Other };
        if !versions.listed.is_empty() || !versions.unaffected.is_empty() {
            return Self::Other;
        }
        match range.as_slice() {
            [Event::Introduced(from)] if from == "0" => Self::All,
            [Event::Introduced(from), Event::Fixed(fixed)] if from == "0" => Self::Before(fixed),
            _ => Self::Other,
        }
    }

    fn number(&self) -> u8 {
        match self {
            Self::All => ALL,
            Self::Before(_) => BEFORE,
            Self::Other => OTHER,
        }
    }
}

fn versions_to_bytes(out: &mut Output, versions: &Versions) {
    out.list(&versions.ranges, |out, range| {
        out.list(range, |out, event| {
            let (kind, version) = match event {
                Event::Introduced(version) => (0, version),
                Event::Fixed(version) => (1, version),
                Event::LastAffected(version) => (2, version),
                Event::Limit(version) => (3, version),
            };
            out.byte(kind);
            out.text(version);
        });
    });
    out.list(&versions.listed, |out, version| out.text(version));
    out.list(&versions.unaffected, |out, requirement| {
        out.list(&requirement.0, |out, (comparison, version)| {
            out.byte(match comparison {
                Comparison::Equal => 0,
                Comparison::NotEqual => 1,
                Comparison::Less => 2,
                Comparison::LessOrEqual => 3,
                Comparison::Greater => 4,
                Comparison::GreaterOrEqual => 5,
            });
            out.text(version);
        });
    });
}

fn versions(input: &mut Input<'_>) -> Result<Versions, Damaged> {
    let event = |input: &mut Input<'_>| {
        let kind = input.byte()?;
        let version = input.text()?;
        Ok(match kind {
            0 => Event::Introduced(version),
            1 => Event::Fixed(version),
            2 => Event::LastAffected(version),
            3 => Event::Limit(version),
            _ => return Err(Damaged("an event of no kind")),
        })
    };
    let comparison = |input: &mut Input<'_>| {
        let comparison = match input.byte()? {
            0 => Comparison::Equal,
            1 => Comparison::NotEqual,
            2 => Comparison::Less,
            3 => Comparison::LessOrEqual,
            4 => Comparison::Greater,
            5 => Comparison::GreaterOrEqual,
            _ => return Err(Damaged("no comparison")),
        };
        Ok((comparison, input.text()?))
    };
    Ok(Versions {
        ranges: input.list(|input| input.list(event))?,
        listed: input.list(Input::text)?,
        unaffected: input.list(|input| input.list(comparison).map(Requirement))?,
        fixed: None,
    })
}
