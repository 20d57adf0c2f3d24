//! What scans cost those who push and pull meanwhile, and how long comparing an image with the advisories takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::{Connection, Target};
use crate::image::{CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE};
use crate::load::{self, Work};
use crate::programs::Program;
use crate::push::Push;
use crate::results::Spread;
use crate::rows::{ROWS, Row};
use crate::servers::{METRICS_TOKEN, Server, Setting};
use crate::{layers, prepare, wharf};

/// The rows that scans run beside, by their keys.
const BESIDE: [&str; 3] = ["manifest-get", "blob-get-1m", "push-1m"];
/// Images whose scans wait when a sample begins: more than it sees the end of.
const WAITING: usize = 12;
/// How often an image is compared with the advisories.
const COMPARED: usize = 20;
/// How long it waits between two looks at scans.
const LOOK: Duration = Duration::from_millis(20);
/// The repository of what is scanned.
const REPOSITORY: &str = "bench/scanned";

/// What is measured.
pub struct Plan<'a> {
    pub program: Program,
    /// The layer of all images that are scanned, packed with gzip.
    pub layer: &'a Path,
    /// Debian's tracker.
    pub advisories: &'a Path,
    /// Where the server's folder is.
    pub base: PathBuf,
    pub rounds: usize,
    pub time: Duration,
    /// Of the load client.
    pub threads: usize,
}

/// What was measured.
#[derive(Serialize)]
pub struct Results {
    /// Packages of the image.
    packages: usize,
    /// Findings of the image.
    findings: u64,
    /// Seconds of comparing it with the advisories, on average of so many times.
    matching_seconds: f64,
    compared: usize,
    rows: Vec<BesideRow>,
}

/// A row without scans and with them.
#[derive(Serialize)]
struct BesideRow {
    key: &'static str,
    title: &'static str,
    /// Operations per second while nothing is scanned.
    alone: Spread,
    /// The same while layers are read.
    beside: Spread,
    /// The second divided by the first, round by round.
    ratio: Spread,
}

