//! Feeds of which one record holds a great many things: each is read in memory that is bounded, or left out, and that is said.

use std::{fmt::Write as _, io::Read, ops::ControlFlow};

use scan::feeds::{self, FeedLimits, Form, Record, Report};

use crate::feeds as samples;

/// Reads a feed of which no more than the counts are kept.
fn read(form: Form, input: &mut dyn Read, limits: &FeedLimits) -> Report {
    feeds::import(form, "test", input, limits, &mut |_: Record| ControlFlow::Continue(()))
}

/// So many times an item, with a sign between them.
fn list(item: &str, times: usize) -> String {
    vec![item; times].join(",")
}

/// A reader of items that are made while they are read.
fn made(head: &'static str, items: impl Iterator<Item = String>, tail: &'static str) -> impl Read {
    struct Made<I>(I, Vec<u8>, usize);

    impl<I: Iterator<Item = String>> Read for Made<I> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            while self.2 >= self.1.len() {
                let Some(next) = self.0.next() else { return Ok(0) };
                (self.1, self.2) = (next.into_bytes(), 0);
            }
            let count = buffer.len().min(self.1.len() - self.2);
            buffer[..count].copy_from_slice(&self.1[self.2..self.2 + count]);
            self.2 += count;
            Ok(count)
        }
    }

    let all = std::iter::once(head.to_owned()).chain(items).chain(std::iter::once(tail.to_owned()));
    Made(all, Vec::new(), 0)
}

#[test]
fn a_package_of_the_tracker_may_have_any_number_of_issues() {
    // The whole package is larger than a record may be, and none of its issues is.
    let limits = FeedLimits { record_bytes: 200, record_memory: 4_000, ..FeedLimits::default() };
    let issue = |number: u32| {
        format!(
            "{}\"CVE-2026-{number}\":{{\"releases\":{{\"bookworm\":{{\"status\":\"open\"}}}}}}",
            if number == 0 { "" } else { "," }
        )
    };
    let report = read(Form::DebianTracker, &mut made("{\"linux\":{", (0..20_000).map(issue), "}}"), &limits);
    assert_eq!((report.records, report.broken, report.ended), (20_000, 0, None), "{:?}", report.problems);
    // One that is too large is left out alone, and named.
    let large = format!("{{\"linux\":{{\"CVE-1-1\":{{\"description\":\"{}\"}},\"CVE-1-2\":{{}}}}}}", "a".repeat(300));
    let report = read(Form::DebianTracker, &mut large.as_bytes(), &limits);
    assert_eq!((report.records, report.broken, report.ended), (1, 1, None));
    // What breaks off between two issues is no revision.
    let torn = "{\"linux\":{\"CVE-1-1\":{},";
    assert!(read(Form::DebianTracker, &mut torn.as_bytes(), &limits).ended.is_some());
}

