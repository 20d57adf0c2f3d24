//! What is known of vulnerabilities apart from advisories, each by its id, which is not in the bytes.

use super::codec::{Damaged, Input, Output};
use crate::feeds::{Exploited, Likelihood, Scores};

const RATINGS: u8 = 1;
const SUMMARY: u8 = 2;
const REJECTED: u8 = 3;

/// What a vulnerability is rated, as bytes.
pub fn scores_to_bytes(scores: &Scores) -> Vec<u8> {
    let mut out = Output::new();
    out.part(RATINGS, &scores.ratings, Output::rating);
    out.filled_part(SUMMARY, &scores.summary);
    if scores.is_rejected {
        out.byte(REJECTED);
    }
    out.end()
}

/// The ratings of bytes that [`scores_to_bytes`] made.
pub fn scores_from_bytes(id: &str, bytes: &[u8]) -> Result<Scores, Damaged> {
    let mut input = Input::new(bytes)?;
    let mut scores = Scores { id: id.to_owned(), ..Scores::default() };
    while let Some(part) = input.part() {
        match part {
            RATINGS => scores.ratings = input.list(Input::rating)?,
            SUMMARY => scores.summary = input.text()?,
            REJECTED => scores.is_rejected = true,
            _ => return Err(Damaged("a part that is not known")),
        }
    }
    Ok(scores)
}

const NAME: u8 = 1;
const ADDED: u8 = 2;
const DUE: u8 = 3;
const RANSOMWARE: u8 = 4;

/// That a vulnerability is known to be exploited, as bytes.
pub fn exploited_to_bytes(exploited: &Exploited) -> Vec<u8> {
    let mut out = Output::new();
    out.filled_part(NAME, &exploited.name);
    out.filled_part(ADDED, &exploited.added);
    out.filled_part(DUE, &exploited.due);
    if exploited.is_ransomware {
        out.byte(RANSOMWARE);
    }
    out.end()
}

/// What bytes tell that [`exploited_to_bytes`] made.
pub fn exploited_from_bytes(id: &str, bytes: &[u8]) -> Result<Exploited, Damaged> {
    let mut input = Input::new(bytes)?;
    let mut exploited = Exploited { id: id.to_owned(), ..Exploited::default() };
    while let Some(part) = input.part() {
        match part {
            NAME => exploited.name = input.text()?,
            ADDED => exploited.added = input.text()?,
            DUE => exploited.due = input.text()?,
            RANSOMWARE => exploited.is_ransomware = true,
            _ => return Err(Damaged("a part that is not known")),
        }
    }
    Ok(exploited)
}

/// How probably a vulnerability is exploited, as bytes.
pub fn likelihood_to_bytes(likelihood: &Likelihood) -> Vec<u8> {
    let mut out = Output::new();
    out.float(likelihood.score);
    out.float(likelihood.percentile);
    out.end()
}

/// The likelihood of bytes that [`likelihood_to_bytes`] made.
pub fn likelihood_from_bytes(id: &str, bytes: &[u8]) -> Result<Likelihood, Damaged> {
    let mut input = Input::new(bytes)?;
    let likelihood = Likelihood { id: id.to_owned(), score: input.float()?, percentile: input.float()? };
    let are_shares = [likelihood.score, likelihood.percentile].iter().all(|share| (0.0..=1.0).contains(share));
    if !input.is_at_end() || !are_shares {
        return Err(Damaged("something else than two shares"));
    }
    Ok(likelihood)
}
