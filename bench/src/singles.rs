//! Measures that are one figure: what a server takes before anybody asks it, how long it takes to start, and how long a
//! client takes that is a program of its own.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use aws_lc_rs::digest;
use serde::Serialize;

use crate::image::Image;
use crate::programs::Program;
use crate::results::Spread;
use crate::rows::MIB;
use crate::servers::{Server, Setting, new_folder};
use crate::{stored, usage};

/// Repositories in the registry whose start is measured.
const REPOSITORIES: u64 = 10_000;
/// How long a server is left alone before its memory is read.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// One measure.
pub struct Single {
    pub key: &'static str,
    pub title: &'static str,
    pub unit: SingleUnit,
    pub measured: SingleMeasured,
    /// Whether the peer is measured too.
    pub has_peer: bool,
    /// Whether another sample may tell another figure.
    pub varies: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SingleMeasured {
    /// Resident memory of a server that has answered a few requests and has nothing to do.
    IdleMemory,
    /// From the start of the program to its first answer, with 10,000 repositories.
    Start,
    /// Of the program, without its symbols.
    BinarySize,
    /// `skopeo copy` of an image of 40 layers to the server.
    ImagePush,
    /// And from it.
    ImagePull,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SingleUnit {
    Mebibytes,
    Milliseconds,
    Seconds,
}

pub const SINGLES: &[Single] = &[
    Single {
        key: "image-push",
        title: "skopeo copy of 40 layers, push",
        unit: SingleUnit::Seconds,
        measured: SingleMeasured::ImagePush,
        has_peer: true,
        varies: true,
    },
    Single {
        key: "image-pull",
        title: "skopeo copy of 40 layers, pull",
        unit: SingleUnit::Seconds,
        measured: SingleMeasured::ImagePull,
        has_peer: true,
        varies: true,
    },
    Single {
        key: "memory-idle",
        title: "memory, idle",
        unit: SingleUnit::Mebibytes,
        measured: SingleMeasured::IdleMemory,
        has_peer: true,
        varies: true,
    },
    Single {
        key: "start-10k",
        title: "start to first answer, 10,000 repositories",
        unit: SingleUnit::Milliseconds,
        measured: SingleMeasured::Start,
        has_peer: false,
        varies: true,
    },
    Single {
        key: "binary-size",
        title: "size of the program",
        unit: SingleUnit::Mebibytes,
        measured: SingleMeasured::BinarySize,
        has_peer: true,
        varies: false,
    },
];

/// What is told of a measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SingleResult {
    pub key: &'static str,
    pub title: &'static str,
    #[serde(serialize_with = "unit_name")]
    pub unit: SingleUnit,
    pub subject: Spread,
    pub peer: Option<Spread>,
    /// How many times the subject's figure the peer's is, by rounds: above 1, the subject needs less.
    pub ratio: Option<Spread>,
}

impl Single {
    pub fn needs_skopeo(&self) -> bool {
        matches!(self.measured, SingleMeasured::ImagePush | SingleMeasured::ImagePull)
    }

    /// Whether only a Wharf can be measured.
    pub fn needs_wharf(&self) -> bool {
        self.measured == SingleMeasured::Start
    }

    /// One figure, in the measure's unit. `image` is there where [`Single::needs_skopeo`] says so.
    pub async fn take(&self, program: &Program, image: Option<&Image>, base: &Path) -> Result<f64> {
        match self.measured {
            SingleMeasured::BinarySize => binary_mebibytes(program, base),
            SingleMeasured::IdleMemory => {
                let server = Server::start(program, Setting::Plain, base).await?;
                thread::sleep(IDLE_TIME);
                Ok(usage::resident_bytes(server.pid())? as f64 / MIB as f64)
            }
            SingleMeasured::Start => {
                let stopped = Server::start(program, Setting::Plain, base).await?.stop()?;
                stored::add_repositories(&stopped.database(), REPOSITORIES)?;
                rustix::fs::sync();
                let (_server, took) = stopped.start_wharf(program).await?;
                Ok(took.as_secs_f64() * 1000.0)
            }
            SingleMeasured::ImagePush | SingleMeasured::ImagePull => {
                let image = image.context("no image was made")?;
                let server = Server::start(program, Setting::Plain, base).await?;
                rustix::fs::sync();
                let pushed = image.push(&server.target)?;
                if self.measured == SingleMeasured::ImagePush { Ok(pushed) } else { image.pull(&server.target) }
            }
        }
    }
}

impl SingleResult {
    /// Of at least one figure of the subject; `peer` is as long, or empty.
    pub fn of(single: &Single, subject: &[f64], peer: &[f64]) -> Self {
        let spread = |values: &[f64]| (!values.is_empty()).then(|| Spread::of(values.iter().copied()));
        let ratios: Vec<_> = subject.iter().zip(peer).map(|(subject, peer)| peer / subject).collect();
        Self {
            key: single.key,
            title: single.title,
            unit: single.unit,
            subject: Spread::of(subject.iter().copied()),
            peer: spread(peer),
            ratio: spread(&ratios),
        }
    }
}

impl SingleUnit {
    pub fn name(self) -> &'static str {
        match self {
            SingleUnit::Mebibytes => "MiB",
            SingleUnit::Milliseconds => "ms",
            SingleUnit::Seconds => "s",
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn unit_name<S: serde::Serializer>(unit: &SingleUnit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(unit.name())
}

/// MB (10^6 bytes) per second that one core hashes with SHA-256, tried for `time`.
pub fn hash_rate(time: Duration) -> f64 {
    let block = vec![7; MIB as usize];
    let begun = Instant::now();
    let mut context = digest::Context::new(&digest::SHA256);
    let mut blocks = 0_u64;
    while begun.elapsed() < time || blocks == 0 {
        context.update(&block);
        blocks += 1;
    }
    black_box(context.finish());
    (blocks * MIB) as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

fn binary_mebibytes(program: &Program, base: &Path) -> Result<f64> {
    let found = Command::new("which").arg(&program.path).output().context("run which")?;
    let path = String::from_utf8(found.stdout).context("a path that is no text")?;
    let folder = new_folder(base)?;
    let stripped = folder.path().join("stripped");
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(path.trim()).output();
    // Without strip, which comes with every compiler, the program counts as it is.
    let is_stripped = strip.is_ok_and(|output| output.status.success());
    let measured = if is_stripped { stripped.as_path() } else { Path::new(path.trim()) };
    Ok(fs::metadata(measured).with_context(|| measured.display().to_string())?.len() as f64 / MIB as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_above_one_means_that_the_subject_needs_less() {
        let result = SingleResult::of(&SINGLES[0], &[1.0, 2.0, 1.0], &[3.0, 4.0, 5.0]);
        assert!((result.ratio.unwrap().median - 3.0).abs() < 1e-9);
        let alone = SingleResult::of(&SINGLES[3], &[7.0], &[]);
        assert_eq!((alone.peer, alone.ratio), (None, None));
    }

    #[test]
    fn hashing_has_a_rate() {
        assert!(hash_rate(Duration::ZERO) > 0.0);
    }
}
