//! `wharf fsck`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::count::counted;
use crate::error::Error;
use crate::number;
use crate::output::Output;
use crate::progress::ProgressLine;
use crate::{Outcome, Session, bytes, date};

const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Findings that one request asks for.
const PAGE: usize = 1_000;
/// The server's own limit: ten years.
const MAX_GRACE_HOURS: u32 = 87_600;

#[derive(Args, Clone, Debug)]
pub struct FsckArgs {
    /// Read all bytes of so many of a hundred blobs, such as 10%, and of the others only the end [default: 100%].
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = parse_percent, conflicts_with = "last")]
    sample: Option<f64>,
    /// Repair what is safe to repair, and say what was done.
    #[arg(long, conflicts_with = "last")]
    repair: bool,
    /// What nothing names counts as an orphan after so many hours [default: 24].
    #[arg(long, value_name = "HOURS", conflicts_with = "last", allow_negative_numbers = true, value_parser = number::within(1..=MAX_GRACE_HOURS))]
    orphan_grace: Option<u32>,
    /// Show the last check, and what the background scrub has found, without beginning one.
    #[arg(long)]
    last: bool,
    /// Check while the server is stopped: starts one for the check alone, which nobody else can reach. Takes the server's
    /// configuration with --config or --data-dir.
    #[arg(long, conflicts_with = "last")]
    pub offline: bool,
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("a number from 0 to 100 is needed, such as 10%".to_owned()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartAnswer {
    check_id: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckAnswer {
    check: Option<Check>,
    findings: Vec<Finding>,
    #[serde(skip_serializing)]
    next_token: Option<String>,
    scrub: Option<Value>,
    damaged_objects: Vec<Value>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    check_id: String,
    status: String,
    started_at: f64,
    finished_at: Option<f64>,
    settings: Option<Value>,
    progress: Progress,
    error: Option<String>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    phase: String,
    done: u64,
    total: u64,
    blobs_checked: u64,
    blobs_read: u64,
    bytes_read: u64,
    images_checked: u64,
    objects_listed: u64,
    found: BTreeMap<String, u64>,
    repaired: u64,
    warnings: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    kind: String,
    subject: String,
    detail: String,
    object: Option<String>,
    #[serde(default)]
    affected: Vec<String>,
    repair: Option<String>,
    advice: Option<String>,
}

impl FsckArgs {
    /// A check that reads the end of every object only.
    pub const fn quick() -> Self {
        Self { sample: Some(0.0), repair: false, orphan_grace: None, last: false, offline: true }
    }

    /// Whether what is safe to repair is repaired.
    pub const fn repairs(&self) -> bool {
        self.repair
    }

    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        let Session { client, output } = session;
        let mut input = json!({ "maxResults": PAGE });
        if !self.last {
            let mut asked = json!({ "repair": self.repair });
            if let Some(percent) = self.sample {
                asked["samplePercent"] = percent.into();
            }
            if let Some(hours) = self.orphan_grace {
                asked["orphanGraceHours"] = hours.into();
            }
            let started: StartAnswer = client.wharf("StartStorageCheck", &asked).await?;
            input["checkId"] = started.check_id.into();
            let mut line = ProgressLine::new();
            let mut poll = input.clone();
            poll["maxResults"] = 1.into();
            loop {
                let answer: CheckAnswer = client.wharf("DescribeStorageCheck", &poll).await?;
                let Some(check) = answer.check else { break };
                if check.finished_at.is_some() {
                    break;
                }
                let Progress { phase, done, total, bytes_read, found, .. } = &check.progress;
                let found: u64 = found.values().sum();
                let text = format!("{phase}: {} read, {found} found", bytes::shown(*bytes_read));
                line.show(*done, *total, &text);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        let mut answer: CheckAnswer = client.wharf("DescribeStorageCheck", &input).await?;
        while let Some(token) = answer.next_token.take() {
            input["nextToken"] = token.into();
            let page: CheckAnswer = client.wharf("DescribeStorageCheck", &input).await?;
            answer.findings.extend(page.findings);
            answer.next_token = page.next_token;
        }
        let status = answer.check.as_ref().map(|check| check.status.clone());
        let has_damage = !answer.damaged_objects.is_empty();
        output.show(&to_json(&answer), |_| text_of(&answer))?;
        match status.as_deref() {
            Some("FAILED") => Err(Error::Usage("the check could not be done; see above".to_owned())),
            Some("DAMAGED") => Ok(Outcome::No),
            _ if self.last && has_damage => Ok(Outcome::No),
            _ => Ok(Outcome::Done),
        }
    }
}

/// Prints the report of a check that found the database too damaged to be opened, as that of any other check. `findings`
/// are as in a report.
pub(crate) fn render_unreadable(output: &mut Output<'_>, findings: Vec<Value>, now_ms: i64) -> Result<Outcome, Error> {
    let findings: Result<Vec<Finding>, _> = findings.into_iter().map(serde_json::from_value).collect();
    let findings = findings.map_err(|error| Error::Output(error.into()))?;
    let mut progress = Progress::default();
    for finding in &findings {
        *progress.found.entry(finding.kind.clone()).or_default() += 1;
    }
    let now = now_ms as f64 / 1000.0;
    let check = Check {
        check_id: String::new(),
        status: "DAMAGED".to_owned(),
        started_at: now,
        finished_at: Some(now),
        settings: None,
        progress,
        error: Some("the database cannot be opened, so nothing else was looked at".to_owned()),
    };
    let answer =
        CheckAnswer { check: Some(check), findings, next_token: None, scrub: None, damaged_objects: Vec::new() };
    output.show(&to_json(&answer), |_| text_of(&answer))?;
    Ok(Outcome::No)
}

/// With its dates as scripts read them.
fn to_json(answer: &CheckAnswer) -> Value {
    let mut value = json!(answer);
    date::in_answer(&mut value);
    value
}

fn text_of(answer: &CheckAnswer) -> String {
    let mut text = String::new();
    for finding in &answer.findings {
        let kind = finding.kind.to_lowercase().replace('_', " ");
        let _ = writeln!(text, "{kind}: {}", finding.subject);
        let _ = writeln!(text, "  {}", finding.detail);
        if !finding.affected.is_empty() {
            let _ = writeln!(text, "  affects {}", finding.affected.join(", "));
        }
        if let Some(repair) = &finding.repair {
            let _ = writeln!(text, "  repaired: {repair}");
        }
        if let Some(advice) = &finding.advice {
            let _ = writeln!(text, "  what to do: {advice}");
        }
    }
    match &answer.check {
        None => text.push_str("Nothing was checked yet"),
        Some(check) => {
            let progress = &check.progress;
            let found: u64 = progress.found.values().sum();
            let left = found.saturating_sub(progress.repaired + progress.warnings);
            let _ = writeln!(
                text,
                "{}, {} ({} read whole, {}); {} in the stores",
                counted(progress.images_checked, "image", "images"),
                counted(progress.blobs_checked, "blob", "blobs"),
                progress.blobs_read,
                bytes::shown(progress.bytes_read),
                counted(progress.objects_listed, "object", "objects")
            );
            let _ = match check.status.as_str() {
                "CLEAN" if found == 0 => write!(text, "Nothing is wrong"),
                "CLEAN" if progress.repaired == 0 => {
                    write!(text, "Nothing is wrong: {} worth knowing", progress.warnings)
                }
                "CLEAN" => write!(
                    text,
                    "Nothing is wrong any more: {} repaired, {} worth knowing",
                    progress.repaired, progress.warnings
                ),
                "DAMAGED" if check.error.is_some() => {
                    write!(text, "{left} to do: {}", check.error.as_deref().unwrap_or_default())
                }
                "DAMAGED" => write!(text, "{left} to do, {} repaired", progress.repaired),
                "FAILED" => {
                    write!(text, "The check failed: {}", check.error.as_deref().unwrap_or("no reason is known"))
                }
                _ => write!(text, "The check goes on: {}", progress.phase),
            };
        }
    }
    if !answer.damaged_objects.is_empty() {
        let known = counted(answer.damaged_objects.len(), "damaged object is", "damaged objects are");
        let _ = write!(text, "\n{known} known:");
        for damaged in &answer.damaged_objects {
            let part = |name: &str| damaged[name].as_str().unwrap_or_default();
            let _ = write!(text, "\n  {}: {}", part("object"), part("problem"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents() {
        for (text, percent) in [("10%", Some(10.0)), ("0.5", Some(0.5)), ("101", None), ("-1", None), ("x", None)] {
            assert_eq!(parse_percent(text).ok(), percent, "{text}");
        }
    }
}
