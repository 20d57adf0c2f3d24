//! Compares Wharf with docker-registry: the same requests, in alternating rounds, on one machine.

mod http;
mod load;
mod payload;
mod results;
mod rows;
mod servers;
mod table;
mod usage;
mod wharf;

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use results::{Named, Results, RowResult, Sample};
use rows::{ROWS, Row, Unit};
use servers::{Program, Server};

/// Compare Wharf with docker-registry on this machine
#[derive(Parser)]
struct Arguments {
    /// Take few and short samples: within two minutes
    #[arg(long)]
    short: bool,
    /// Write the results, with every sample, to this file too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure only rows whose key contains TEXT (may be repeated)
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Samples of each row for each server [default: 5, short: 3]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Seconds of load for each sample [default: 5, short: 0.8]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// The server to judge: wharf or docker-registry, with :PATH for another build of it
    #[arg(long, default_value = "wharf", value_name = "SERVER")]
    subject: String,
    /// The server to compare it with, likewise
    #[arg(long, default_value = "docker-registry", value_name = "SERVER")]
    peer: String,
    /// Threads of the load client [default: half the machine's cores]
    #[arg(long, value_name = "N")]
    client_threads: Option<usize>,
    /// Folder for the servers' data, on the kind of disk to be measured [default: beside the built programs]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// How long and how often to measure.
struct Plan {
    rounds: usize,
    time: Duration,
    threads: usize,
    rows: Vec<&'static Row>,
    base: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (subject, peer) = (Program::parse(&arguments.subject)?, Program::parse(&arguments.peer)?);
    let versions = [subject.version()?, peer.version()?];
    let plan = Plan::of(&arguments)?;
    let started_at = jiff::Timestamp::now().to_string();

    let samples = measure(&plan, [&subject, &peer])?;
    let rows = plan.rows.iter().zip(samples).map(|(row, [left, right])| RowResult::of(row, plan.threads, left, right));
    let [subject_version, peer_version] = versions;
    let results = Results {
        started_at,
        machine: machine(),
        subject: Named { label: subject.label, version: subject_version },
        peer: Named { label: peer.label, version: peer_version },
        rounds: plan.rounds,
        seconds_per_sample: plan.time.as_secs_f64(),
        client_threads: plan.threads,
        rows: rows.collect(),
    };
    if let Some(file) = &arguments.json {
        let json = serde_json::to_string_pretty(&results)?;
        fs::write(file, json + "\n").with_context(|| format!("write {}", file.display()))?;
    }
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    print!("{}", table::render(&results, colours));
    Ok(())
}

impl Plan {
    fn of(arguments: &Arguments) -> Result<Self> {
        let (rounds, seconds) = if arguments.short { (3, 0.8) } else { (5, 5.0) };
        let rounds = arguments.rounds.unwrap_or(rounds);
        ensure!(rounds > 0, "--rounds must be at least 1");
        let time = Duration::try_from_secs_f64(arguments.seconds.unwrap_or(seconds)).context("--seconds")?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let is_wanted =
            |row: &&Row| arguments.only.is_empty() || arguments.only.iter().any(|text| row.key.contains(text));
        let rows: Vec<_> = ROWS.iter().filter(is_wanted).collect();
        let keys = ROWS.iter().map(|row| row.key).collect::<Vec<_>>().join(", ");
        ensure!(!rows.is_empty(), "no row of that name; there are {keys}");
        let base = match &arguments.data_dir {
            Some(folder) => folder.clone(),
            None => std::env::current_exe()?.with_file_name("bench-data"),
        };
        let threads = arguments.client_threads.unwrap_or(cores / 2).max(1);
        Ok(Self { rounds, time, threads, rows, base })
    }
}

/// For each row, the samples of both programs in the order of the rounds.
fn measure(plan: &Plan, programs: [&Program; 2]) -> Result<Vec<[Vec<Sample>; 2]>> {
    fs::create_dir_all(&plan.base).with_context(|| format!("create {}", plan.base.display()))?;
    servers::remove_leftovers(&plan.base)?;
    let mut samples: Vec<[Vec<Sample>; 2]> = plan.rows.iter().map(|_| [Vec::new(), Vec::new()]).collect();
    for round in 0..plan.rounds {
        for (row, samples) in plan.rows.iter().zip(&mut samples) {
            // Who comes first changes with the round, so that neither always has the warmer or the busier machine.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for side in order {
                let program = programs[side];
                let sample = take_sample(plan, row, program, &plan.base)
                    .with_context(|| format!("{} with {}", row.title, program.label))?;
                let rate = results::rate(row, &sample);
                let unit = if row.unit() == Unit::Megabytes { " MB/s" } else { "/s" };
                eprintln!(
                    "round {}/{}  {:<20} {:<16} {rate:>10.0}{unit}",
                    round + 1,
                    plan.rounds,
                    row.title,
                    program.label
                );
                samples[side].push(sample);
            }
        }
    }
    Ok(samples)
}

/// Starts the program afresh, stores what the row needs, warms up, and measures.
fn take_sample(plan: &Plan, row: &Row, program: &Program, base: &Path) -> Result<Sample> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (server, work) = runtime.block_on(async {
        let server = Server::start(program, base).await?;
        let work = row.prepare(&server.target).await?;
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
    let load = run(plan.time)?;
    let percentile = |percent: usize| load.latencies_us[(load.latencies_us.len() - 1) * percent / 100];
    Ok(Sample {
        operations: load.operations,
        seconds: load.seconds,
        cpu_seconds: usage::cpu_seconds(server.pid())? - cpu,
        client_cpu_seconds: usage::cpu_seconds(process::id())? - client_cpu,
        peak_bytes: usage::peak_memory_bytes(server.pid())?,
        p50_us: percentile(50),
        p99_us: percentile(99),
    })
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
