//! Chance that a seed repeats.

/// Numbers that look like chance, and are the same for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Seeds beside each other give numbers that have nothing in common.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`; 0 if there is none.
    pub fn below(&mut self, count: usize) -> usize {
        match count as u64 {
            0 => 0,
            count => (self.number() % count) as usize,
        }
    }

    /// True once in `count` times.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of them, which must be some.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A part of something that has `length` parts: mostly a short one, and sometimes an empty one.
    pub fn part_of(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let longest = if self.one_in(4) { length - start } else { (length - start).min(8) };
        start..start + self.below(longest + 1)
    }

    /// How many times something of that size is repeated: mostly a few times, and sometimes very often, but never so often
    /// that changes upon changes come to more than memory holds.
    pub fn times(&mut self, size: usize) -> usize {
        const MOST: usize = 1 << 16;
        let times = match self.below(40) {
            0 => 200 + self.below(4_000),
            1..8 => 2 + self.below(20),
            _ => 1,
        };
        times.min(MOST / size.max(1)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_its_neighbour_is_another() {
        let numbers = |seed| (0..100).map(|_| Chance::new(seed).below(1_000)).collect::<Vec<_>>();
        assert_eq!(numbers(7), numbers(7));
        let first = |seed| Chance::new(seed).below(usize::MAX);
        assert_ne!(first(7), first(8));
    }

    #[test]
    fn parts_lie_within() {
        let mut chance = Chance::new(1);
        for length in (0..50).cycle().take(2_000) {
            let part = chance.part_of(length);
            assert!(part.start <= part.end && part.end <= length, "{part:?} of {length}");
        }
        assert_eq!(chance.below(0), 0);
        for size in [0, 1, 1_000, 1 << 16, 1 << 30] {
            let all: Vec<usize> = (0..2_000).map(|_| chance.times(size)).collect();
            assert!(all.iter().all(|times| *times == 1 || (*times > 1 && times * size <= 1 << 16)), "{size}");
            assert_eq!(all.iter().any(|times| *times > 200), size <= 1, "{size}");
        }
    }
}
