//! Patterns of Amazon Resource Names, matched part by part.

use std::mem;

use crate::held;
use crate::pattern::{Case, Element, Match, Pattern, Piece, Syntax, pieces};
use crate::reading::Reading;

/// The parts of an ARN: `arn:partition:service:region:account:resource`, the last one with all further colons.
const PARTS: usize = 6;

/// A glob over an ARN. The first five colons of the pattern part it, so that a wildcard before them does not cross into
/// the next part; in the last part of the pattern a wildcard crosses `:` and `/` (reference/access.md 5, "Resource").
#[derive(Debug)]
pub(crate) struct ArnPattern {
    parts: Box<[Pattern]>,
}

impl ArnPattern {
    pub(crate) fn new(text: &str, variables: bool) -> Self {
        let mut parts = Vec::new();
        let mut part = Vec::new();
        for piece in pieces(text, Syntax { wildcards: true, variables }) {
            let Piece::Known(elements) = piece else {
                // The colons inside `${aws:username}` part nothing.
                part.push(piece);
                continue;
            };
            let mut rest = elements.as_slice();
            while parts.len() + 1 < PARTS
                && let Some(colon) = rest.iter().position(|element| *element == Element::Char(':'))
            {
                part.push(Piece::Known(rest[..colon].to_vec()));
                parts.push(Pattern::from_pieces(mem::take(&mut part)));
                rest = &rest[colon + 1..];
            }
            part.push(Piece::Known(rest.to_vec()));
        }
        parts.push(Pattern::from_pieces(part));
        Self { parts: parts.into() }
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().flat_map(Pattern::variables)
    }

    /// What it takes of the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        held::list::<Pattern>(self.parts.len()) + self.parts.iter().map(Pattern::heap_bytes).sum::<usize>()
    }

    pub(crate) fn matches(&self, arn: &str, reading: &Reading<'_>) -> Match {
        let mut texts = arn.splitn(self.parts.len(), ':');
        let mut found = Match::Yes;
        for pattern in &self.parts {
            // A variable without a value counts even where another part differs: the order of parts decides nothing.
            let one = match texts.next() {
                Some(text) => pattern.matches(text, Case::Sensitive, reading),
                None => Match::No,
            };
            match one {
                Match::Yes => {}
                Match::No => found = Match::No,
                Match::Unresolved => return Match::Unresolved,
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Context;

    #[test]
    fn parts_are_matched_one_by_one() {
        const ARN: &str = "arn:aws:ecr:us-east-1:123456789012:repository/team/app";
        for (pattern, expected) in [
            ("*", Match::Yes),
            ("arn:*", Match::Yes),
            ("arn:aws:ecr:*", Match::Yes),
            ("arn:aws:ecr:*:*:repository/*", Match::Yes),
            ("arn:aws:ecr:*:*:*", Match::Yes),
            ("arn:aws:ecr:*:repository/team/app", Match::No),
            ("arn:aws:*:repository/team/app", Match::No),
            ("arn:aws:ecr:us-east-?:123456789012:*app", Match::Yes),
            ("arn:aws:ecr:us-east-1:123456789012:repository/Team/app", Match::No),
            ("arn:aws:ecr:us-east-1:123456789012", Match::No),
            ("arn:aws:ecr:us-east-1:${aws:username}:repository/*", Match::Yes),
            ("arn:aws:s3:us-east-1:${aws:missing}:repository/*", Match::Unresolved),
        ] {
            let mut context = Context::default();
            context.set("aws:username", "123456789012");
            assert_eq!(ArnPattern::new(pattern, true).matches(ARN, &Reading::first(&context)), expected, "{pattern}");
        }
    }

    #[test]
    fn the_last_part_crosses_colons() {
        let pattern = ArnPattern::new("arn:aws:secretsmanager:*:*:secret:ecr-pullthroughcache/*", false);
        let context = Context::default();
        let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/hub-Ab12:x";
        assert_eq!(pattern.matches(arn, &Reading::first(&context)), Match::Yes);
    }
}
