//! The tables for people: rates and ratios first, then what they cost, and what was to be reached.

use std::fmt::Write;

use crate::aims::Judged;
use crate::columns::{Cell, align, grouped};
use crate::growth::GrowthResult;
use crate::results::{Figures, Results, RowResult, Spread};
use crate::rows::Unit;
use crate::singles::SingleResult;

/// From here on a client's thread has no time left, so the row shows the client rather than the server.
const CLIENT_BOUND_PERCENT: f64 = 95.0;

/// The whole text, in lines; with terminal colours when asked.
pub fn render(results: &Results, colours: bool) -> String {
    let (subject, peer) = (results.subject.label.as_str(), results.peer.label.as_str());
    let mut text = format!(
        "{subject}: {}\n{peer}: {}\n{}\n{} rounds, {} s for each sample, {} client thread(s) on the same machine; \
         {:.0} s in all\n",
        results.subject.version,
        results.peer.version,
        results.machine,
        results.rounds,
        results.seconds_per_sample,
        results.client_threads,
        results.took_seconds,
    );
    let mut add = |heads: &[&str], lines: Vec<Vec<Cell>>| {
        if lines.is_empty() {
            return;
        }
        let mut all = vec![heads.iter().map(|head| Cell::bold(*head)).collect()];
        all.extend(lines);
        text.push('\n');
        align(&mut text, &all, colours);
    };
    add(&["rate, median ± spread", subject, peer, "ratio", "least to most"], each(&results.rows, rate_cells));
    add(&["cost", subject, peer, "ratio", "peak memory", "p99", "client busy"], each(&results.rows, cost_cells));
    add(&["beside the machine", subject, "the machine", "ratio", "least to most"], machine_lines(results));
    add(&["figure", subject, peer, "ratio", "least to most"], each(&results.singles, single_cells));
    let sizes = results.growth_sizes.map(|size| format!("{} stored", grouped(size as f64)));
    let [small, middle, large] = sizes.each_ref().map(String::as_str);
    add(&["one request at a time", small, middle, large, "10 times", "100 times"], each(&results.growth, growth_cells));
    add(&["aim", "", "", "measured", ""], each(&results.aims, aim_cells));

    let bound: Vec<_> = results.rows.iter().filter(|row| figures_of(row).any(is_client_bound)).collect();
    if !bound.is_empty() {
        let titles: Vec<_> = bound.iter().map(|row| row.full_title()).collect();
        let said = "The client had no time to spare, so the servers may be faster than shown";
        let _ = write!(text, "\n{said}: {}\n", titles.join("; "));
    }
    for note in &results.notes {
        let _ = write!(text, "\n{note}\n");
    }
    text
}

fn each<T>(list: &[T], cells: impl Fn(&T) -> Vec<Cell>) -> Vec<Vec<Cell>> {
    list.iter().map(cells).collect()
}

fn figures_of(row: &RowResult) -> impl Iterator<Item = &Figures> {
    [Some(&row.subject), row.peer.as_ref()].into_iter().flatten()
}

fn is_client_bound(figures: &Figures) -> bool {
    figures.client_busy_percent >= CLIENT_BOUND_PERCENT
}

fn rate(spread: &Spread, unit: Unit) -> Cell {
    let unit = match unit {
        Unit::Operations => "/s",
        Unit::Megabytes => " MB/s",
    };
    Cell::plain(format!("{}{unit} ±{:>2.0}%", grouped(spread.median), spread.percent()))
}

fn ratio_cells(ratio: Option<Spread>) -> [Cell; 2] {
    let Some(ratio) = ratio else {
        return ["", ""].map(Cell::plain);
    };
    [
        Cell::judged(format!("{:.2}x", ratio.median), ratio.median >= 1.0),
        Cell::plain(format!("{:.2} to {:.2}", ratio.min, ratio.max)),
    ]
}

fn rate_cells(row: &RowResult) -> Vec<Cell> {
    let [ratio, range] = ratio_cells(row.ratio);
    let peer = row.peer.as_ref().map_or(Cell::plain(""), |peer| rate(&peer.rate, row.unit));
    vec![title(row), rate(&row.subject.rate, row.unit), peer, ratio, range]
}

