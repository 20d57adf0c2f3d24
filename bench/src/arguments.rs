//! What the bench is asked to do: its arguments, and the plan that follows from them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::cluster::Cluster;
use crate::growth::{self, Request};
use crate::image;
use crate::programs::Program;
use crate::rows::{Place, ROWS, Row};
use crate::singles::{SINGLES, Single};

/// Compare Wharf with docker-registry on this machine
#[derive(Parser)]
pub struct Arguments {
    /// Take few and short samples of the main rows: within two minutes
    #[arg(long)]
    pub short: bool,
    /// Write the results, with every sample, to this file too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Measure only rows whose key contains TEXT (may be repeated)
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Measure the row with PostgreSQL and an S3 server too (needs what the tests need; tests/run installs it)
    #[arg(long)]
    with_cluster: bool,
    /// Samples of each row for each server, fewer of those that move much [default: 5, short: 3]
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// Seconds of load for each sample [default: 2.5, short: 0.8]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// The server to judge: wharf or docker-registry, with :PATH for another build of it
    #[arg(long, default_value = "wharf", value_name = "SERVER")]
    pub subject: String,
    /// The server to compare it with, likewise
    #[arg(long, default_value = "docker-registry", value_name = "SERVER")]
    pub peer: String,
    /// The program that wharf without :PATH is [default: beside this program]
    #[arg(long, value_name = "PATH")]
    pub wharf: Option<PathBuf>,
    /// Threads of the load client [default: half the machine's cores]
    #[arg(long, value_name = "N")]
    client_threads: Option<usize>,
    /// Folder for the servers' data, on the kind of disk to be measured [default: beside this program]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Measure nothing but what reading this layer for its packages costs beside unpacking it (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub layer: Vec<PathBuf>,
    /// Measure nothing but what scans of this layer cost those who push and pull meanwhile, and the comparing of its packages
    /// with the advisories (a gzip file, such as a Debian base)
    #[arg(long, value_name = "FILE", requires = "advisories")]
    pub scan_layer: Option<PathBuf>,
    /// The advisories for it: Debian's tracker, as it publishes them
    #[arg(long, value_name = "FILE", requires = "scan_layer")]
    pub advisories: Option<PathBuf>,
    /// Be the bare hyper, whose answers have so many bytes
    #[arg(long, value_name = "BYTES", hide = true)]
    pub bare_hyper: Option<usize>,
}

impl Arguments {
    /// How many rounds there are, and how long each sample takes.
    pub fn lengths(&self) -> Result<(usize, Duration)> {
        let (rounds, seconds) = if self.short { (3, 0.8) } else { (5, 2.5) };
        let rounds = self.rounds.unwrap_or(rounds);
        ensure!(rounds > 0, "--rounds must be at least 1");
        let time = Duration::try_from_secs_f64(self.seconds.unwrap_or(seconds)).context("--seconds")?;
        Ok((rounds, time))
    }

    /// Where the servers' folders are.
    pub fn base(&self) -> Result<PathBuf> {
        match &self.data_dir {
            Some(folder) => Ok(folder.clone()),
            None => Ok(std::env::current_exe()?.with_file_name("bench-data")),
        }
    }

    /// Threads of the load client.
    pub fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.client_threads.unwrap_or(cores / 2).max(1)
    }
}

