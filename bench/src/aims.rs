//! What Wharf is to reach, and whether it does: the table of aims beside the figures of a run.

use serde::Serialize;

use crate::results::{Results, RowResult};

/// One aim: a quantity of one row, measure or request.
pub struct Aim {
    pub key: &'static str,
    pub quantity: Quantity,
    pub bound: Bound,
}

/// What an aim is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantity {
    /// Rate of the subject divided by the peer's; for what takes a time, the peer's time divided by the subject's.
    Ratio,
    /// Rate divided by that of the bare hyper.
    RatioToBareHyper,
    /// Rate divided by that at which one core hashes.
    RatioToHashing,
    /// Server's CPU per unit divided by the peer's.
    CpuRatio,
    /// Milliseconds that 99 of 100 operations take at most.
    P99,
    /// MiB that are resident at most under the load.
    PeakMemory,
    /// Operations per second.
    Rate,
    /// The one figure of a measure, in its unit.
    Figure,
    /// Milliseconds with the most stored.
    Latency,
    /// Latency with ten times as much stored, divided by that before.
    GrowthTenfold,
    GrowthHundredfold,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// An aim and what was measured of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    pub key: &'static str,
    pub title: String,
    /// In words.
    pub quantity: &'static str,
    /// "at least" or "at most".
    pub sense: &'static str,
    pub aim: f64,
    pub figure: f64,
    /// Of both numbers: `x`, `ms`, `MiB`, `/s`.
    pub unit: &'static str,
    pub is_met: bool,
}

const fn at_least(key: &'static str, quantity: Quantity, value: f64) -> Aim {
    Aim { key, quantity, bound: Bound::AtLeast(value) }
}

const fn at_most(key: &'static str, quantity: Quantity, value: f64) -> Aim {
    Aim { key, quantity, bound: Bound::AtMost(value) }
}

/// In the order in which they are told.
pub const AIMS: &[Aim] = &[
    at_least("manifest-get", Quantity::Ratio, 25.0),
    at_least("manifest-get", Quantity::RatioToBareHyper, 0.6),
    at_most("manifest-get", Quantity::P99, 3.0),
    at_least("manifest-head", Quantity::Ratio, 25.0),
    at_least("manifest-head", Quantity::RatioToBareHyper, 0.6),
    at_most("manifest-head", Quantity::P99, 3.0),
    at_least("manifest-get-digest", Quantity::Ratio, 25.0),
    at_least("manifest-get-digest", Quantity::RatioToBareHyper, 0.6),
    at_most("manifest-get-digest", Quantity::P99, 3.0),
    at_least("manifest-head-digest", Quantity::Ratio, 25.0),
    at_least("manifest-head-digest", Quantity::RatioToBareHyper, 0.6),
    at_most("manifest-head-digest", Quantity::P99, 3.0),
    at_least("blob-get-1k", Quantity::Ratio, 20.0),
    // A packet that waits for the other side's delayed acknowledgement takes 40 ms.
    at_most("blob-get-1k", Quantity::P99, 10.0),
    at_least("blob-get-1m", Quantity::Ratio, 4.0),
    at_least("blob-get-1g", Quantity::Ratio, 1.0),
    at_most("blob-get-1g", Quantity::CpuRatio, 1.3),
    at_least("blob-get-1g-16", Quantity::Ratio, 1.0),
    at_most("blob-get-1g-16", Quantity::CpuRatio, 1.3),
    at_least("blob-get-1g-tls", Quantity::Ratio, 1.3),
    at_least("push-1g", Quantity::Ratio, 3.0),
    at_least("push-1g", Quantity::RatioToHashing, 0.55),
    at_least("push-1m", Quantity::Ratio, 5.0),
    at_least("push-1k", Quantity::Ratio, 10.0),
    at_least("image-push", Quantity::Ratio, 2.0),
    at_least("image-pull", Quantity::Ratio, 2.0),
    at_least("image-pull-32", Quantity::Ratio, 2.0),
    at_most("growth-tags-page", Quantity::Latency, 0.3),
    at_most("growth-catalog-page", Quantity::Latency, 0.3),
    at_most("growth-images-page", Quantity::Latency, 2.0),
    at_most("growth-manifest-get", Quantity::GrowthTenfold, 1.2),
    at_most("growth-manifest-get", Quantity::GrowthHundredfold, 1.2),
    at_most("growth-tags-page", Quantity::GrowthTenfold, 1.2),
    at_most("growth-tags-page", Quantity::GrowthHundredfold, 1.2),
    at_most("growth-catalog-page", Quantity::GrowthTenfold, 1.2),
    at_most("growth-catalog-page", Quantity::GrowthHundredfold, 1.2),
    at_most("growth-images-page", Quantity::GrowthTenfold, 1.2),
    at_most("growth-images-page", Quantity::GrowthHundredfold, 1.2),
    at_most("growth-repositories-by-name", Quantity::GrowthTenfold, 1.2),
    at_most("growth-repositories-by-name", Quantity::GrowthHundredfold, 1.2),
    at_least("describe-repositories", Quantity::Rate, 40_000.0),
    at_most("memory-idle", Quantity::Figure, 15.0),
    at_most("memory-pull-256", Quantity::PeakMemory, 40.0),
    at_most("memory-push-64", Quantity::PeakMemory, 80.0),
    at_most("start-10k", Quantity::Figure, 20.0),
    // 40 MB.
    at_most("binary-size", Quantity::Figure, 38.1),
    at_least("cluster-manifest-get", Quantity::Ratio, 5.0),
];

