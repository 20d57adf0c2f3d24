//! `wharf scan explain`: the records, versions and rules by which an image is said to have a vulnerability, or not.

mod text;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::Error;
use crate::image_scan::{self, Exploited, ImageId, Package, Severity};
use crate::named_image::NamedImage;
use crate::output::Format;
use crate::{Outcome, Session};

#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// Image: REPO:TAG, REPO@DIGEST, or REPO for its tag latest. The registry's host may stand in front.
    image: NamedImage,
    /// The vulnerability, by any of its names: CVE-2024-3094, GHSA-….
    #[arg(value_name = "VULNERABILITY")]
    vulnerability: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    registry_id: String,
    repository_name: String,
    image_id: ImageId,
    vulnerability: String,
    /// None where it was not found, and of servers that do not tell.
    #[serde(flatten)]
    known: Option<Known>,
    packages: Vec<ExplainedPackage>,
}

/// What the vulnerability is.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    description: String,
    references: Vec<String>,
    ratings: Vec<Rating>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exploited: Option<Exploited>,
    #[serde(skip_serializing_if = "Option::is_none")]
    likelihood: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percentile: Option<f64>,
}

/// What somebody rated it by CVSS.
#[derive(Deserialize, Serialize)]
struct Rating {
    source: String,
    version: u8,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    vector: String,
    score: f64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExplainedPackage {
    image_digest: String,
    #[serde(flatten)]
    package: Package,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_version: Option<String>,
    is_found: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<Severity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity_source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_created_by: Option<String>,
    evidence: Vec<Evidence>,
}

/// A record that was looked at, and what follows from it.
#[derive(Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Evidence {
    feed: String,
    record: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    name: String,
    version: String,
    range: String,
    rule: String,
}

impl ExplainArgs {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        let Session { client, output } = session;
        if output.format() == Format::Sarif {
            return Err(Error::Usage("an explanation is printed as text or json, and not as sarif".to_owned()));
        }
        let Self { image, vulnerability } = self;
        let place = image.place(client)?;
        let state = image_scan::read_state(client, &place).await?;
        let unknown = |gaps: &[String]| {
            Err(Error::Unknown(format!(
                "it is not known whether {} has anything to do with {vulnerability}: {}",
                state.name(),
                gaps.join("; ")
            )))
        };
        // The server has nothing to explain then, and its refusal does not say why.
        if !state.is_told() {
            return unknown(&state.gaps());
        }
        let scanned = place.with_id(json!({ "imageDigest": state.image_id.image_digest }));
        let asked = json!({ "vulnerability": vulnerability });
        let mut explanation: Explanation = scanned.call(client, "ExplainImageFinding", asked).await?;
        explanation.image_id.image_tag.clone_from(&state.image_id.image_tag);
        // What is found comes first; what was looked at first stays so.
        explanation.packages.sort_by_key(|package| !package.is_found);
        let gaps = state.gaps();
        let mut shown = json!(explanation);
        shown["unknown"] = json!(gaps);
        let text = text::of(&explanation, &state);
        let is_explained = !explanation.packages.is_empty();
        if is_explained || gaps.is_empty() || output.format() == Format::Json {
            output.show(&shown, |_| text)?;
        }
        match (is_explained, gaps.is_empty()) {
            (true, _) => Ok(Outcome::Done),
            (false, true) => Ok(Outcome::No),
            (false, false) => unknown(&gaps),
        }
    }
}
