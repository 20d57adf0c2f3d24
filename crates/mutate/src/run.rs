//! Trying a check on many inputs, so that what fails can be tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::json::Tree;
use crate::{bytes, json, tokens};

/// How often the long form tries what the short one tries once.
const LONG_FORM: u64 = 50;
/// A longer input would only take longer. A list of 10,000 entries is shorter.
const MAX_BYTES: usize = 2 << 20;
/// Bytes that are shown of an input.
const SHOWN: usize = 4_000;

/// What inputs are made of, by which they are changed. Bytes are changed in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Words and signs: headers, forms, names.
    Text,
    /// JSON.
    Json,
}

/// Checks the seeds as they are, and then `rounds` inputs that are made of them; fifty times as many if
/// `WHARF_TEST_SOAK` is 1, and however many fit into the seconds that `WHARF_TEST_CHANGED_SECONDS` gives. A check fails
/// by panicking.
pub fn inputs(form: Form, seeds: &[&str], rounds: u64, check: impl Fn(&[u8])) {
    let whole = seeds.iter().map(|seed| seed.as_bytes());
    run(whole, rounds, |seed| input(form, seeds, seed), check);
}

/// As [`inputs`], of seeds that are no text: archives, databases, programs.
pub fn binaries(seeds: &[&[u8]], rounds: u64, check: impl Fn(&[u8])) {
    run(seeds.iter().copied(), rounds, |seed| binary(seeds, seed), check);
}

fn run<'a>(seeds: impl Iterator<Item = &'a [u8]>, rounds: u64, make: impl Fn(u64) -> Vec<u8>, check: impl Fn(&[u8])) {
    let first = first_seed();
    seeds.for_each(&check);
    let length = Length::given(rounds);
    let begun = Instant::now();
    for round in (0..).take_while(|round| length.goes_on(*round, begun)) {
        // Each round has a seed of its own, and is the first of a run that begins with it.
        let seed = first.wrapping_add(round);
        let input = make(seed);
        let _trying = Trying { seed, input: &input };
        check(&input);
    }
}

/// As [`inputs`], for what reads texts alone: bytes that are none are replaced.
pub fn texts(form: Form, seeds: &[&str], rounds: u64, check: impl Fn(&str)) {
    inputs(form, seeds, rounds, |input| check(&String::from_utf8_lossy(input)));
}

/// How long a check is tried.
#[derive(Debug, PartialEq, Eq)]
enum Length {
    Rounds(u64),
    Time(Duration),
}

impl Length {
    /// What the environment asks for, where a check has a number of rounds of its own.
    fn given(rounds: u64) -> Self {
        if let Ok(seconds) = std::env::var("WHARF_TEST_CHANGED_SECONDS") {
            let seconds = seconds.parse().expect("WHARF_TEST_CHANGED_SECONDS is a number");
            return Self::Time(Duration::from_secs(seconds));
        }
        let is_long = std::env::var("WHARF_TEST_SOAK").is_ok_and(|value| value == "1");
        Self::Rounds(if is_long { rounds * LONG_FORM } else { rounds })
    }

    fn goes_on(&self, round: u64, begun: Instant) -> bool {
        match self {
            Self::Rounds(rounds) => round < *rounds,
            Self::Time(time) => begun.elapsed() < *time,
        }
    }
}

/// What `WHARF_TEST_SEED` says, or else a fresh one. It is printed at once, for a check that never comes back.
fn first_seed() -> u64 {
    let given = std::env::var("WHARF_TEST_SEED").ok().map(|text| text.parse().expect("WHARF_TEST_SEED is a number"));
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32);
    eprintln!("WHARF_TEST_SEED={seed}");
    seed
}