/// What is measured, how long and how often.
pub struct Plan {
    pub rounds: usize,
    pub time: Duration,
    /// Of the load client.
    pub threads: usize,
    pub rows: Vec<&'static Row>,
    pub singles: Vec<&'static Single>,
    pub growth: Vec<Request>,
    /// Where the servers' folders are.
    pub base: PathBuf,
    pub cluster: Option<Cluster>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

impl Plan {
    /// Starts the cluster's servers, if there is a row for them.
    pub fn of(arguments: &Arguments, subject: &Program) -> Result<Self> {
        let (rounds, time) = arguments.lengths()?;
        let (base, threads) = (arguments.base()?, arguments.threads());

        let keys = ROWS.iter().map(|row| row.key).chain(SINGLES.iter().map(|single| single.key));
        let keys: Vec<_> = keys.chain(growth::REQUESTS.iter().map(|request| request.key)).collect();
        let is_named = |key: &str| arguments.only.iter().any(|text| key.contains(text.as_str()));
        ensure!(
            arguments.only.is_empty() || keys.iter().any(|key| is_named(key)),
            "no row of that name; there are {}",
            keys.join(", ")
        );
        // What is named is measured, also where the short form would leave it out.
        let is_wanted =
            |key: &str, is_short: bool| is_named(key) || arguments.only.is_empty() && (is_short || !arguments.short);
        let mut notes = Vec::new();
        let mut leave_out = |key: &str, why: &str| notes.push(format!("{key} was left out: {why}"));

        let mut rows: Vec<_> = ROWS.iter().filter(|row| is_wanted(row.key, row.is_short)).collect();
        rows.retain(|row| {
            if row.place == Place::Cluster && !arguments.with_cluster {
                leave_out(row.key, "it needs PostgreSQL and an S3 server, which --with-cluster starts");
                return false;
            }
            if !row.suits(subject.kind) {
                leave_out(row.key, "only Wharf has it");
            }
            row.suits(subject.kind)
        });
        let mut singles: Vec<_> = SINGLES.iter().filter(|single| is_wanted(single.key, false)).collect();
        let has_skopeo = image::is_skopeo_installed();
        singles.retain(|single| {
            let why = match (single.needs_skopeo() && !has_skopeo, single.needs_wharf() && !subject.kind.is_wharf()) {
                (true, _) => Some("skopeo is not installed"),
                (_, true) => Some("only Wharf has it"),
                (false, false) => None,
            };
            why.inspect(|why| leave_out(single.key, why)).is_none()
        });
        let mut growth: Vec<_> =
            growth::REQUESTS.iter().copied().filter(|request| is_wanted(request.key, false)).collect();
        if !growth.is_empty() && !subject.kind.is_wharf() {
            leave_out("growth", "only a Wharf's database can be filled");
            growth.clear();
        }
        let needs_cluster = rows.iter().any(|row| row.place == Place::Cluster);
        let cluster = needs_cluster.then(Cluster::start).transpose()?;
        Ok(Self { rounds, time, threads, rows, singles, growth, base, cluster, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &[&str]) -> Result<Plan> {
        let arguments = Arguments::try_parse_from(["bench"].iter().chain(arguments))?;
        Plan::of(&arguments, &Program::parse(&arguments.subject, None)?)
    }

    #[test]
    fn the_short_form_has_main_rows_alone_and_names_go_before_it() {
        let short = plan(&["--short"]).unwrap();
        assert_eq!((short.rows.len(), short.singles.len(), short.growth.len()), (7, 0, 0));
        let named = plan(&["--short", "--only", "start-10k", "--only", "growth-tags"]).unwrap();
        assert_eq!((named.rows.len(), named.singles.len(), named.growth.len()), (0, 1, 1));
        assert!(plan(&["--only", "nothing-like-it"]).is_err());
        assert!(plan(&["--rounds", "0"]).is_err());
        assert!(plan(&["--seconds=-1"]).is_err());
    }

    #[test]
    fn what_is_left_out_is_said() {
        let full = plan(&[]).unwrap();
        assert!(full.notes.iter().any(|note| note.starts_with("cluster-manifest-get")));
        assert!(full.rows.iter().all(|row| row.place != Place::Cluster));
        let other = plan(&["--subject", "docker-registry"]).unwrap();
        assert!(other.growth.is_empty() && other.singles.iter().all(|single| !single.needs_wharf()));
        assert!(other.rows.iter().all(|row| row.key != "describe-repositories"));
    }
}