#[test]
fn what_would_take_too_much_memory_is_left_out_and_said() {
    let osv =
        |more: &str| format!(r#"{{"id":"A-1","affected":[{{"package":{{"ecosystem":"npm","name":"a"}}}}],{more}}}"#);
    let csaf = |more: &str| format!(r#"{{"document":{{"tracking":{{"id":"CVE-1-1"}}}},{more}}}"#);
    let nodes = format!("<updates><update><id>A-1</id>{}</update></updates>", "<a/>".repeat(60_000));
    let secfixes = (0..60_000).fold(String::new(), |mut text, number| {
        let sign = if number == 0 { "" } else { "," };
        write!(text, "{sign}\"{number}\":[\"CVE-1-1\"]").expect("a text");
        text
    });
    let secdb =
        format!(r#"{{"distroversion":"v3.20","packages":[{{"pkg":{{"name":"a","secfixes":{{{secfixes}}}}}}}]}}"#);
    let cases = [
        ("empty rows", Form::Osv, format!(r#"{{"id":"A-1","affected":[{}]}}"#, list("{}", 60_000))),
        ("values", Form::Osv, osv(&format!(r#""database_specific":[{}]"#, list("{\"\":0}", 60_000)))),
        ("versions", Form::Osv, format!(r#"{{"id":"A-1","affected":[{{"versions":[{}]}}]}}"#, list("\"1\"", 200_000))),
        ("vulnerabilities", Form::Csaf, csaf(&format!(r#""vulnerabilities":[{}]"#, list("{}", 120_000)))),
        (
            "products",
            Form::Csaf,
            csaf(&format!(r#""product_tree":{{"relationships":[{}]}}"#, list(r#"{"full_product_name":{}}"#, 60_000))),
        ),
        (
            "statements",
            Form::OpenVex,
            format!(r#"{{"statements":[{}]}}"#, list(r#"{"vulnerability":{},"status":""}"#, 30_000)),
        ),
        ("nodes", Form::UpdateInfo, nodes),
        ("fixes", Form::Secdb, secdb),
        ("exploited", Form::Kev, format!(r#"{{"vulnerabilities":[{}]}}"#, list(r#"{"id":"CVE-1-1"}"#, 60_000))),
    ];
    let limits = FeedLimits { record_memory: 12 << 20, ..FeedLimits::default() };
    for (name, form, input) in cases {
        let report = read(form, &mut input.as_bytes(), &limits);
        assert_eq!((report.records, report.broken), (0, 1), "{name}: {report:?}");
        assert!(!report.is_fit(), "{name}");
        let problem = report.problems.first().expect("a problem");
        assert!(problem.contains("of memory") || problem.contains("too large"), "{name}: {problem}");
        // It is read where there is room for it.
        let whole = read(form, &mut input.as_bytes(), &FeedLimits::default());
        assert!(whole.problems.iter().all(|problem| !problem.contains("memory")), "{name}: {:?}", whole.problems);
    }
}

#[test]
fn an_advisory_that_says_too_much_is_left_out_and_said() {
    let rows = list(r#"{"package":{"ecosystem":"npm","name":"a"},"versions":["1"]}"#, 30);
    let binaries = list("\"b\"", 30);
    let suse = format!(
        r#"{{"id":"A-1","affected":[{{"package":{{"ecosystem":"openSUSE:Leap 15.5","name":"a"}},"ecosystem_specific":{{"binaries":[{binaries}]}}}}]}}"#
    );
    let aliases = list("\"CVE-2026-1\"", 30);
    let named =
        format!(r#"{{"id":"A-1","aliases":[{aliases}],"affected":[{{"package":{{"ecosystem":"npm","name":"a"}}}}]}}"#);
    let cases = [
        (format!(r#"{{"id":"A-1","affected":[{rows}]}}"#), FeedLimits { rows: 20, ..FeedLimits::default() }, "rows"),
        (suse.clone(), FeedLimits { rows: 20, ..FeedLimits::default() }, "rows"),
        (suse, FeedLimits { advisory_memory: 4_000, ..FeedLimits::default() }, "memory"),
        (named, FeedLimits { names: 20, ..FeedLimits::default() }, "names more than 20 vulnerabilities"),
    ];
    for (input, limits, why) in cases {
        let report = read(Form::Osv, &mut input.as_bytes(), &limits);
        assert_eq!((report.records, report.broken), (0, 1), "{input}");
        assert!(report.problems[0].contains(why), "{:?}", report.problems);
        assert_eq!(read(Form::Osv, &mut input.as_bytes(), &FeedLimits::default()).records, 1, "{input}");
    }
}

#[test]
fn blanks_between_values_take_no_memory() {
    let blanks = " ".repeat(100_000);
    let spaced = samples::CSAF.replace(',', &format!(",\n{blanks}"));
    let limits = FeedLimits { record_memory: 100_000, ..FeedLimits::default() };
    let report = read(Form::Csaf, &mut spaced.as_bytes(), &limits);
    assert_eq!((report.records, report.broken, report.ended), (1, 0, None), "{:?}", report.problems);
}
