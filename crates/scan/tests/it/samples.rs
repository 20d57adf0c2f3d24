//! Documents as publishers serve them: each is read whole. They are looked for in the folder that `WHARF_TEST_VULNDATA` names,
//! and are not read without it.

use std::{env, fs::File, io::Read, ops::ControlFlow, path::Path};

use flate2::read::GzDecoder;
use scan::feeds::{self, FeedLimits, Form, Record};

#[test]
fn documents_of_publishers() {
    let Some(folder) = env::var_os("WHARF_TEST_VULNDATA") else {
        eprintln!("not run: WHARF_TEST_VULNDATA names no folder of documents");
        return;
    };
    // The form, the file, the records and the rows that it has.
    let samples = [
        (Form::Secdb, "feed-samples/alpine-secdb-3.20-main.json", 10, 10),
        (Form::Osv, "feed-samples/suse-osv-sample.json", 1, 20),
        (Form::Photon, "feed-samples/photon-CVE-2019-0199.json", 1, 1),
        (Form::Csaf, "vex/redhat-csaf-vex-cve-2026-0968.json", 1, 5),
        (Form::Csaf, "vex/redhat-csaf-vex-cve-2026-2673.json", 1, 5),
        (Form::OpenVex, "vex/vexhub-trivy.openvex.json", 1, 0),
        (Form::OpenVex, "vex/trivy-openvex-multiple.json", 1, 0),
        (Form::Kev, "kev.jsonl.gz", 1404, 0),
        (Form::Epss, "epss.csv.gz", 59_642, 0),
        (Form::Cve, "cvss.jsonl.gz", 38_253, 0),
    ];
    for (form, name, least_records, least_rows) in samples {
        let file = File::open(Path::new(&folder).join(name)).expect(name);
        let mut input: Box<dyn Read> = if Path::new(name).extension().is_some_and(|end| end == "gz") {
            Box::new(GzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let mut rows = 0;
        let mut count = |record| {
            if let Record::Advisory(advisory) = record {
                rows += advisory.affected.len();
            }
            ControlFlow::Continue(())
        };
        let report = feeds::import(form, "sample", &mut input, &FeedLimits::default(), &mut count);
        eprintln!("{name}: {} records, {rows} rows, {} left out", report.records, report.skipped_rows);
        assert_eq!((report.broken, report.ended), (0, None), "{name}: {:?}", report.problems);
        assert!(report.records >= least_records && rows >= least_rows, "{name}");
    }
}