fn cost_cells(row: &RowResult) -> Vec<Cell> {
    let cpu = |figures: &Figures| {
        let median = figures.cpu_per_unit.median;
        match row.unit {
            Unit::Operations => format!("{median:.1} us CPU"),
            Unit::Megabytes => format!("{median:.2} s CPU/GB"),
        }
    };
    let both = |told: &dyn Fn(&Figures) -> String| figures_of(row).map(told).collect::<Vec<_>>().join(" / ");
    vec![
        title(row),
        Cell::plain(cpu(&row.subject)),
        Cell::plain(row.peer.as_ref().map(cpu).unwrap_or_default()),
        Cell::plain(row.cpu_ratio.map(|ratio| format!("{ratio:.2}x")).unwrap_or_default()),
        Cell::plain(both(&|figures| figures.peak_bytes.div_ceil(1024 * 1024).to_string()) + " MiB"),
        Cell::plain(both(&|figures| format!("{:.1}", figures.p99_us / 1000.0)) + " ms"),
        Cell::plain(both(&|figures| format!("{:.0}", figures.client_busy_percent)) + "%"),
    ]
}

/// Rows beside the bare hyper, and pushes beside hashing.
fn machine_lines(results: &Results) -> Vec<Vec<Cell>> {
    let mut lines = Vec::new();
    for row in &results.rows {
        if let (Some(bare), Some(ratio)) = (&row.bare_hyper, row.bare_hyper_ratio) {
            let range = Cell::plain(format!("{:.2} to {:.2}", ratio.min, ratio.max));
            let ratio = Cell::plain(format!("{:.2}x", ratio.median));
            let (own, bare) = (rate(&row.subject.rate, row.unit), rate(&bare.rate, row.unit));
            lines.push(vec![Cell::plain(format!("bare hyper: {}", row.full_title())), own, bare, ratio, range]);
        }
        if let (Some(hashing), "push-1g") = (results.sha256_mb_per_second, row.key) {
            let ratio = Cell::plain(format!("{:.2}x", row.subject.rate.median / hashing.median));
            let (own, hashing) = (rate(&row.subject.rate, row.unit), rate(&hashing, Unit::Megabytes));
            lines.push(vec![Cell::plain(format!("SHA-256: {}", row.full_title())), own, hashing, ratio]);
        }
    }
    lines
}

fn single_cells(single: &SingleResult) -> Vec<Cell> {
    let figure = |spread: &Spread| Cell::plain(format!("{:.1} {}", spread.median, single.unit.name()));
    let [ratio, range] = ratio_cells(single.ratio);
    let peer = single.peer.as_ref().map_or(Cell::plain(""), figure);
    vec![Cell::plain(single.title), figure(&single.subject), peer, ratio, range]
}

fn growth_cells(growth: &GrowthResult) -> Vec<Cell> {
    let latencies = growth.latency_ms.iter().map(|spread| Cell::plain(format!("{:.3} ms", spread.median)));
    let ratios = growth.ratios.iter().map(|ratio| Cell::plain(format!("{:.2}x", ratio.median)));
    [Cell::plain(growth.title)].into_iter().chain(latencies).chain(ratios).collect()
}

fn aim_cells(aim: &Judged) -> Vec<Cell> {
    let number = |value: f64| if value >= 1000.0 { grouped(value) } else { format!("{value:.2}") };
    vec![
        Cell::plain(aim.title.as_str()),
        Cell::plain(aim.quantity),
        Cell::plain(format!("{} {} {}", aim.sense, number(aim.aim), aim.unit)),
        Cell::plain(format!("{} {}", number(aim.figure), aim.unit)),
        Cell::judged(if aim.is_met { "met" } else { "missed" }, aim.is_met),
    ]
}

fn title(row: &RowResult) -> Cell {
    Cell::plain(row.full_title())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aims;
    use crate::results::tests::results;

    #[test]
    fn every_part_is_told() {
        let mut results = results();
        results.aims = aims::judge(&results);
        results.notes = vec!["something was left out".to_owned()];
        let text = render(&results, false);
        let lines = [
            ("rates", "manifest GET by tag, 64 conn.   3,000/s ±33%"),
            ("the limit", "bare hyper: manifest GET by tag, 64 conn."),
            ("measures", "memory, idle   12.0 MiB"),
            ("growth", "0.200 ms"),
            ("an aim", "at least 25.00 x"),
            ("its judgement", "missed"),
            ("a note", "something was left out"),
        ];
        for (name, line) in lines {
            assert!(text.contains(line), "{name}: {text}");
        }
    }
}
