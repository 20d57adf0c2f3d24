//! The rounds: each measures everything once, with all servers in turn.

use std::fs;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::arguments::Plan;
use crate::growth::{Growth, GrowthResult, Latencies};
use crate::image::Image;
use crate::programs::Program;
use crate::results::{self, RowResult, Sample, Samples, Spread};
use crate::rows::{Beside, Length, Place, Row, Unit};
use crate::servers::{self, Server, Setting};
use crate::singles::{self, SingleResult};
use crate::{load, prepare, usage};

/// How long hashing is tried in each round.
const HASH_TIME: Duration = Duration::from_millis(300);

/// What was measured.
pub struct Measured {
    pub rows: Vec<RowResult>,
    pub singles: Vec<SingleResult>,
    pub growth: Vec<GrowthResult>,
    /// MB (10^6 bytes) per second of one core.
    pub sha256: Option<Spread>,
}

/// The programs that are compared.
pub struct Programs {
    pub subject: Program,
    pub peer: Program,
    pub bare_hyper: Program,
}

/// Measures all that is planned.
pub fn measure(plan: &Plan, programs: &Programs) -> Result<Measured> {
    fs::create_dir_all(&plan.base).with_context(|| format!("create {}", plan.base.display()))?;
    servers::remove_leftovers(&plan.base)?;
    let mut samples: Vec<_> = plan.rows.iter().map(|_| Samples::default()).collect();
    let mut hash_rates = Vec::new();
    for round in 0..plan.rounds {
        for (row, samples) in plan.rows.iter().zip(&mut samples).filter(|(row, _)| round < row.rounds(plan.rounds)) {
            measure_row(plan, row, programs, round, samples)?;
            if row.key == "push-1g" {
                hash_rates.push(singles::hash_rate(HASH_TIME));
            }
        }
    }
    let rows = plan.rows.iter().zip(samples).map(|(row, samples)| RowResult::of(row, plan.threads, samples)).collect();
    let singles = measure_singles(plan, programs)?;
    let growth = measure_growth(plan, &programs.subject)?;
    let sha256 = (!hash_rates.is_empty()).then(|| Spread::of(hash_rates));
    Ok(Measured { rows, singles, growth, sha256 })
}

/// Takes a sample of each server that the row is about.
fn measure_row(plan: &Plan, row: &Row, programs: &Programs, round: usize, samples: &mut Samples) -> Result<()> {
    let mut order = vec![(&programs.subject, &mut samples.subject)];
    if row.beside != Beside::Nothing {
        order.push((&programs.peer, &mut samples.peer));
    }
    if row.beside == Beside::PeerAndBareHyper {
        order.push((&programs.bare_hyper, &mut samples.bare_hyper));
    }
    // Who comes first changes with the round, so that none always has the warmer or the busier machine.
    if !round.is_multiple_of(2) {
        order.reverse();
    }
    for (program, samples) in order {
        let sample =
            take_sample(plan, row, program).with_context(|| format!("{} with {}", row.title, program.label))?;
        let rate = results::rate(row, &sample);
        let unit = if row.unit() == Unit::Megabytes { "MB/s" } else { "/s" };
        tell(plan, round, row.key, &program.label, &format!("{rate:.0} {unit}"));
        samples.push(sample);
    }
    Ok(())
}

/// Starts the program afresh, stores what the row needs, warms up, and measures.
fn take_sample(plan: &Plan, row: &Row, program: &Program) -> Result<Sample> {
    let setting = match (row.place, &plan.cluster) {
        (Place::Files, _) => Setting::Plain,
        (Place::FilesWithTls, _) => Setting::Tls,
        (Place::Cluster, cluster) => Setting::Cluster(cluster.as_ref().context("no cluster was started")?),
    };
    let (server, work) = runtime()?.block_on(async {
        let server = Server::start(program, setting, &plan.base).await?;
        let work = prepare::prepare(row, program.kind, &server.target).await?;
        anyhow::Ok((server, Arc::new(work)))
    })?;
    let run = |time| load::run(&server.target, &work, row.connections, plan.threads, time);
    if row.needs_warm_up() {
        run(plan.time / 5)?;
    }
    // What others, and the preparation, left to be written to disk must not be written during the load.
    rustix::fs::sync();

    usage::reset_peak_memory(server.pid())?;
    let cpu = usage::cpu_seconds(server.pid())?;
    let client_cpu = usage::cpu_seconds(process::id())?;
    let load = run(if row.length == Length::Once { Duration::ZERO } else { plan.time })?;
    Ok(Sample {
        operations: load.operations,
        seconds: load.seconds,
        cpu_seconds: usage::cpu_seconds(server.pid())? - cpu,
        client_cpu_seconds: usage::cpu_seconds(process::id())? - client_cpu,
        peak_bytes: usage::peak_memory_bytes(server.pid())?,
        p50_us: load.percentile_us(50),
        p99_us: load.percentile_us(99),
    })
}

fn measure_singles(plan: &Plan, programs: &Programs) -> Result<Vec<SingleResult>> {
    let image = if plan.singles.iter().any(|single| single.needs_skopeo()) {
        Some(Image::make(&plan.base).context("an image for skopeo")?)
    } else {
        None
    };
    let runtime = runtime()?;
    let mut results = Vec::new();
    for single in &plan.singles {
        let (mut subject, mut peer) = (Vec::new(), Vec::new());
        let rounds = if single.varies { plan.rounds } else { 1 };
        for round in 0..rounds {
            let mut order = vec![(&programs.subject, &mut subject)];
            if single.has_peer {
                order.push((&programs.peer, &mut peer));
            }
            if !round.is_multiple_of(2) {
                order.reverse();
            }
            for (program, figures) in order {
                let taken = runtime.block_on(single.take(program, image.as_ref(), &plan.base));
                let figure = taken.with_context(|| format!("{} with {}", single.title, program.label))?;
                tell(plan, round, single.key, &program.label, &format!("{figure:.2} {}", single.unit.name()));
                figures.push(figure);
            }
        }
        results.push(SingleResult::of(single, &subject, &peer));
    }
    Ok(results)
}

fn measure_growth(plan: &Plan, subject: &Program) -> Result<Vec<GrowthResult>> {
    if plan.growth.is_empty() {
        return Ok(Vec::new());
    }
    let growth = runtime()?.block_on(Growth::start(subject, &plan.growth, &plan.base))?;
    // What was stored must not be written to disk meanwhile.
    rustix::fs::sync();
    let mut latencies = vec![Latencies::default(); plan.growth.len()];
    for round in 0..plan.rounds {
        for (index, (request, latencies)) in plan.growth.iter().zip(&mut latencies).enumerate() {
            let measured = growth.measure(index, plan.time / 5, round).context(request.title)?;
            let told = measured.map(|ms| format!("{ms:.3}")).join(", ");
            tell(plan, round, request.key, &subject.label, &format!("{told} ms"));
            latencies.rounds.push(measured);
        }
    }
    let results = plan.growth.iter().zip(&latencies).map(|(request, latencies)| GrowthResult::of(*request, latencies));
    Ok(results.collect())
}

/// Says how far the bench is.
fn tell(plan: &Plan, round: usize, key: &str, label: &str, figure: &str) {
    eprintln!("round {}/{}  {key:<28} {label:<16} {figure:>16}", round + 1, plan.rounds);
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")
}