/// The input that a seed makes.
fn input(form: Form, seeds: &[&str], seed: u64) -> Vec<u8> {
    let mut chance = Chance::new(seed);
    let (one, other) = (chance.pick(seeds).as_bytes(), chance.pick(seeds).as_bytes());
    // One change alone leaves the most of what is meant; several together come to where one leads nowhere.
    let changes = if chance.one_in(2) { 1 } else { 2 + chance.below(3) };
    let mut input = match (form, Tree::read(one), Tree::read(other)) {
        (Form::Json, Some(mut tree), Some(other)) => {
            for _ in 0..changes {
                json::change(&mut tree, &other, &mut chance);
            }
            tree.write().into_bytes()
        }
        (Form::Json | Form::Text, ..) => {
            let mut text = one.to_vec();
            for _ in 0..changes {
                tokens::change(&mut text, other, &mut chance);
            }
            text
        }
    };
    if chance.one_in(4) {
        for _ in 0..=chance.below(2) {
            bytes::change(&mut input, other, &mut chance);
        }
    }
    input.truncate(MAX_BYTES);
    input
}

/// The input that a seed makes of what is no text.
fn binary(seeds: &[&[u8]], seed: u64) -> Vec<u8> {
    let mut chance = Chance::new(seed);
    let (mut input, other) = (chance.pick(seeds).to_vec(), *chance.pick(seeds));
    for _ in 0..=chance.below(4) {
        // What moves the rest leaves little of a format whose parts point to each other.
        if chance.one_in(5) {
            bytes::change(&mut input, other, &mut chance);
        } else {
            bytes::overwrite(&mut input, &mut chance);
        }
    }
    input.truncate(MAX_BYTES);
    input
}

/// An input that is being checked; it is printed if that fails.
struct Trying<'a> {
    seed: u64,
    input: &'a [u8],
}

impl Trying<'_> {
    fn told(&self) -> String {
        let Self { seed, input } = self;
        let shown = input[..input.len().min(SHOWN)].escape_ascii();
        let cut = if input.len() > SHOWN { "…" } else { "" };
        format!("WHARF_TEST_SEED={seed} tries this again at once, an input of {} bytes:\n{shown}{cut}", input.len())
    }
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.told());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_input() {
        let seeds = ["{\"a\":1}", "[2]", "no JSON"];
        for form in [Form::Text, Form::Json] {
            let made: Vec<Vec<u8>> = (0..500).map(|seed| input(form, &seeds, seed)).collect();
            assert!(made.iter().enumerate().all(|(seed, made)| *made == input(form, &seeds, seed as u64)));
            let distinct: BTreeSet<&Vec<u8>> = made.iter().collect();
            assert!(distinct.len() > 250, "{form:?}: {}", distinct.len());
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_binary() {
        let seeds = [&[7; 40][..], b"\x7fELF", b""];
        let made: Vec<Vec<u8>> = (0..500).map(|seed| binary(&seeds, seed)).collect();
        assert!(made.iter().enumerate().all(|(seed, made)| *made == binary(&seeds, seed as u64)));
        assert!(made.iter().collect::<BTreeSet<_>>().len() > 150);
        let tried = RefCell::new(Vec::new());
        binaries(&seeds, 3, |input| tried.borrow_mut().push(input.to_vec()));
        assert_eq!(tried.borrow()[..3], seeds);
    }

    #[test]
    fn the_seeds_themselves_are_tried_first() {
        let tried = RefCell::new(Vec::new());
        texts(Form::Text, &["a", "b"], 3, |text| tried.borrow_mut().push(text.to_owned()));
        assert_eq!(tried.borrow()[..2], ["a", "b"]);
        assert!(tried.borrow().len() >= 5);
    }

    #[test]
    fn what_fails_is_told() {
        let told = Trying { seed: 7, input: b"a\xff\"" }.told();
        assert_eq!(told, "WHARF_TEST_SEED=7 tries this again at once, an input of 3 bytes:\na\\xff\\\"");
        assert!(Trying { seed: 7, input: &vec![0; 100_000] }.told().len() < 5 * SHOWN);
    }
}
