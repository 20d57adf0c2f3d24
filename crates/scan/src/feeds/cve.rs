//! What vulnerabilities are rated: records of the CVE list (with the ratings that CISA adds), or ratings one a line.

use std::ops::ControlFlow;

use serde_json::Value;

use super::{Import, Record, SUMMARY_BYTES, Scores, clip, is_cve, is_name, json};
use crate::advisory::Rating;

/// Reads one record.
pub fn record(import: &mut Import<'_>, bytes: &[u8]) -> ControlFlow<()> {
    let value: Value = match json::parse(bytes) {
        Ok(value) => value,
        Err(why) => {
            let which = String::from_utf8_lossy(bytes.get(..60).unwrap_or(bytes)).into_owned();
            import.report.broken(&which, why);
            return ControlFlow::Continue(());
        }
    };
    let metadata = &value["cveMetadata"];
    let Some(id) = metadata["cveId"].as_str().or(value["id"].as_str()).filter(|id| is_name(id) && is_cve(id)) else {
        import.report.broken("a record", "it has no id of a CVE");
        return ControlFlow::Continue(());
    };
    let mut scores =
        Scores { id: id.to_owned(), is_rejected: metadata["state"].as_str() == Some("REJECTED"), ..Scores::default() };
    if metadata.is_null() {
        let source = value["source"].as_str().unwrap_or("nvd");
        for key in ["v3", "v4", "v2"] {
            scores.ratings.extend(value[key].as_str().and_then(|vector| Rating::of_vector(source, vector)));
        }
    } else {
        let containers = &value["containers"];
        container(&containers["cna"], &mut scores);
        for added in containers["adp"].as_array().map(Vec::as_slice).unwrap_or_default() {
            container(added, &mut scores);
        }
    }
    import.give(Record::Scores(scores))
}

fn container(container: &Value, scores: &mut Scores) {
    let provider = container["providerMetadata"]["shortName"].as_str().unwrap_or("CVE");
    for metric in container["metrics"].as_array().map(Vec::as_slice).unwrap_or_default() {
        for key in ["cvssV3_1", "cvssV3_0", "cvssV4_0", "cvssV2_0"] {
            let vector = metric[key]["vectorString"].as_str();
            scores.ratings.extend(vector.and_then(|vector| Rating::of_vector(provider, vector)));
        }
    }
    if scores.summary.is_empty() {
        let texts = container["descriptions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let english = texts.iter().find(|text| text["lang"].as_str().is_some_and(|lang| lang.starts_with("en")));
        let text = english.and_then(|text| text["value"].as_str()).unwrap_or_default();
        clip(text, SUMMARY_BYTES).clone_into(&mut scores.summary);
    }
}
