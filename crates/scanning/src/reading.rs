//! The reading of layers: in a process of its own for each, which has hardly any rights.

use std::io::{self, Read};
use std::time::Duration;

use scan::facts::LayerFacts;
use scan::limits::Limits;
use scan_worker::{Analyst, Demand, Failure};

/// What one layer may take of a processor.
const TIME: Duration = Duration::from_secs(10 * 60);

/// Reads layers into facts.
#[derive(Debug)]
pub struct LayerReader {
    limits: Limits,
    means: Means,
}

#[derive(Debug)]
enum Means {
    /// A child for each layer.
    Children(Analyst),
    /// This process, in tests of what is done with the facts.
    #[cfg(any(test, feature = "testing"))]
    ThisProcess,
}

impl LayerReader {
    /// One that has children of this program read layers.
    pub fn new(limits: Limits, demand: Demand) -> Self {
        Self { limits, means: Means::Children(Analyst::new(limits, demand)) }
    }

    /// One that reads layers in this process.
    #[cfg(any(test, feature = "testing"))]
    pub fn in_process(limits: Limits) -> Self {
        Self { limits, means: Means::ThisProcess }
    }

    /// The limits of reading.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What has children read layers; none where this process does it.
    pub const fn analyst(&self) -> Option<&Analyst> {
        match &self.means {
            Means::Children(analyst) => Some(analyst),
            #[cfg(any(test, feature = "testing"))]
            Means::ThisProcess => None,
        }
    }

    /// Reads a layer, as it is stored, for as long as it `is_wanted`: [`Failure::Cancelled`] otherwise. Blocks.
    pub fn read<R: Read>(
        &self,
        open: impl FnMut() -> io::Result<R>,
        is_wanted: impl Fn() -> bool,
    ) -> Result<LayerFacts, Failure> {
        match &self.means {
            Means::Children(analyst) => analyst.analyse(open, TIME, is_wanted).map(|analysed| analysed.facts),
            #[cfg(any(test, feature = "testing"))]
            Means::ThisProcess => {
                let mut open = open;
                let detectors = scan::detectors::all();
                let analysis = scan::layer::read(open().map_err(Failure::Input)?, &detectors, &self.limits);
                let scan::layer::Analysis { facts, again } = analysis.map_err(Failure::Input)?;
                let Some(again) = again else { return Ok(facts) };
                let second = open().map_err(Failure::Input)?;
                scan::layer::read_again(second, again, &detectors, &self.limits).map_err(Failure::Input)
            }
        }
    }
}
