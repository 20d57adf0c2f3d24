//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write as _};

use store::measure::Distribution;

/// What a family of samples is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the program starts anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by their size.
    Histogram,
}

/// Labels and their values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// The text while it is being written.
#[derive(Default)]
pub struct Exposition {
    text: String,
    family: &'static str,
}

/// Microseconds as seconds.
pub fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// A number as it is.
pub fn plain(number: u64) -> f64 {
    number as f64
}

impl Exposition {
    /// Begins a family; the samples that follow are its.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A sample of the family, whose name goes on with `suffix`.
    pub fn sample(&mut self, suffix: &str, labels: Labels<'_>, value: impl Display) {
        self.sample_up_to(suffix, labels, None, value);
    }

    /// A family of one sample.
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample("", &[], value);
    }

    /// The samples of a histogram, whose values and bounds `unit` makes of whole numbers.
    pub fn histogram(&mut self, labels: Labels<'_>, read: &Distribution, unit: fn(u64) -> f64) {
        for (bound, count) in &read.up_to {
            self.sample_up_to("_bucket", labels, Some(&unit(*bound).to_string()), count);
        }
        self.sample_up_to("_bucket", labels, Some("+Inf"), read.count);
        self.sample("_sum", labels, unit(read.sum));
        self.sample("_count", labels, read.count);
    }

    fn sample_up_to(&mut self, suffix: &str, labels: Labels<'_>, up_to: Option<&str>, value: impl Display) {
        let family = self.family;
        self.write(format_args!("{family}{suffix}"));
        let labels = labels.iter().copied().chain(up_to.map(|bound| ("le", bound)));
        let mut is_first = true;
        for (name, value) in labels {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            self.write(format_args!("{}{name}=\"{value}\"", if is_first { "{" } else { "," }));
            is_first = false;
        }
        self.write(format_args!("{} {value}\n", if is_first { "" } else { "}" }));
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(text);
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_escaped() {
        let mut out = Exposition::default();
        out.single("a", Kind::Gauge, "One thing.", -3);
        out.family("b_total", Kind::Counter, "Others.");
        out.sample("", &[("x", "a\"b\\c\nd"), ("y", "")], 1.5);
        let expected = "# HELP a One thing.\n# TYPE a gauge\na -3\n# HELP b_total Others.\n# TYPE b_total counter\n\
                        b_total{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 1.5\n";
        assert_eq!(out.finish(), expected);
    }
}
