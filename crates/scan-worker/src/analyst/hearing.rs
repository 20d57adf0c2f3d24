//! What a child answers, as it comes. A child that has read a hostile layer may say anything: nothing is kept that is longer
//! than it may be, and nothing is believed that it cannot mean.

use std::io::{ErrorKind, Read};

use scan::facts::LayerFacts;
use scan::limits::Limits;

use crate::confinement::Confinement;
use crate::failure::Failure;
use crate::wire::{HEAD_BYTES, Kind, VERSION, read_head};

/// Bytes that are read at a time.
const PART_BYTES: usize = 64 << 10;

/// An answer.
#[derive(Debug)]
pub(super) enum Answer {
    Confined(Confinement),
    Again,
    Facts(LayerFacts),
    /// There is none, and none will come.
    End,
}

/// What was heard so far.
pub(super) struct Hearing {
    limits: Limits,
    head: Vec<u8>,
    /// The answer that is coming, and the length that it will have.
    coming: Option<(Kind, usize)>,
    content: Vec<u8>,
    part: Vec<u8>,
    /// The kinds that were heard whole.
    heard: Vec<Kind>,
}

impl Hearing {
    pub(super) fn new(limits: Limits) -> Self {
        let part = vec![0; PART_BYTES];
        Self { limits, head: Vec::new(), coming: None, content: Vec::new(), part, heard: Vec::new() }
    }

    /// Reads once; an answer if it is whole.
    pub(super) fn hear(&mut self, from: &mut impl Read) -> Result<Option<Answer>, Failure> {
        // No more than what is still wanted: the next answer is read when this one is understood.
        let wanted = match self.coming {
            None => HEAD_BYTES.saturating_sub(self.head.len()),
            Some((_, length)) => length.saturating_sub(self.content.len()),
        };
        let part = self.part.get_mut(..wanted.min(PART_BYTES)).unwrap_or_default();
        let count = match from.read(part) {
            Ok(0) => return Ok(Some(Answer::End)),
            Ok(count) => count,
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => return Ok(None),
            Err(_) => return Ok(Some(Answer::End)),
        };
        let part = part.get(..count).unwrap_or_default();
        let (kind, length) = match self.coming {
            Some(coming) => {
                self.content.extend_from_slice(part);
                coming
            }
            None => {
                self.head.extend_from_slice(part);
                let Ok(head) = <[u8; HEAD_BYTES]>::try_from(self.head.as_slice()) else { return Ok(None) };
                self.head.clear();
                self.announced(head)?
            }
        };
        if self.content.len() < length {
            return Ok(None);
        }
        self.coming = None;
        self.heard.push(kind);
        let content = std::mem::take(&mut self.content);
        self.understood(kind, &content).map(Some)
    }

    /// What an answer says that it will be.
    fn announced(&mut self, head: [u8; HEAD_BYTES]) -> Result<(Kind, usize), Failure> {
        let (kind, length) = read_head(head).ok_or_else(|| nonsense("what is no answer"))?;
        let was = |kind| self.heard.contains(&kind);
        let is_in_order = match kind {
            Kind::Confined => self.heard.is_empty(),
            Kind::Again => was(Kind::Confined) && !was(Kind::Again),
            Kind::Facts => was(Kind::Confined),
        };
        if !is_in_order {
            return Err(nonsense("what makes no sense in this order"));
        }
        let length = usize::try_from(length).ok().filter(|length| *length <= kind.most_bytes(&self.limits));
        let length = length.ok_or_else(|| nonsense("more than the facts of a layer may be"))?;
        self.coming = Some((kind, length));
        Ok((kind, length))
    }

    fn understood(&self, kind: Kind, content: &[u8]) -> Result<Answer, Failure> {
        match (kind, content) {
            (Kind::Confined, [VERSION, low, high, abi]) => {
                Ok(Answer::Confined(Confinement::from_bytes([*low, *high, *abi])))
            }
            (Kind::Confined, _) => Err(nonsense("another version")),
            (Kind::Again, _) => Ok(Answer::Again),
            (Kind::Facts, _) => match LayerFacts::from_bytes(content, &self.limits) {
                Ok(facts) => Ok(Answer::Facts(facts)),
                Err(damaged) => Err(nonsense(&damaged.to_string())),
            },
        }
    }
}

fn nonsense(what: &str) -> Failure {
    Failure::Nonsense(what.to_owned())
}

#[cfg(test)]
mod tests {
    use scan::facts::Reader;

    use super::*;
    use crate::wire::answer;

    /// All answers of a child, one behind the other.
    fn told(kinds: &[(Kind, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, content) in kinds {
            answer(&mut bytes, *kind, content).expect("memory");
        }
        bytes
    }

    /// Hears all of it, some bytes at a time; the facts, or nothing where it ends before them.
    fn hear(mut bytes: &[u8], at_a_time: usize) -> Result<Option<LayerFacts>, Failure> {
        let mut hearing = Hearing::new(Limits { facts_bytes: 1 << 20, ..Limits::default() });
        loop {
            let there = bytes.len().min(at_a_time);
            let mut part = &bytes[..there];
            let answer = hearing.hear(&mut part)?;
            bytes = &bytes[there - part.len()..];
            assert!(hearing.content.len() <= 2 << 20);
            match answer {
                Some(Answer::End) => return Ok(None),
                Some(Answer::Facts(facts)) => return Ok(Some(facts)),
                Some(Answer::Confined(_) | Answer::Again) | None => {}
            }
        }
    }

    fn facts() -> LayerFacts {
        let readers = vec![Reader { name: "npm".to_owned(), revision: 1 }];
        LayerFacts { readers, problems: vec!["a problem".to_owned()], ..LayerFacts::default() }
    }

    const CONFINED: (Kind, &[u8]) = (Kind::Confined, &[VERSION, 1, 0, 7]);

    #[test]
    fn answers_are_heard_however_they_come() {
        let facts = facts();
        let bytes = facts.to_bytes();
        for kinds in [&[CONFINED, (Kind::Facts, &bytes)][..], &[CONFINED, (Kind::Again, &[]), (Kind::Facts, &bytes)]] {
            let told = told(kinds);
            for at_a_time in [1, 2, 9, 10, 1_000] {
                assert_eq!(hear(&told, at_a_time).expect("facts").as_ref(), Some(&facts));
                assert_eq!(hear(&told[..told.len() - 1], at_a_time).expect("an end"), None);
            }
        }
        for kinds in [&[(Kind::Facts, &bytes[..])][..], &[(Kind::Again, &[])], &[CONFINED, CONFINED]] {
            assert!(matches!(hear(&told(kinds), 1_000), Err(Failure::Nonsense(_))), "{kinds:?}");
        }
    }

    #[test]
    fn mutated_answers() {
        let bytes = facts().to_bytes();
        let once = told(&[CONFINED, (Kind::Facts, &bytes)]);
        let twice = told(&[CONFINED, (Kind::Again, &[]), (Kind::Facts, &bytes)]);
        mutate::binaries(&[&once, &twice], 2_000, |input| {
            let whole = hear(input, usize::MAX).map_err(|failure| failure.to_string());
            assert_eq!(hear(input, 7).map_err(|failure| failure.to_string()), whole);
        });
    }
}
