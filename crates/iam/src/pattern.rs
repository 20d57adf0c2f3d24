//! Texts with wildcards and policy variables, compiled for matching without backtracking more than one star.

use std::mem;

use crate::held;
use crate::reading::Reading;

/// Whether letter case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Sensitive,
    Insensitive,
}

/// What a value of a policy can contain beside plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// `*` and `?` stand for other text.
    pub wildcards: bool,
    /// `${key}` stands for a value of the request: only in version 2012-10-17 (reference/access.md 5).
    pub variables: bool,
}

/// How a value of a policy compares with one of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    No,
    /// A variable in it has no value in this request, so that it matches nothing, and its opposite matches nothing
    /// either: "this might cause the entire statement to be invalid" (IAM User Guide, variables). The same holds in a
    /// Deny: whoever needs a Deny to hold without the key gives the variable a default.
    Unresolved,
}

impl Match {
    /// Yes if any is; else unresolved if any is: the values of a list are alternatives.
    pub(crate) fn any(matches: impl IntoIterator<Item = Match>) -> Match {
        let mut found = Match::No;
        for one in matches {
            match one {
                Match::Yes => return Match::Yes,
                Match::Unresolved => found = Match::Unresolved,
                Match::No => {}
            }
        }
        found
    }

    /// Whether a statement goes on past this: the element itself (`negated` false) or its `Not` form.
    pub(crate) fn holds(self, negated: bool) -> bool {
        match self {
            Match::Yes => !negated,
            Match::No => negated,
            Match::Unresolved => false,
        }
    }
}

impl From<bool> for Match {
    fn from(matches: bool) -> Self {
        if matches { Match::Yes } else { Match::No }
    }
}

/// One character of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    Char(char),
    One,
    Many,
}

/// A part of a pattern that is known, or that each request fills in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Known(Vec<Element>),
    Variable { key: String, default: Option<String> },
}

impl Piece {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Known(elements) => held::list::<Element>(elements.capacity()),
            Self::Variable { key, default } => held::string(key) + default.as_ref().map_or(0, held::string),
        }
    }
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Anything,
    Exact(Box<str>),
    Prefix(Box<str>),
    Glob(Box<[Element]>),
    Template(Box<[Piece]>),
}

/// Splits a value into its known parts and its variables.
pub(crate) fn pieces(text: &str, syntax: Syntax) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut known = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if syntax.variables
            && let Some(inner) = rest.strip_prefix("${")
            && let Some(length) = inner.find('}')
        {
            rest = &inner[length + 1..];
            match &inner[..length] {
                // The literal forms of the wildcards (IAM User Guide, "Special characters").
                special @ ("*" | "?" | "$") => known.extend(special.chars().map(Element::Char)),
                variable => {
                    if !known.is_empty() {
                        pieces.push(Piece::Known(mem::take(&mut known)));
                    }
                    pieces.push(read_variable(variable));
                }
            }
            continue;
        }
        known.push(match character {
            '*' if syntax.wildcards => Element::Many,
            '?' if syntax.wildcards => Element::One,
            character => Element::Char(character),
        });
        rest = &rest[character.len_utf8()..];
    }
    if !known.is_empty() {
        pieces.push(Piece::Known(known));
    }
    pieces
}

/// Reads what stands between the braces: `key` or `key, 'default'`.
fn read_variable(inner: &str) -> Piece {
    let with_default = inner.split_once(',').and_then(|(key, default)| {
        let default = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        Some((key, default.to_owned()))
    });
    let (key, default) = match with_default {
        Some((key, default)) => (key, Some(default)),
        None => (inner, None),
    };
    Piece::Variable { key: key.trim().to_lowercase(), default }
}

impl Pattern {
    pub(crate) fn new(text: &str, syntax: Syntax) -> Self {
        Self::from_pieces(pieces(text, syntax))
    }

    pub(crate) fn from_pieces(pieces: Vec<Piece>) -> Self {
        let mut elements = Vec::new();
        for piece in &pieces {
            match piece {
                Piece::Known(known) => elements.extend_from_slice(known),
                Piece::Variable { .. } => return Self::Template(pieces.into()),
            }
        }
        // A run of stars means one star.
        elements.dedup_by(|next, previous| *next == Element::Many && *previous == Element::Many);
        let literal_length = elements.iter().take_while(|element| matches!(element, Element::Char(_))).count();
        let literal: String = elements
            .iter()
            .filter_map(|element| match element {
                Element::Char(character) => Some(*character),
                Element::One | Element::Many => None,
            })
            .take(literal_length)
            .collect();
        match &elements[literal_length..] {
            [] => Self::Exact(literal.into()),
            [Element::Many] if literal_length == 0 => Self::Anything,
            [Element::Many] => Self::Prefix(literal.into()),
            _ => Self::Glob(elements.into()),
        }
    }

