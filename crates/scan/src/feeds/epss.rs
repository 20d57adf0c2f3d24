//! How probably vulnerabilities are exploited, as FIRST reckons it each day: `cve,epss,percentile`.

use std::{
    io::{BufRead, BufReader, Read},
    ops::ControlFlow,
};

use super::{Import, Likelihood, Record, is_cve};

/// Bytes of a line, of which real ones have 40.
const LINE_BYTES: u64 = 4096;

/// Reads the table.
pub fn read(import: &mut Import<'_>, input: &mut dyn Read) -> ControlFlow<()> {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut input).take(LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) => return ControlFlow::Continue(()),
            Ok(_) => {}
            Err(error) => return import.report.end(error),
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') || text.starts_with("cve,") {
            continue;
        }
        match entry(text) {
            Some(likelihood) => import.give(Record::Likelihood(likelihood))?,
            None => import.report.broken(text, "it is no line of the table"),
        }
    }
}

fn entry(line: &str) -> Option<Likelihood> {
    let mut fields = line.split(',');
    let id = fields.next().filter(|id| is_cve(id))?;
    let mut share = || fields.next()?.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    Some(Likelihood { id: id.to_owned(), score: share()?, percentile: share()? })
}
