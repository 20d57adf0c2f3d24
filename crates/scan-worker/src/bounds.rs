//! What a child may take of the machine, as its parent says it in the child's arguments.

use std::time::Duration;

use scan::limits::Limits;

/// The program itself, its stack, its buffers, and the window of zstd.
const PROGRAM_BYTES: u64 = 320 << 20;

/// What a child may take of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of its address space. More than it ever fills: what grows is held twice while it moves.
    pub memory_bytes: u64,
    /// Seconds of a processor.
    pub cpu_seconds: u64,
}

impl Bounds {
    /// The bounds within which a layer is read up to all its limits, in a time of a processor: whole seconds, one at least.
    pub fn of(limits: &Limits, time: Duration) -> Self {
        let facts = limits.facts_bytes as u64;
        // A file, and what is unpacked of it; the facts, and their bytes.
        let content = limits.file_bytes.saturating_mul(4);
        let memory_bytes = PROGRAM_BYTES.saturating_add(content).saturating_add(facts.saturating_mul(4));
        Self { memory_bytes, cpu_seconds: time.as_secs().max(1) }
    }

    /// As arguments of the child.
    pub(crate) fn to_arguments(self) -> [String; 2] {
        [self.memory_bytes.to_string(), self.cpu_seconds.to_string()]
    }

    /// Of the child's arguments.
    pub fn of_arguments(arguments: &[String]) -> Option<Self> {
        let [memory_bytes, cpu_seconds] = arguments else { return None };
        Some(Self { memory_bytes: memory_bytes.parse().ok()?, cpu_seconds: cpu_seconds.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_as_arguments() {
        let bounds = Bounds::of(&Limits::default(), Duration::from_secs(60));
        assert_eq!(Bounds::of_arguments(&bounds.to_arguments()), Some(bounds));
        assert_eq!(bounds, Bounds { memory_bytes: (320 + 4 * 256 + 4 * 128) << 20, cpu_seconds: 60 });
        for wrong in [&["1"][..], &["1", "-2"], &["1", "2", "3"], &["", "2"]] {
            let arguments: Vec<String> = wrong.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(Bounds::of_arguments(&arguments), None, "{wrong:?}");
        }
    }
}
