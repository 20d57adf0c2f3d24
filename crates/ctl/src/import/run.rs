//! Running an import: repositories some at a time, what people see meanwhile, and the end, early or not.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::copy::Import;
use super::report::Report;
use crate::error::Error;
use crate::output::Output;
use crate::progress::ProgressLine;
use crate::{Outcome, bytes, output};

const TICK: Duration = Duration::from_millis(250);
/// The time to take uploads back after Ctrl-C.
const FAREWELL: Duration = Duration::from_secs(10);

/// Imports repositories and says what came of it.
pub(super) async fn run(
    import: Arc<Import>,
    names: Vec<String>,
    mut lines: mpsc::UnboundedReceiver<String>,
    facts: (String, String),
    output: &mut Output<'_>,
) -> Result<Outcome, Error> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut names = names.into_iter();
    let mut at_work = JoinSet::new();
    let mut view = View::new();
    let mut ticks = tokio::time::interval(TICK);
    let mut is_interrupted = false;
    loop {
        while at_work.len() < import.manner.images_at_once
            && let Some(name) = names.next()
        {
            at_work.spawn(Arc::clone(&import).repository(name));
        }
        tokio::select! {
            done = at_work.join_next() => match done {
                Some(Ok(())) => {}
                Some(Err(error)) => import.tally.fail("", "", format!("a repository ended early: {error}")),
                None => break,
            },
            Some(line) = lines.recv() => view.line(&line),
            _ = ticks.tick() => view.progress(&import),
            _ = interrupt.recv() => is_interrupted = true,
            _ = terminate.recv() => is_interrupted = true,
        }
        if is_interrupted {
            at_work.shutdown().await;
            if tokio::time::timeout(FAREWELL, import.target.cancel_all()).await.is_err() {
                view.line("the target did not answer; it forgets what was half sent in time");
            }
            break;
        }
    }
    while let Ok(line) = lines.try_recv() {
        view.line(&line);
    }
    view.end();
    if !is_interrupted && import.found_no_tag() {
        import.tally.fail("", "--tags", "no image of the wanted repositories has a tag that fits");
    }
    let (failures, notes, would_copy) = import.tally.take();
    let (target, state) = facts;
    let report = Report {
        source: import.source.name(),
        target,
        dry_run: import.manner.is_dry_run,
        interrupted: is_interrupted,
        totals: import.tally.totals(),
        state,
        would_copy,
        notes,
        failures,
    };
    output.show(&report, Report::text)?;
    if !report.failures.is_empty() {
        output.note("")?;
        output.table(&report.failures, &["NOT IMPORTED", "WHY"], super::report::NotImported::row)?;
    }
    if is_interrupted {
        output.note("\nInterrupted: the same command goes on where this one ended.")?;
    }
    Ok(if is_interrupted || !report.failures.is_empty() { Outcome::No } else { Outcome::Done })
}

/// What people see: a line that changes on a terminal, a line for each thing done elsewhere.
struct View {
    progress: ProgressLine,
    is_terminal: bool,
    speed: Speed,
}

struct Speed {
    at: Instant,
    moved: u64,
    per_second: f64,
}

impl View {
    fn new() -> Self {
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let speed = Speed { at: Instant::now(), moved: 0, per_second: 0.0 };
        Self { progress: ProgressLine::new(), is_terminal, speed }
    }

    fn line(&mut self, line: &str) {
        // On a terminal the end tells what failed; thousands of lines would hide it.
        if !self.is_terminal {
            eprintln!("{}", output::clean(line));
        }
    }

    fn progress(&mut self, import: &Import) {
        let totals = import.tally.totals();
        let moved = import.tally.moved.load(Ordering::Relaxed);
        let passed = self.speed.at.elapsed();
        if passed >= Duration::from_secs(1) {
            let now = (moved - self.speed.moved) as f64 / passed.as_secs_f64();
            let per_second = if self.speed.moved == 0 { now } else { (self.speed.per_second * 3.0 + now) / 4.0 };
            self.speed = Speed { at: Instant::now(), moved, per_second };
        }
        let text = format!(
            "{} of {} images, {}, {}/s",
            totals.images_done,
            totals.images,
            bytes::shown(moved),
            bytes::shown(self.speed.per_second as u64)
        );
        self.progress.show(totals.images_done, totals.images, &text);
    }

    fn end(&mut self) {
        self.progress.clear();
    }
}
