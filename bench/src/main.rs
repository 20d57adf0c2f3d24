//! Compares Wharf with docker-registry: the same requests, in alternating rounds, on one machine.

mod aims;
mod arguments;
mod bare_hyper;
mod certificate;
mod cluster;
mod columns;
mod docker_registry;
mod growth;
mod http;
mod image;
mod layers;
mod load;
mod measure;
mod payload;
mod prepare;
mod programs;
mod push;
mod results;
mod rows;
mod scans;
mod servers;
mod singles;
mod stored;
mod table;
mod usage;
mod wharf;

use std::fs;
use std::io::IsTerminal;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use serde::Serialize;

use arguments::{Arguments, Plan};
use measure::{Measured, Programs};
use programs::{Kind, Program};
use results::{Named, Results};

/// Rounds of each layer.
const LAYER_ROUNDS: usize = 5;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(length) = arguments.bare_hyper {
        return bare_hyper::serve(length);
    }
    if !arguments.layer.is_empty() {
        let rows = layers::measure(&arguments.layer, arguments.rounds.unwrap_or(LAYER_ROUNDS))?;
        write_json(&arguments, &rows)?;
        print!("{}", layers::render(&rows));
        return Ok(());
    }
    if let (Some(layer), Some(advisories)) = (&arguments.scan_layer, &arguments.advisories) {
        let (rounds, time) = arguments.lengths()?;
        let plan = scans::Plan {
            program: Program::parse(&arguments.subject, arguments.wharf.as_deref())?,
            layer,
            advisories,
            base: arguments.base()?,
            rounds,
            time,
            threads: arguments.threads(),
        };
        let results = scans::measure(&plan)?;
        write_json(&arguments, &results)?;
        print!("{}", scans::render(&results));
        return Ok(());
    }
    let programs = Programs {
        subject: Program::parse(&arguments.subject, arguments.wharf.as_deref())?,
        peer: Program::parse(&arguments.peer, arguments.wharf.as_deref())?,
        bare_hyper: Program::bare_hyper()?,
    };
    let [subject_version, peer_version] = [programs.subject.version()?, programs.peer.version()?];
    let (started_at, begun) = (jiff::Timestamp::now().to_string(), Instant::now());
    let plan = Plan::of(&arguments, &programs.subject)?;
    let Measured { rows, singles, growth, sha256 } = measure::measure(&plan, &programs)?;

    let mut results = Results {
        started_at,
        took_seconds: begun.elapsed().as_secs_f64(),
        machine: machine(),
        subject: Named { label: programs.subject.label, version: subject_version },
        peer: Named { label: programs.peer.label, version: peer_version },
        rounds: plan.rounds,
        seconds_per_sample: plan.time.as_secs_f64(),
        client_threads: plan.threads,
        sha256_mb_per_second: sha256,
        rows,
        singles,
        growth_sizes: growth::SIZES,
        growth,
        aims: Vec::new(),
        notes: plan.notes,
    };
    if (programs.subject.kind, programs.peer.kind) == (Kind::Wharf, Kind::DockerRegistry) {
        results.aims = aims::judge(&results);
    }
    write_json(&arguments, &results)?;
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    print!("{}", table::render(&results, colours));
    Ok(())
}

/// Writes the results to the file that was asked for, if one was.
fn write_json(arguments: &Arguments, results: &impl Serialize) -> Result<()> {
    let Some(file) = &arguments.json else { return Ok(()) };
    fs::write(file, serde_json::to_string_pretty(results)? + "\n").with_context(|| format!("write {}", file.display()))
}

/// Processor, cores, memory and kernel, in one line.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches([' ', '\t', ':']).to_owned()
    };
    let memory_kib: u64 = field(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let processor = field(&read("/proc/cpuinfo"), "model name");
    format!("{cores} cores of {processor}, {} GiB, Linux {}", memory_kib >> 20, kernel.trim())
}
