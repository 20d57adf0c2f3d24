//! What a child has given up, part by part, in words and as labels; and whether a node may do without.

use std::fmt;
use std::str::FromStr;

/// A part of a child's confinement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A filter of system calls (seccomp): any but the few that reading a pipe takes ends the child.
    SystemCalls,
    /// No file can be opened, made, renamed or executed (Landlock, Linux 5.13).
    Files,
    /// No port can be bound or connected to (Landlock, Linux 6.7).
    Network,
    /// No process outside gets a signal, and no abstract socket a connection (Landlock, Linux 6.12).
    Signals,
    /// Memory, time, files and processes are limited.
    Limits,
    /// No program that is executed has more privileges.
    Privileges,
    /// No other process of the user reads its memory, and no dump of it is written.
    Secrecy,
    /// It has no more than its three pipes, or cannot use more.
    Descriptors,
    /// It is ended with the server.
    Leash,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 9] = [
        Self::SystemCalls,
        Self::Files,
        Self::Network,
        Self::Signals,
        Self::Limits,
        Self::Privileges,
        Self::Secrecy,
        Self::Descriptors,
        Self::Leash,
    ];

    /// Its name as the value of a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::SystemCalls => "system_calls",
            Self::Files => "files",
            Self::Network => "network",
            Self::Signals => "signals",
            Self::Limits => "limits",
            Self::Privileges => "privileges",
            Self::Secrecy => "secrecy",
            Self::Descriptors => "descriptors",
            Self::Leash => "leash",
        }
    }

    /// What it is, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::SystemCalls => "a filter of system calls (seccomp)",
            Self::Files => "Landlock for files",
            Self::Network => "Landlock for ports",
            Self::Signals => "Landlock for signals",
            Self::Limits => "limits of memory and time",
            Self::Privileges => "no new privileges",
            Self::Secrecy => "no dumps",
            Self::Descriptors => "no descriptors but its pipes",
            Self::Leash => "its end with the server's",
        }
    }

    /// Whether a node without it is not confined enough for [`Demand::Required`]. The filter of system calls already keeps
    /// from ports and signals.
    pub fn is_essential(self) -> bool {
        match self {
            Self::SystemCalls | Self::Files | Self::Limits | Self::Privileges | Self::Descriptors => true,
            Self::Network | Self::Signals | Self::Secrecy | Self::Leash => false,
        }
    }

    fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// What of a child's confinement is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confinement {
    bits: u16,
    /// The version of Landlock that is in force; 0 without it.
    pub landlock_abi: u8,
}

impl Confinement {
    /// Notes a part that is in force. One that is not may be so already, in another way.
    pub(crate) fn note(&mut self, part: Part, is_in_force: bool) {
        if is_in_force {
            self.bits |= part.bit();
        }
    }

    /// Whether a part is in force.
    pub fn has(self, part: Part) -> bool {
        self.bits & part.bit() != 0
    }

    /// The parts that are not in force.
    pub fn lacking(self) -> impl Iterator<Item = Part> {
        Part::ALL.into_iter().filter(move |part| !self.has(*part))
    }

    /// Whether every part is in force.
    pub fn is_full(self) -> bool {
        self.lacking().next().is_none()
    }

    /// Whether all is in force that a demand asks for.
    pub fn meets(self, demand: Demand) -> bool {
        match demand {
            Demand::Required => self.lacking().all(|part| !part.is_essential()),
            Demand::BestEffort => true,
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 3] {
        let [low, high] = self.bits.to_le_bytes();
        [low, high, self.landlock_abi]
    }

    pub(crate) fn from_bytes([low, high, landlock_abi]: [u8; 3]) -> Self {
        Self { bits: u16::from_le_bytes([low, high]), landlock_abi }
    }
}

/// In words, for the log: what is in force, and what is not.
impl fmt::Display for Confinement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |parts: Vec<Part>| parts.iter().map(|part| part.words()).collect::<Vec<_>>().join(", ");
        let there = list(Part::ALL.into_iter().filter(|part| self.has(*part)).collect());
        let lacking = list(self.lacking().collect());
        match (there.is_empty(), lacking.is_empty()) {
            (true, _) => write!(out, "not at all: not by {lacking}"),
            (false, true) => write!(out, "in full: by {there}"),
            (false, false) => write!(out, "in part: by {there}; not by {lacking}"),
        }
    }
}

/// Whether a node may read layers without confining what reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Demand {
    /// Without what is essential, no layer is read.
    Required,
    /// What the kernel offers is used, and what it lacks is said.
    #[default]
    BestEffort,
}

impl fmt::Display for Demand {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Required => "required",
            Self::BestEffort => "best-effort",
        })
    }
}

impl FromStr for Demand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "required" => Ok(Self::Required),
            "best-effort" => Ok(Self::BestEffort),
            _ => Err(format!("'{text}' is neither required nor best-effort")),
        }
    }
}

/// The version of Landlock that a part takes.
pub(crate) fn least_abi(part: Part) -> u8 {
    match part {
        Part::Network => 4,
        Part::Signals => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confinement_says_what_it_lacks() {
        let mut some = Confinement::default();
        assert_eq!(some.lacking().count(), Part::ALL.len());
        assert!(some.to_string().starts_with("not at all: not by a filter of system calls (seccomp), "));
        assert!(some.meets(Demand::BestEffort) && !some.meets(Demand::Required));
        for part in Part::ALL.into_iter().filter(|part| part.is_essential()) {
            some.note(part, true);
        }
        assert!(some.meets(Demand::Required) && !some.is_full());
        let lacking = "; not by Landlock for ports, Landlock for signals, no dumps, its end with the server's";
        assert!(some.to_string().ends_with(lacking), "{some}");
        for part in Part::ALL {
            some.note(part, true);
        }
        assert!(some.is_full() && some.to_string().starts_with("in full: by "));
        some.landlock_abi = 7;
        assert_eq!(Confinement::from_bytes(some.to_bytes()), some);
    }

    #[test]
    fn a_demand_is_one_of_two_words() {
        for demand in [Demand::Required, Demand::BestEffort] {
            assert_eq!(demand.to_string().parse(), Ok(demand));
        }
        assert!("".parse::<Demand>().is_err());
        assert_eq!(Demand::default(), Demand::BestEffort);
    }

    #[test]
    fn labels_are_distinct() {
        let mut labels = Part::ALL.map(Part::label);
        labels.sort_unstable();
        assert!(labels.windows(2).all(|two| two[0] != two[1]));
    }
}
