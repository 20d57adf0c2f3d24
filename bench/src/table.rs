//! The table for people: rates and ratios first, then what they cost.

use std::fmt::Write;

use crate::results::{Figures, Results, RowResult, Spread};
use crate::rows::Unit;

/// From here on a client's thread has no time left, so the row shows the client rather than the server.
const CLIENT_BOUND_PERCENT: f64 = 95.0;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colour {
    None,
    Bold,
    Green,
    Red,
}

struct Cell {
    text: String,
    colour: Colour,
}

impl Cell {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), colour: Colour::None }
    }

    fn bold(text: impl Into<String>) -> Self {
        Self { text: text.into(), colour: Colour::Bold }
    }
}

/// The whole text, in lines; with terminal colours when asked.
pub fn render(results: &Results, colours: bool) -> String {
    let (subject, peer) = (results.subject.label.as_str(), results.peer.label.as_str());
    let mut text = format!(
        "{subject}: {}\n{peer}: {}\n{}\n{} rounds, {} s for each sample, {} client thread(s) on the same machine\n\n",
        results.subject.version,
        results.peer.version,
        results.machine,
        results.rounds,
        results.seconds_per_sample,
        results.client_threads,
    );
    let mut rates = vec![["rate, median ± spread", subject, peer, "ratio", "least to most"].map(Cell::bold).into()];
    rates.extend(results.rows.iter().map(rate_cells));
    align(&mut text, &rates, colours);
    text.push('\n');

    let mut costs = vec![["cost", subject, peer, "ratio", "peak memory", "p99", "client busy"].map(Cell::bold).into()];
    costs.extend(results.rows.iter().map(cost_cells));
    align(&mut text, &costs, colours);

    let mut bound =
        results.rows.iter().filter(|row| is_client_bound(&row.subject) || is_client_bound(&row.peer)).peekable();
    if bound.peek().is_some() {
        let titles: Vec<_> = bound.map(|row| row.title).collect();
        let _ = write!(
            text,
            "\nThe client had no time to spare, so the servers may be faster than shown: {}\n",
            titles.join(", ")
        );
    }
    text
}

fn is_client_bound(figures: &Figures) -> bool {
    figures.client_busy_percent >= CLIENT_BOUND_PERCENT
}

fn rate_cells(row: &RowResult) -> Vec<Cell> {
    let rate = |spread: &Spread| {
        let unit = match row.unit {
            Unit::Operations => "/s",
            Unit::Megabytes => " MB/s",
        };
        Cell::plain(format!("{}{unit} ±{:>2.0}%", grouped(spread.median), spread.percent()))
    };
    let colour = if row.ratio.median >= 1.0 { Colour::Green } else { Colour::Red };
    vec![
        title(row),
        rate(&row.subject.rate),
        rate(&row.peer.rate),
        Cell { text: format!("{:.2}x", row.ratio.median), colour },
        Cell::plain(format!("{:.2} to {:.2}", row.ratio.min, row.ratio.max)),
    ]
}

fn cost_cells(row: &RowResult) -> Vec<Cell> {
    let cpu = |figures: &Figures| {
        let median = figures.cpu_per_unit.median;
        Cell::plain(match row.unit {
            Unit::Operations => format!("{median:.1} us CPU"),
            Unit::Megabytes => format!("{median:.2} s CPU/GB"),
        })
    };
    let mib = |figures: &Figures| figures.peak_bytes.div_ceil(1024 * 1024);
    let milliseconds = |figures: &Figures| figures.p99_us / 1000.0;
    let (subject, peer) = (&row.subject, &row.peer);
    vec![
        title(row),
        cpu(subject),
        cpu(peer),
        Cell::plain(format!("{:.2}x", row.cpu_ratio)),
        Cell::plain(format!("{} / {} MiB", mib(subject), mib(peer))),
        Cell::plain(format!("{:.1} / {:.1} ms", milliseconds(subject), milliseconds(peer))),
        Cell::plain(format!("{:.0} / {:.0}%", subject.client_busy_percent, peer.client_busy_percent)),
    ]
}

fn title(row: &RowResult) -> Cell {
    Cell::plain(format!("{}, {} conn.", row.title, row.connections))
}

/// A number without decimals, its thousands parted; small numbers keep one decimal.
fn grouped(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// First column to the left, the others to the right, each as wide as its widest cell.
fn align(text: &mut String, lines: &[Vec<Cell>], colours: bool) {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.text.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for line in lines {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let space = " ".repeat(width - cell.text.chars().count());
            let (start, end) = match cell.colour {
                Colour::Bold if colours => ("\x1b[1m", "\x1b[0m"),
                Colour::Green if colours => ("\x1b[32m", "\x1b[0m"),
                Colour::Red if colours => ("\x1b[31m", "\x1b[0m"),
                Colour::None | Colour::Bold | Colour::Green | Colour::Red => ("", ""),
            };
            // The first column is words, the others are figures.
            let (before, after) = if column == 0 { ("", space.as_str()) } else { (space.as_str(), "") };
            let gap = if column == 0 { "" } else { "   " };
            text.extend([gap, before, start, &cell.text, end, after]);
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let rows = [
            (0.26, "0.3"),
            (99.94, "99.9"),
            (512.4, "512"),
            (1000.0, "1,000"),
            (71_234.6, "71,235"),
            (1_234_567.0, "1,234,567"),
        ];
        for (value, text) in rows {
            assert_eq!(grouped(value), text);
        }
    }

    #[test]
    fn columns_line_up_with_and_without_colours() {
        let lines = || {
            let coloured = Cell { text: "7x".to_owned(), colour: Colour::Green };
            [vec![Cell::bold("row"), Cell::bold("ratio")], vec![Cell::plain("± a long one"), coloured]]
        };
        let (mut plain, mut coloured) = (String::new(), String::new());
        align(&mut plain, &lines(), false);
        align(&mut coloured, &lines(), true);
        assert_eq!(plain, "row            ratio\n± a long one      7x\n");
        let stripped = ["\x1b[0m", "\x1b[1m", "\x1b[32m"].iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(stripped, plain);
    }
}