/// Measures all of it on one server.
pub fn measure(plan: &Plan<'_>) -> Result<Results> {
    fs::create_dir_all(&plan.base).with_context(|| format!("create {}", plan.base.display()))?;
    let packages = layers::packages(plan.layer)?;
    let rows: Vec<&Row> = ROWS.iter().filter(|row| BESIDE.contains(&row.key)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
    let server = runtime.block_on(Server::start(&plan.program, Setting::Scanning, &plan.base))?;
    let target = &server.target;
    import(plan, target)?;

    let layer = fs::read(plan.layer).context("the layer")?;
    let tags = runtime.block_on(push_images(target, &layer, plan.rounds * rows.len() * WAITING))?;
    let mut unscanned = tags.chunks(WAITING);
    let mut rates: Vec<(Vec<f64>, Vec<f64>)> = rows.iter().map(|_| Default::default()).collect();
    for round in 0..plan.rounds {
        for (row, (alone, beside)) in rows.iter().zip(&mut rates) {
            let work = Arc::new(runtime.block_on(prepare::prepare(row, plan.program.kind, target))?);
            let tags = unscanned.next().context("images that were not scanned")?;
            // Who comes first changes with the round.
            if round.is_multiple_of(2) {
                alone.push(rate(plan, row, target, &work)?);
            }
            runtime.block_on(start_scans(target, tags))?;
            beside.push(rate(plan, row, target, &work)?);
            ensure!(
                runtime.block_on(status(target, &tags[WAITING - 1]))? != "COMPLETE",
                "all scans had ended before the sample of {} had: take a larger layer, or fewer --seconds",
                row.key
            );
            for tag in tags {
                runtime.block_on(wait_for_scan(target, tag))?;
            }
            if !round.is_multiple_of(2) {
                alone.push(rate(plan, row, target, &work)?);
            }
            eprintln!(
                "round {}/{}  {:<16} {:>10.0} /s alone {:>10.0} /s beside scans",
                round + 1,
                plan.rounds,
                row.key,
                alone[round],
                beside[round]
            );
        }
    }
    let tag = tags.first().context("an image")?;
    let (matching_seconds, findings) = runtime.block_on(compare(target, tag))?;
    let rows = rows.iter().zip(rates).map(|(row, (alone, beside))| BesideRow {
        key: row.key,
        title: row.title,
        ratio: Spread::of(alone.iter().zip(&beside).map(|(alone, beside)| beside / alone)),
        alone: Spread::of(alone),
        beside: Spread::of(beside),
    });
    Ok(Results { packages, findings, matching_seconds, compared: COMPARED, rows: rows.collect() })
}

/// Operations per second.
fn rate(plan: &Plan<'_>, row: &Row, target: &Target, work: &Arc<Work>) -> Result<f64> {
    let run = |time| load::run(target, work, row.connections, plan.threads, time);
    run(plan.time / 5)?;
    rustix::fs::sync();
    let load = run(plan.time)?;
    Ok(load.operations as f64 / load.seconds)
}

/// Brings the advisories, as a person does.
fn import(plan: &Plan<'_>, target: &Target) -> Result<()> {
    let output = Command::new(&plan.program.path)
        .args(["advisories", "import", "debian"])
        .arg(plan.advisories)
        .args(["--endpoint", &format!("http://{}", target.authority), "--region", "us-east-1"])
        .env("AWS_ACCESS_KEY_ID", wharf::ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", wharf::SECRET_ACCESS_KEY)
        .stdin(Stdio::null())
        .output()
        .context("run wharf advisories import")?;
    ensure!(output.status.success(), "wharf advisories import: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Pushes so many images, each with a layer of its own that has the same files; their tags.
async fn push_images(target: &Target, layer: &[u8], count: usize) -> Result<Vec<String>> {
    let mut connection = Connection::open(target).await?;
    wharf::create_repository(&mut connection, target, REPOSITORY).await?;
    let config =
        json!({ "architecture": "amd64", "os": "linux", "config": {}, "rootfs": { "type": "layers" } }).to_string();
    let config = descriptor(target, &mut connection, CONFIG_TYPE, config.as_bytes()).await?;
    let mut tags = Vec::new();
    for number in 0..count {
        let tag = format!("v{number}");
        let own = [layer, &empty_member(&tag)].concat();
        let layer = descriptor(target, &mut connection, LAYER_TYPE, &own).await?;
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": [layer] }).to_string();
        let path = format!("/v2/{REPOSITORY}/manifests/{tag}");
        prepare::put_manifest(target, &mut connection, &path, MANIFEST_TYPE, manifest.as_bytes()).await?;
        tags.push(tag);
    }
    Ok(tags)
}

async fn descriptor(target: &Target, connection: &mut Connection, media_type: &str, bytes: &[u8]) -> Result<Value> {
    let digest = Push::bytes(target, connection, REPOSITORY, bytes).await?;
    Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
}

/// A part of a gzip file that holds nothing, and a name (RFC 1952, 2.3).
fn empty_member(name: &str) -> Vec<u8> {
    let header = [0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0xff];
    let (nothing, sums) = ([3, 0], [0; 8]);
    [&header[..], name.as_bytes(), &[0], &nothing, &sums].concat()
}

fn image(tag: &str) -> Value {
    json!({ "repositoryName": REPOSITORY, "imageId": { "imageTag": tag } })
}

async fn start_scans(target: &Target, tags: &[String]) -> Result<()> {
    let mut connection = Connection::open(target).await?;
    for tag in tags {
        wharf::call_ecr(&mut connection, target, "StartImageScan", &image(tag)).await?;
    }
    Ok(())
}

async fn status(target: &Target, tag: &str) -> Result<String> {
    let mut connection = Connection::open(target).await?;
    let answer = wharf::call_ecr(&mut connection, target, "DescribeImageScanFindings", &image(tag)).await?;
    let status = answer.pointer("/imageScanStatus/status").and_then(Value::as_str);
    Ok(status.context("an answer without imageScanStatus")?.to_owned())
}

async fn wait_for_scan(target: &Target, tag: &str) -> Result<()> {
    loop {
        match status(target, tag).await?.as_str() {
            "COMPLETE" => return Ok(()),
            "PENDING" | "IN_PROGRESS" => thread::sleep(LOOK),
            other => bail!("the scan of {tag} has ended with {other}"),
        }
    }
}

/// Seconds of comparing the image with the advisories, on average, and what is found.
async fn compare(target: &Target, tag: &str) -> Result<(f64, u64)> {
    let tags = [tag.to_owned()];
    let (count, seconds) = matching(target).await?;
    for _ in 0..COMPARED {
        start_scans(target, &tags).await?;
        wait_for_scan(target, tag).await?;
    }
    let (now_count, now_seconds) = matching(target).await?;
    ensure!(now_count - count >= COMPARED as f64, "an image was not compared again");
    let mut connection = Connection::open(target).await?;
    let answer = wharf::call_ecr(&mut connection, target, "DescribeImageScanFindings", &image(tag)).await?;
    let counts = answer.pointer("/imageScanFindings/findingSeverityCounts").and_then(Value::as_object);
    let findings = counts.into_iter().flat_map(|counts| counts.values()).filter_map(Value::as_u64).sum();
    Ok(((now_seconds - seconds) / (now_count - count), findings))
}

/// How often images were compared, and in how many seconds altogether.
async fn matching(target: &Target) -> Result<(f64, f64)> {
    let mut connection = Connection::open(target).await?;
    let authorization = format!("Authorization: Bearer {METRICS_TOKEN}");
    connection.send(&target.without_authorization().head("GET", "/metrics", &[&authorization])).await?;
    let answer = connection.expect(200).await.context("/metrics")?;
    let text = String::from_utf8(connection.body(answer.length).await?).context("/metrics")?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).with_context(|| format!("no {name} in /metrics"))
    };
    Ok((value("wharf_scan_matching_seconds_count")?, value("wharf_scan_matching_seconds_sum")?))
}

/// The results as a table.
pub fn render(results: &Results) -> String {
    let Results { packages, findings, matching_seconds, compared, rows } = results;
    let mut lines = vec![format!("{:<28} {:>12} {:>14} {:>7} {:>13}", "row", "alone", "beside scans", "ratio", "")];
    for row in rows {
        let (alone, beside, ratio) = (row.alone.median, row.beside.median, row.ratio);
        lines.push(format!(
            "{:<28} {alone:>10.0}/s {beside:>12.0}/s {:>7.2} {:>13}",
            row.title,
            ratio.median,
            format!("{:.2} to {:.2}", ratio.min, ratio.max)
        ));
    }
    let ms = matching_seconds * 1e3;
    lines.push(format!(
        "{packages} packages compared with the advisories: {ms:.1} ms, {findings} findings (average of {compared})"
    ));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn empty_members_add_nothing_to_a_file() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, b"content").expect("memory");
        let file = [packed.finish().expect("memory"), empty_member("v1"), empty_member("v2")].concat();
        let mut content = String::new();
        flate2::read::MultiGzDecoder::new(&file[..]).read_to_string(&mut content).expect("a file");
        assert_eq!(content, "content");
        assert_ne!(empty_member("v1"), empty_member("v2"));
    }

    #[test]
    fn results_are_told_with_their_spread() {
        let spread = Spread { median: 10.0, min: 9.0, max: 11.0 };
        let ratio = Spread { median: 0.95, min: 0.9, max: 1.0 };
        let row = BesideRow { key: "push-1m", title: "push 1 MiB", alone: spread, beside: spread, ratio };
        let told =
            render(&Results { packages: 400, findings: 7, matching_seconds: 0.0125, compared: 20, rows: vec![row] });
        assert!(told.contains("push 1 MiB") && told.contains("0.95") && told.contains("0.90 to 1.00"), "{told}");
        assert!(told.ends_with("400 packages compared with the advisories: 12.5 ms, 7 findings (average of 20)\n"));
    }
}