    /// The text that alone it matches, if there is one.
    pub(crate) fn plain_text(&self) -> Option<&str> {
        match self {
            Self::Exact(text) => Some(text),
            Self::Anything | Self::Prefix(_) | Self::Glob(_) | Self::Template(_) => None,
        }
    }

    /// What it takes of the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Anything => 0,
            Self::Exact(text) | Self::Prefix(text) => held::text(text),
            Self::Glob(elements) => held::list::<Element>(elements.len()),
            Self::Template(pieces) => {
                let of_pieces: usize = pieces.iter().map(Piece::heap_bytes).sum();
                held::list::<Piece>(pieces.len()) + of_pieces
            }
        }
    }

    /// The keys of the variables in it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let pieces: &[Piece] = match self {
            Self::Template(pieces) => pieces,
            Self::Anything | Self::Exact(_) | Self::Prefix(_) | Self::Glob(_) => &[],
        };
        pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key.as_str()),
            Piece::Known(_) => None,
        })
    }

    pub(crate) fn matches(&self, text: &str, case: Case, reading: &Reading<'_>) -> Match {
        match self {
            Self::Anything => Match::Yes,
            Self::Exact(literal) => starts_with(text, literal, case).is_some_and(str::is_empty).into(),
            Self::Prefix(literal) => starts_with(text, literal, case).is_some().into(),
            Self::Glob(elements) => glob(elements, text, case).into(),
            Self::Template(pieces) => match resolve(pieces, reading) {
                Some(elements) => glob(&elements, text, case).into(),
                None => Match::Unresolved,
            },
        }
    }
}

/// Fills the variables in. The value of a variable is plain text, whatever characters it has: a tag named `*` must not
/// open everything.
fn resolve(pieces: &[Piece], reading: &Reading<'_>) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Known(known) => elements.extend_from_slice(known),
            Piece::Variable { key, default } => {
                let value = reading.single(key).or(default.as_deref())?;
                elements.extend(value.chars().map(Element::Char));
            }
        }
    }
    Some(elements)
}

/// What follows the literal at the start of the text.
fn starts_with<'t>(text: &'t str, literal: &str, case: Case) -> Option<&'t str> {
    match case {
        Case::Sensitive => text.strip_prefix(literal),
        Case::Insensitive => {
            // Nearly always both are ASCII, and then bytes are enough.
            if let Some((head, rest)) = text.split_at_checked(literal.len())
                && head.eq_ignore_ascii_case(literal)
            {
                return Some(rest);
            }
            if text.is_ascii() && literal.is_ascii() {
                return None;
            }
            let mut rest = text.chars();
            for expected in literal.chars() {
                if !same(expected, rest.next()?, case) {
                    return None;
                }
            }
            Some(rest.as_str())
        }
    }
}

fn same(left: char, right: char, case: Case) -> bool {
    left == right
        || match case {
            Case::Sensitive => false,
            Case::Insensitive if left.is_ascii() && right.is_ascii() => left.eq_ignore_ascii_case(&right),
            Case::Insensitive => left.to_lowercase().eq(right.to_lowercase()),
        }
}

/// Matches from left to right; on a mismatch only the last star takes one character more, which is enough because an
/// earlier star could only have left less for what follows. At worst text times pattern steps.
pub(crate) fn glob(elements: &[Element], text: &str, case: Case) -> bool {
    let mut at = 0;
    let mut rest = text.chars();
    let mut retry = None;
    loop {
        let before = rest.clone();
        match (elements.get(at), rest.next()) {
            (Some(Element::Many), _) => {
                at += 1;
                rest = before.clone();
                retry = Some((at, before));
                continue;
            }
            (Some(Element::One), Some(_)) => {
                at += 1;
                continue;
            }
            (Some(Element::Char(expected)), Some(found)) if same(*expected, found, case) => {
                at += 1;
                continue;
            }
            (None, None) => return true,
            // No character is left to give to a star.
            (Some(_), None) => return false,
            (Some(_) | None, Some(_)) => {}
        }
        let Some((star, from)) = &mut retry else {
            return false;
        };
        from.next();
        at = *star;
        rest = from.clone();
    }
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