/// The aims of which something was measured.
pub fn judge(results: &Results) -> Vec<Judged> {
    AIMS.iter().filter_map(|aim| aim.judge(results)).collect()
}

impl Aim {
    fn judge(&self, results: &Results) -> Option<Judged> {
        let row = results.rows.iter().find(|row| row.key == self.key);
        let single = results.singles.iter().find(|single| single.key == self.key);
        let growth = results.growth.iter().find(|growth| growth.key == self.key);
        let title = row
            .map(RowResult::full_title)
            .or_else(|| single.map(|single| single.title.to_owned()))
            .or_else(|| growth.map(|growth| growth.title.to_owned()))?;
        let ratio = || row.and_then(|row| row.ratio).or_else(|| single.and_then(|single| single.ratio));
        let figure = match self.quantity {
            Quantity::Ratio => ratio()?.median,
            Quantity::RatioToBareHyper => row?.bare_hyper_ratio?.median,
            Quantity::RatioToHashing => row?.subject.rate.median / results.sha256_mb_per_second?.median,
            Quantity::CpuRatio => row?.cpu_ratio?,
            Quantity::P99 => row?.subject.p99_us / 1000.0,
            Quantity::PeakMemory => row?.subject.peak_bytes as f64 / f64::from(1 << 20),
            Quantity::Rate => row?.subject.rate.median,
            Quantity::Figure => single?.subject.median,
            Quantity::Latency => growth?.latency_ms.last()?.median,
            Quantity::GrowthTenfold => growth?.ratios[0].median,
            Quantity::GrowthHundredfold => growth?.ratios[1].median,
        };
        let unit = match self.quantity {
            Quantity::P99 | Quantity::Latency => "ms",
            Quantity::PeakMemory => "MiB",
            Quantity::Rate => "/s",
            Quantity::Figure => single?.unit.name(),
            _ => "x",
        };
        let (sense, aim, is_met) = match self.bound {
            Bound::AtLeast(aim) => ("at least", aim, figure >= aim),
            Bound::AtMost(aim) => ("at most", aim, figure <= aim),
        };
        Some(Judged { key: self.key, title, quantity: self.quantity.name(), sense, aim, figure, unit, is_met })
    }
}

impl Quantity {
    fn name(self) -> &'static str {
        match self {
            Quantity::Ratio => "beside docker-registry",
            Quantity::RatioToBareHyper => "beside a bare hyper",
            Quantity::RatioToHashing => "beside SHA-256 on one core",
            Quantity::CpuRatio => "CPU beside docker-registry",
            Quantity::P99 => "p99",
            Quantity::PeakMemory => "peak memory",
            Quantity::Rate => "rate",
            Quantity::Figure => "figure",
            Quantity::Latency => "one request, 100,000 stored",
            Quantity::GrowthTenfold => "10 times as much stored",
            Quantity::GrowthHundredfold => "100 times as much stored",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::REQUESTS;
    use crate::results::tests::results;
    use crate::rows::ROWS;
    use crate::singles::SINGLES;

    #[test]
    fn every_aim_belongs_to_something_that_is_measured_and_all_of_it_has_an_aim() {
        let rows = ROWS.iter().map(|row| row.key);
        let measured: Vec<_> = rows.chain(SINGLES.iter().map(|single| single.key)).collect();
        let measured: Vec<_> = measured.into_iter().chain(REQUESTS.iter().map(|request| request.key)).collect();
        for aim in AIMS {
            assert!(measured.contains(&aim.key), "{}", aim.key);
        }
        for key in measured {
            assert!(AIMS.iter().any(|aim| aim.key == key), "{key}");
        }
    }

    #[test]
    fn figures_are_held_against_their_bounds() {
        // manifest-get: 3000/s beside 1000/s and 6000/s of the bare hyper; p99 2 us; hashing 6000 MB/s.
        let judged = judge(&results());
        let find = |quantity: Quantity| judged.iter().find(|judged| judged.quantity == quantity.name()).unwrap();
        let rows = [
            (Quantity::Ratio, 3.0, 25.0, "at least", "x", false),
            (Quantity::RatioToBareHyper, 0.5, 0.6, "at least", "x", false),
            (Quantity::P99, 0.002, 3.0, "at most", "ms", true),
            (Quantity::Figure, 12.0, 15.0, "at most", "MiB", true),
            (Quantity::GrowthTenfold, 1.5, 1.2, "at most", "x", false),
            (Quantity::GrowthHundredfold, 1.0, 1.2, "at most", "x", true),
        ];
        for (quantity, figure, aim, sense, unit, is_met) in rows {
            let judged = find(quantity);
            assert!((judged.figure - figure).abs() < 1e-9, "{quantity:?}: {}", judged.figure);
            assert!((judged.aim - aim).abs() < 1e-9, "{quantity:?}");
            assert_eq!((judged.sense, judged.unit, judged.is_met), (sense, unit, is_met), "{quantity:?}");
        }
        assert_eq!(judged.len(), rows.len(), "what was not measured is not judged");
    }
}
