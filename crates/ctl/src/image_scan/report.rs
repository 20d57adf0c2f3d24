//! Printing what scans have found, and ending as a pipeline wants it.

use clap::Args;
use serde_json::json;

use super::gate::{FailOn, Gate, Verdict};
use super::{ImageScan, sarif, text};
use crate::error::Error;
use crate::output::{Format, Output};
use crate::{Outcome, date};

/// Which findings are shown, and which end a command with 1.
#[derive(Args, Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ShowArgs {
    /// The least severity of findings with which the exit code is 1. Without it, any finding is enough.
    #[arg(long, value_enum, ignore_case = true, value_name = "SEVERITY", default_value_t, hide_default_value = true)]
    pub(crate) fail_on: FailOn,
    /// Leave out what no version fixes.
    #[arg(long)]
    pub(crate) only_fixed: bool,
    /// Count what is in packages that do not run, such as headers of the kernel. They are listed apart otherwise.
    #[arg(long)]
    pub(crate) include_not_runtime: bool,
}

impl ShowArgs {
    /// What they ask for.
    pub(crate) fn gate(self, least: FailOn) -> Gate {
        Gate {
            fail_on: self.fail_on,
            least,
            is_only_fixed: self.only_fixed,
            with_not_runtime: self.include_not_runtime,
        }
    }
}

/// Prints what was found in an image. Ends with "no" if something counts, and with an error if it cannot be said that
/// nothing does.
pub(crate) fn show(output: &mut Output<'_>, mut scan: ImageScan, gate: Gate) -> Result<Outcome, Error> {
    let (gaps, short_gaps) = (gate.gaps(&scan), gate.short_gaps(&scan));
    scan.findings.retain(|finding| gate.shows(finding));
    scan.findings.sort_by(|one, other| one.rank().cmp(&other.rank()));
    let verdict = gate.verdict(&scan, &gaps);
    match output.format() {
        Format::Text => {
            let text = text::of(&scan, gate, &short_gaps, output);
            output.show(&scan, |_| text)?;
        }
        Format::Json => {
            let mut shown = json!(scan);
            date::in_answer(&mut shown);
            shown["verdict"] = json!(verdict);
            shown["unknown"] = json!(gaps);
            for (finding, member) in scan.findings.iter().zip(shown["findings"].as_array_mut().into_iter().flatten()) {
                member["isCounted"] = gate.counts(finding).into();
            }
            output.show(&shown, |_| String::new())?;
        }
        Format::Sarif => output.show(&sarif::of(&scan, gate, &gaps), |_| String::new())?,
    }
    match verdict {
        Verdict::Clean => Ok(Outcome::Done),
        Verdict::Findings => Ok(Outcome::No),
        Verdict::Unknown => {
            // For people the reason was printed where it shows how far each scan is.
            let gaps = if output.format() == Format::Text { short_gaps } else { gaps };
            Err(Error::Unknown(format!("it is not known whether {} is sound: {}", scan.name(), gaps.join("; "))))
        }
    }
}
