//! Stacks of layers at random: folded, they are what their flat extraction, scanned as one layer, is.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};

use scan::facts::LayerFacts;
use scan::inventory::{Inventory, fold};
use scan::limits::Limits;

use super::model::Root;
use super::support::{Entry, directory, facts, file, hard_link, image, link};

/// How many are compared.
const STACKS: u64 = 2_000;

/// Numbers that follow from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn directory(&mut self) -> String {
        let names = ["a", "b", "c", "lib", "usr", "etc", "a/b", "usr/lib", "usr/lib/a", "a/b/c", "lib/a", "x.pkg"];
        self.pick(&names).to_owned()
    }

    fn path(&mut self) -> String {
        let names = ["packages", "x.pkg", "y.pkg", "os-release", "plain", "tool", "a", "b", "lib"];
        let name = self.pick(&names);
        match self.below(8) {
            0 => name.to_owned(),
            1 => format!("./{}//{name}", self.directory()),
            2 => format!("/{}/../{}/{name}", self.directory(), self.directory()),
            _ => format!("{}/{name}", self.directory()),
        }
    }

    fn content(&mut self) -> String {
        match self.below(8) {
            0 => "plain".to_owned(),
            1 => format!("MAGIC {}", self.pick(&["m", "n"])),
            2 => format!("ID={}\nVERSION_ID={}\n", self.pick(&["debian", "alpine"]), self.below(3)),
            3 => format!("owns {} {}", self.path(), self.pick(&["one", "other"])),
            _ => {
                let line = |chance: &mut Self| {
                    let (kind, name) = (chance.pick(&["os", "npm", "lock"]), chance.pick(&["p", "q", "r"]));
                    format!("{kind} {name} {}\n", chance.below(2))
                };
                (0..self.below(5)).map(|_| line(self)).collect()
            }
        }
    }

    fn entry(&mut self, known: &[String]) -> Entry {
        match self.below(16) {
            0 => file(&format!("{}/.wh.{}", self.directory(), self.pick(&["a", "b", "lib", "x.pkg", "packages"])), ""),
            1 => file(&format!(".wh.{}", self.pick(&["a", "usr", "lib", "etc"])), ""),
            2 => file(&format!("{}/.wh..wh..opq", self.directory()), ""),
            3 => directory(&self.directory()),
            4 => directory(&self.path()),
            5 | 6 => {
                let target = match self.below(3) {
                    0 => self.directory(),
                    1 => format!("/{}", self.directory()),
                    _ => format!("../{}", self.directory()),
                };
                if self.below(2) == 0 { link(&self.directory(), &target) } else { link(&self.path(), &target) }
            }
            7 if !known.is_empty() => hard_link(&self.path(), &known[self.below(known.len())]),
            _ => file(&self.path(), self.content()),
        }
    }

    fn stack(&mut self) -> Vec<Vec<Entry>> {
        let mut known = Vec::new();
        let layers = 1 + self.below(5);
        let mut layer = |chance: &mut Self| {
            let entries = chance.below(14);
            let mut layer = Vec::new();
            for _ in 0..entries {
                let entry = chance.entry(&known);
                known.push(String::from_utf8(entry.name.clone()).expect("text"));
                layer.push(entry);
            }
            layer
        };
        (0..layers).map(|_| layer(self)).collect()
    }
}

/// An inventory without what only layers can tell.
fn content(inventory: &Inventory) -> Vec<String> {
    let mut told = vec![format!("{:?}", inventory.os)];
    for package in &inventory.packages {
        let places: Vec<_> =
            package.occurrences.iter().map(|place| (&place.path, &place.detector, &place.owner)).collect();
        told.push(format!("{:?} {places:?}", package.package));
    }
    told
}

fn keys(inventory: &Inventory) -> BTreeSet<String> {
    let key = |package: &scan::package::Package| format!("{:?} {} {}", package.kind, package.name, package.version);
    inventory.packages.iter().map(|package| key(&package.package)).collect()
}

/// Whether the stack could be compared: a hard link to a file of a layer below that was not read is a problem.
fn check(stack: &[Vec<Entry>]) -> bool {
    let read: Vec<LayerFacts> = stack.iter().map(|layer| facts(layer)).collect();
    for facts in &read {
        assert_eq!(LayerFacts::from_bytes(&facts.to_bytes(), &Limits::default()).as_ref(), Ok(facts));
    }
    let folded = fold(&read.iter().collect::<Vec<_>>());
    // Lock files that count only for a time say nothing of since when a package is there.
    let has_locks = stack.iter().flatten().any(|entry| String::from_utf8_lossy(&entry.content).contains("lock "));
    let mut root = Root::default();
    // Each package, and since when it is there.
    let mut since: BTreeMap<String, usize> = BTreeMap::new();
    let mut flat = Inventory::default();
    for (at, layer) in stack.iter().enumerate() {
        root.extract(layer);
        if has_locks && at + 1 < stack.len() {
            continue;
        }
        flat = image(&[&root.flat()]);
        let there = keys(&flat);
        since.retain(|key, _| there.contains(key));
        for key in there {
            since.entry(key).or_insert(at);
        }
    }
    if !folded.is_whole() {
        let is_known = |what: &str| what.contains("was not read") || what.contains("too many symbolic links");
        assert!(folded.problems.iter().all(|problem| is_known(&problem.what)), "{:?}", folded.problems);
        return false;
    }
    assert_eq!(content(&folded), content(&flat));
    for package in folded.packages.iter().filter(|_| !has_locks) {
        let key = format!("{:?} {} {}", package.package.kind, package.package.name, package.package.version);
        assert_eq!(since.get(&key), Some(&package.layer), "{key}");
        assert!(package.occurrences.iter().all(|place| place.layer >= package.layer && place.layer < stack.len()));
    }
    let hidden = folded.hidden.iter();
    assert!(hidden.clone().all(|hidden| hidden.layer < hidden.hidden_in && hidden.hidden_in < stack.len()));
    true
}

#[test]
fn a_stack_is_what_its_flat_extraction_is() {
    let given = std::env::var("WHARF_TEST_SEED").ok().map(|text| text.parse().expect("WHARF_TEST_SEED is a number"));
    let first: u64 = given.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32);
    eprintln!("WHARF_TEST_SEED={first}");
    let mut compared = 0;
    // Some cannot be: of every ten, seven can.
    for seed in first.. {
        if compared == STACKS {
            break;
        }
        assert!(seed < first + STACKS * 2, "only {compared} of {} could be compared", seed - first);
        let stack = Chance(seed).stack();
        let _trying = Trying { seed, stack: &stack };
        compared += u64::from(check(&stack));
    }
}

/// A stack that is being checked; it is printed if that fails.
struct Trying<'a> {
    seed: u64,
    stack: &'a [Vec<Entry>],
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("WHARF_TEST_SEED={} tries this again at once:", self.seed);
            for (at, layer) in self.stack.iter().enumerate() {
                for entry in layer {
                    let [name, link, content] =
                        [&entry.name, &entry.link, &entry.content].map(|bytes| String::from_utf8_lossy(bytes));
                    eprintln!("{at} {} {name} {link} {content:?}", char::from(entry.kind));
                }
            }
        }
    }
}
