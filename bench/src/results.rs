//! Samples of each row, and what is told of them: medians, spread, ratios; also the JSON form.

use serde::Serialize;

use crate::aims::Judged;
use crate::growth::GrowthResult;
use crate::rows::{Row, Unit};
use crate::singles::SingleResult;

/// One server's measurement of one row in one round.
#[derive(Clone, Serialize)]
pub struct Sample {
    pub operations: u64,
    pub seconds: f64,
    /// Of the server.
    pub cpu_seconds: f64,
    /// Of the load client, to see whether it was the bottleneck.
    pub client_cpu_seconds: f64,
    /// The server's most resident bytes during the load.
    pub peak_bytes: u64,
    pub p50_us: u32,
    pub p99_us: u32,
}

/// A median and the least and most around it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Self { median, min: values[0], max: values[values.len() - 1] }
    }

    /// Half the distance between least and most, in percent of the median.
    pub fn percent(&self) -> f64 {
        (self.max - self.min) / 2.0 / self.median * 100.0
    }
}

/// What one server did in one row, over all rounds.
#[derive(Serialize)]
pub struct Figures {
    /// Operations or MB (10^6 bytes) per second.
    pub rate: Spread,
    /// Microseconds of the server's CPU per operation, or seconds per GB (10^9 bytes).
    pub cpu_per_unit: Spread,
    /// The highest of all rounds.
    pub peak_bytes: u64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// CPU of the client in percent of the threads it may use.
    pub client_busy_percent: f64,
    pub samples: Vec<Sample>,
}

/// One row of the table.
#[derive(Serialize)]
pub struct RowResult {
    pub key: &'static str,
    pub title: &'static str,
    pub connections: usize,
    #[serde(serialize_with = "unit_name")]
    pub unit: Unit,
    pub subject: Figures,
    pub peer: Option<Figures>,
    pub bare_hyper: Option<Figures>,
    /// Rate of the subject divided by that of the peer, by rounds.
    pub ratio: Option<Spread>,
    /// Rate of the subject divided by that of the bare hyper, by rounds.
    pub bare_hyper_ratio: Option<Spread>,
    /// CPU per unit of the subject divided by that of the peer.
    pub cpu_ratio: Option<f64>,
}

/// The samples of a row, in the order of the rounds; none where the row is not about that server.
#[derive(Default)]
pub struct Samples {
    pub subject: Vec<Sample>,
    pub peer: Vec<Sample>,
    pub bare_hyper: Vec<Sample>,
}

/// All results, as `--json` writes them.
#[derive(Serialize)]
pub struct Results {
    /// RFC 3339, UTC.
    pub started_at: String,
    pub took_seconds: f64,
    pub machine: String,
    pub subject: Named,
    pub peer: Named,
    pub rounds: usize,
    pub seconds_per_sample: f64,
    pub client_threads: usize,
    /// MB (10^6 bytes) per second of one core, measured between the rows.
    pub sha256_mb_per_second: Option<Spread>,
    pub rows: Vec<RowResult>,
    pub singles: Vec<SingleResult>,
    /// So many repositories, tags and images are stored for the latencies in `growth`.
    pub growth_sizes: [u64; 3],
    pub growth: Vec<GrowthResult>,
    /// Empty unless Wharf was measured beside docker-registry.
    pub aims: Vec<Judged>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

#[derive(Serialize)]
pub struct Named {
    pub label: String,
    pub version: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn unit_name<S: serde::Serializer>(unit: &Unit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match unit {
        Unit::Operations => "operations/s",
        Unit::Megabytes => "MB/s",
    })
}

impl RowResult {
    /// Of lists that are equally long, or empty.
    pub fn of(row: &Row, threads: usize, samples: Samples) -> Self {
        let ratio = |other: &[Sample]| {
            let pairs = samples.subject.iter().zip(other);
            let ratios: Vec<_> = pairs.map(|(left, right)| rate(row, left) / rate(row, right)).collect();
            (!ratios.is_empty()).then(|| Spread::of(ratios))
        };
        let (peer_ratio, bare_hyper_ratio) = (ratio(&samples.peer), ratio(&samples.bare_hyper));
        let figures = |samples: Vec<Sample>| (!samples.is_empty()).then(|| Figures::of(row, threads, samples));
        let subject = Figures::of(row, threads, samples.subject);
        let peer = figures(samples.peer);
        let cpu_ratio = peer.as_ref().map(|peer| subject.cpu_per_unit.median / peer.cpu_per_unit.median);
        Self {
            key: row.key,
            title: row.title,
            connections: row.connections,
            unit: row.unit(),
            subject,
            peer,
            bare_hyper: figures(samples.bare_hyper),
            ratio: peer_ratio,
            bare_hyper_ratio,
            // A load too short to use a tick of the clock has no ratio of CPU.
            cpu_ratio: cpu_ratio.filter(|ratio| ratio.is_finite()),
        }
    }

