//! `wharf packages`: what is installed in an image, as its last scan has found it.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::count::{counted, few};
use crate::error::Error;
use crate::image_scan::{self, ImageId, ImageScan, Package, Platform};
use crate::named_image::{NamedImage, Place};
use crate::output::{Output, clean, field, fields};
use crate::{Outcome, Session, digest};

/// Packages that one request asks for.
const PAGE: usize = 1000;
/// More pages than any image has; ends what a faulty server would make endless.
const MAX_PAGES: usize = 10_000;
/// How often the pages are read anew of what a scan changed meanwhile.
const ATTEMPTS: usize = 5;
const COLUMNS: [&str; 6] = ["KIND", "PACKAGE", "VERSION", "ARCH", "SOURCE", "WHERE"];
/// Columns of which the end may be cut off, in this order, where a terminal is too narrow.
const CUT: [usize; 3] = [5, 4, 1];

#[derive(Args, Debug)]
pub struct PackagesArgs {
    /// Image: REPO:TAG, REPO@DIGEST, or REPO for its tag latest. The registry's host may stand in front.
    image: NamedImage,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    registry_id: String,
    repository_name: String,
    image_id: ImageId,
    packages: Vec<ListedPackage>,
    #[serde(skip_serializing)]
    next_token: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedPackage {
    image_digest: String,
    #[serde(flatten)]
    package: Package,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<String>,
    is_declared: bool,
}

impl ListedPackage {
    fn row(&self) -> Vec<String> {
        let Package { kind, name, version, arch, .. } = &self.package;
        let source = match (&self.source_name, &self.source_version) {
            (Some(name), Some(source_version)) if source_version != version => format!("{name} {source_version}"),
            (Some(name), _) => name.clone(),
            (None, _) => String::new(),
        };
        let declared = if self.is_declared { "declared in " } else { "" };
        vec![
            kind.clone(),
            name.clone(),
            version.clone(),
            arch.clone(),
            source,
            format!("{declared}{}", self.place_words()),
        ]
    }

    /// The file of a package of a language, and the layer of one of the system.
    fn place_words(&self) -> String {
        match &self.package.layer_digest {
            Some(layer) if self.package.is_of_system() => format!("layer {}", digest::short(layer)),
            _ => few(&self.package.paths, 1),
        }
    }
}

impl PackagesArgs {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        let Session { client, output } = session;
        let (state, mut listed) = read(client, &self.image.place(client)?).await?;
        listed.image_id.image_tag.clone_from(&state.image_id.image_tag);
        let gaps = state.gaps();
        let mut shown = json!(listed);
        shown["platforms"] = state.platforms.iter().map(platform_of).collect();
        shown["unknown"] = json!(gaps);
        let text = text_of(&state, &listed, output);
        output.show(&shown, |_| text)?;
        if gaps.is_empty() {
            return Ok(Outcome::Done);
        }
        Err(Error::Unknown(format!("it is not known what else is in {}: {}", state.name(), gaps.join("; "))))
    }
}

/// What scripts are told of a platform.
fn platform_of(platform: &Platform) -> Value {
    let mut told = json!({ "imageDigest": platform.image_digest });
    if let Some(name) = &platform.platform {
        told["platform"] = name.as_str().into();
    }
    told
}

/// How far the scans are, and all packages that they found.
async fn read(client: &Client, place: &Place) -> Result<(ImageScan, Listed), Error> {
    for _ in 0..ATTEMPTS {
        let state = image_scan::read_state(client, place).await?;
        // The server has nothing to list then, and its refusal does not say why.
        if !state.is_told() {
            let gaps = state.gaps().join("; ");
            return Err(Error::Unknown(format!("it is not known what is in {}: {gaps}", state.name())));
        }
        // The tag may move meanwhile.
        let scanned = place.with_id(json!({ "imageDigest": state.image_id.image_digest }));
        let listed = read_pages(client, &scanned).await?;
        if image_scan::read_state(client, &scanned).await?.is_of_same_scans(&state) {
            return Ok((state, listed));
        }
    }
    Err(Error::Unknown(format!("{} is scanned again and again: ask once that has ended", place.name())))
}

async fn read_pages(client: &Client, scanned: &Place) -> Result<Listed, Error> {
    let mut all: Listed = scanned.call(client, "ListImagePackages", json!({ "maxResults": PAGE })).await?;
    for _ in 0..MAX_PAGES {
        let Some(token) = all.next_token.take() else { return Ok(all) };
        let members = json!({ "maxResults": PAGE, "nextToken": token });
        let page: Listed = scanned.call(client, "ListImagePackages", members).await?;
        all.packages.extend(page.packages);
        all.next_token = page.next_token;
    }
    Err(client.missing("ListImagePackages", "the list does not end".to_owned()))
}

/// A table for each platform.
fn text_of(state: &ImageScan, listed: &Listed, output: &Output<'_>) -> String {
    let mut heading = vec![field("Image", clean(&state.name()))];
    if let ImageId { image_digest: Some(digest), image_tag: Some(_) } = &state.image_id {
        heading.push(field("Digest", digest));
    }
    let is_index = state.is_index();
    let mut parts = if is_index { vec![fields(&heading)] } else { Vec::new() };
    for platform in &state.platforms {
        let packages: Vec<&ListedPackage> =
            listed.packages.iter().filter(|package| package.image_digest == platform.image_digest).collect();
        let mut lines = if is_index { Vec::new() } else { std::mem::take(&mut heading) };
        lines.extend(platform.platform.as_ref().map(|name| field("Platform", name)));
        if is_index {
            lines.push(field("Digest", &platform.image_digest));
        }
        let number = platform.found.as_ref().map_or_else(|| "not known".to_owned(), |_| packages.len().to_string());
        lines.push(field("Packages", number));
        parts.push(fields(&lines));
        if !packages.is_empty() {
            let rows: Vec<Vec<String>> = packages.iter().map(|package| package.row()).collect();
            parts.push(output.table_text(&COLUMNS, &rows, &CUT, |_, line| line));
        }
    }
    if is_index {
        parts.push(counted(listed.packages.len(), "package", "packages"));
    }
    parts.join("\n\n")
}
