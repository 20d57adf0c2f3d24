//! `wharf scan explain`: the records, versions and rules by which an image is said to have a vulnerability, or not.

use std::fmt::Write as _;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::Error;
use crate::image_scan::{self, ImageId, ImageScan, Package};
use crate::named_image::NamedImage;
use crate::output::{Field, Format, clean, field, fields};
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
    packages: Vec<ExplainedPackage>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExplainedPackage {
    image_digest: String,
    #[serde(flatten)]
    package: Package,
    is_found: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_created_by: Option<String>,
    evidence: Vec<Evidence>,
}

/// A record that was looked at, and what follows from it.
#[derive(Deserialize, Serialize)]
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
        let text = text_of(&explanation, &state);
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

fn text_of(explanation: &Explanation, state: &ImageScan) -> String {
    let (name, vulnerability) = (clean(&state.name()), clean(&explanation.vulnerability));
    let mut feeds: Vec<String> = Vec::new();
    for feed in state.platforms.iter().filter_map(|platform| platform.found.as_ref()).flat_map(|found| &found.feeds) {
        let words = format!("{} ({} old)", clean(&feed.name), crate::duration::age(feed.age_seconds));
        if !feeds.contains(&words) {
            feeds.push(words);
        }
    }
    if explanation.packages.is_empty() {
        return format!(
            "{name} has nothing to do with {vulnerability}: no advisory in force tells of it in a package that is installed\n\
             Advisories: {}",
            if feeds.is_empty() { "none".to_owned() } else { feeds.join(", ") }
        );
    }
    let found = explanation.packages.iter().any(|package| package.is_found);
    // That it has not would be too much: some records cannot be compared.
    let mut text = format!("{name} {} {vulnerability}", if found { "has" } else { "is not said to have" });
    for package in &explanation.packages {
        let platform = state.platforms.iter().find(|platform| platform.image_digest == package.image_digest);
        let platform = platform.filter(|_| state.platforms.len() > 1).map(image_scan::Platform::name);
        // Writing cannot fail: it is a text.
        let _ = write!(text, "\n\n{}", fields(&package_fields(package, platform)));
    }
    text
}

fn package_fields(explained: &ExplainedPackage, platform: Option<&str>) -> Vec<Field> {
    let ExplainedPackage { package, is_found, fixed_in, layer_created_by, evidence, .. } = explained;
    let arch = if package.arch.is_empty() { String::new() } else { format!(", {}", package.arch) };
    let mut lines = vec![field("Package", format!("{} {} ({}{arch})", package.name, package.version, package.kind))];
    lines.extend(platform.map(|platform| field("Platform", platform)));
    let answer = match (is_found, fixed_in, evidence.first()) {
        (true, Some(version), _) => format!("affected, fixed in {version}"),
        (true, None, _) => "affected, without a version that fixes it".to_owned(),
        (false, _, Some(deciding)) => format!("not found: {}", deciding.rule),
        (false, _, None) => "not found".to_owned(),
    };
    lines.push(field("Answer", answer));
    lines.push(("Files", package.paths.clone()));
    lines.extend(package.layer_digest.as_ref().map(|layer| field("Layer", layer)));
    lines.extend(layer_created_by.as_ref().map(|line| field("Made by", line)));
    for Evidence { feed, record, modified, name, version, range, rule } in evidence {
        let when = modified.as_ref().map(|when| format!(", modified {when}")).unwrap_or_default();
        let of = vec![format!("{record} of {feed}{when}"), format!("{name} {version} against {range}: {rule}")];
        lines.push(("Record", of));
    }
    lines
}