    /// The title with the number of connections.
    pub fn full_title(&self) -> String {
        format!("{}, {} conn.", self.title, self.connections)
    }
}

impl Figures {
    fn of(row: &Row, threads: usize, samples: Vec<Sample>) -> Self {
        let spread = |value: &dyn Fn(&Sample) -> f64| Spread::of(samples.iter().map(value));
        let cpu = |sample: &Sample| match row.bytes() {
            None => sample.cpu_seconds * 1e6 / sample.operations as f64,
            Some(bytes) => sample.cpu_seconds * 1e9 / (sample.operations * bytes) as f64,
        };
        let threads = threads.min(row.connections) as f64;
        Self {
            rate: spread(&|sample| rate(row, sample)),
            cpu_per_unit: spread(&cpu),
            peak_bytes: samples.iter().map(|sample| sample.peak_bytes).max().unwrap_or(0),
            p50_us: spread(&|sample| f64::from(sample.p50_us)).median,
            p99_us: spread(&|sample| f64::from(sample.p99_us)).median,
            client_busy_percent: spread(&|sample| sample.client_cpu_seconds / sample.seconds / threads * 100.0).median,
            samples,
        }
    }
}

/// In the row's unit per second.
pub fn rate(row: &Row, sample: &Sample) -> f64 {
    let operations = sample.operations as f64 / sample.seconds;
    row.bytes().map_or(operations, |bytes| operations * bytes as f64 / 1e6)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::growth::{Latencies, REQUESTS};
    use crate::rows::ROWS;
    use crate::singles::SINGLES;

    fn sample(operations: u64, cpu_seconds: f64) -> Sample {
        Sample {
            operations,
            seconds: 2.0,
            cpu_seconds,
            client_cpu_seconds: 1.0,
            peak_bytes: operations,
            p50_us: 1,
            p99_us: 2,
        }
    }

    fn row(key: &str) -> &'static Row {
        ROWS.iter().find(|row| row.key == key).unwrap()
    }

    /// Results with a row, a measure and a request.
    pub fn results() -> Results {
        let named = |label: &str| Named { label: label.to_owned(), version: "1".to_owned() };
        let samples = Samples {
            subject: vec![sample(4000, 1.0), sample(8000, 1.0)],
            peer: vec![sample(2000, 2.0), sample(2000, 2.0)],
            bare_hyper: vec![sample(8000, 1.0), sample(16000, 1.0)],
        };
        let latencies = Latencies { rounds: vec![[0.2, 0.3, 0.2]] };
        Results {
            started_at: "2026-11-21T00:00:00Z".to_owned(),
            took_seconds: 1.0,
            machine: "a machine".to_owned(),
            subject: named("wharf"),
            peer: named("docker-registry"),
            rounds: 2,
            seconds_per_sample: 2.0,
            client_threads: 1,
            sha256_mb_per_second: Some(Spread::of([6000.0])),
            rows: vec![RowResult::of(row("manifest-get"), 4, samples)],
            singles: vec![SingleResult::of(&SINGLES[2], &[12.0], &[24.0])],
            growth_sizes: crate::growth::SIZES,
            growth: vec![GrowthResult::of(REQUESTS[0], &latencies)],
            aims: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn spreads() {
        let rows: [(&str, &[f64], f64, f64); 4] = [
            ("one value", &[3.0], 3.0, 0.0),
            ("even", &[4.0, 1.0], 2.5, 60.0),
            ("odd, unsorted", &[9.0, 5.0, 1.0], 5.0, 80.0),
            ("an outlier does not move the median", &[1.0, 1.0, 1.0, 1.0, 9.0], 1.0, 400.0),
        ];
        for (name, values, median, percent) in rows {
            let spread = Spread::of(values.iter().copied());
            assert!((spread.median - median).abs() < 1e-9, "{name}");
            assert!((spread.percent() - percent).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn figures_are_in_the_units_of_the_row() {
        let samples = Samples {
            subject: vec![sample(4000, 1.0), sample(8000, 1.0)],
            peer: vec![sample(1000, 1.0), sample(1000, 1.0)],
            bare_hyper: Vec::new(),
        };
        let result = RowResult::of(&Row { connections: 1, ..*row("blob-get-1k") }, 4, samples);
        assert!((result.subject.rate.median - 3000.0).abs() < 1e-9);
        let peer = result.peer.unwrap();
        assert!((peer.cpu_per_unit.median - 1000.0).abs() < 1e-9, "microseconds for an operation");
        assert!((result.ratio.unwrap().median - 6.0).abs() < 1e-9, "the ratio is taken round by round");
        assert_eq!(result.subject.peak_bytes, 8000);
        assert!((result.subject.client_busy_percent - 50.0).abs() < 1e-9, "one connection uses one thread");
        assert!(result.bare_hyper.is_none() && result.bare_hyper_ratio.is_none());

        let samples = Samples { subject: vec![sample(2, 4.0)], peer: vec![sample(1, 4.0)], bare_hyper: Vec::new() };
        let result = RowResult::of(row("push-1g"), 1, samples);
        assert!((result.subject.rate.median - 1_073.741_824).abs() < 1e-9, "MB/s");
        assert!((result.cpu_ratio.unwrap() - 0.5).abs() < 1e-9);
    }
}
