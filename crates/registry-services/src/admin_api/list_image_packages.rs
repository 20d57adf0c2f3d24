//! ListImagePackages: the packages of an image, as its last scan has found them.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::Page;
use api::protocols::operation::{Call, Operation};
use scan::package::Presence;
use scanning::report::{Report, ReportedPackage};
use scanning::scans::PlatformScan;
use serde::Serialize;

use super::errors::WharfError;
use super::image_scans::{ImagePackage, NamedImage, PagedImageMembers};
use super::shapes::ImageId;

/// Lists the packages of an image, or of all images of an index, by image, kind and name.
pub struct ListImagePackages;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    image_id: ImageId,
    packages: Vec<ListedPackage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedPackage {
    image_digest: String,
    #[serde(flatten)]
    package: ImagePackage,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<String>,
    /// Whether a lock file alone names it.
    is_declared: bool,
}

impl ListedPackage {
    fn new(image_digest: &str, report: &Report, reported: &ReportedPackage) -> Self {
        let package = &reported.package;
        Self {
            image_digest: image_digest.to_owned(),
            package: ImagePackage::new(report, reported),
            source_name: package.source.as_ref().map(|source| source.name.clone()),
            source_version: package.source.as_ref().map(|source| source.version.clone()),
            module: package.module.clone(),
            vendor: package.vendor.clone(),
            is_declared: package.presence == Presence::Declared,
        }
    }
}

/// Where a page ends: the image, and the place of the package in its report, in digits that sort as numbers do.
fn place(image_digest: &str, at: usize) -> String {
    format!("{image_digest} {at:010}")
}

impl Operation for ListImagePackages {
    const NAME: &'static str = "ListImagePackages";
    const ACTION: Action = Action::EcrDescribeImageScanFindings;
    const READ_ONLY: bool = true;
    type Input = PagedImageMembers;
    type Output = Output;
    type Checked = (NamedImage, Page<[String; 1]>);
    type Error = WharfError;

    fn check(call: &Call<'_>, input: PagedImageMembers) -> Result<Self::Checked, WharfError> {
        input.check(call, Self::NAME)
    }

    fn needs(_: &Call<'_>, (named, _): &Self::Checked) -> Vec<Need> {
        vec![named.need(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (named, page): Self::Checked) -> Result<Output, WharfError> {
        let found = named.find_told(call).await?;
        let mut entries = Vec::new();
        for PlatformScan { image, report, .. } in &found.platforms {
            let Some(report) = report else { continue };
            let digest = image.digest.to_string();
            let listed =
                report.packages.iter().enumerate().map(|(at, reported)| (place(&digest, at), report, reported));
            entries.extend(listed.filter(|(place, ..)| *place > page.after[0]));
        }
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        let next_token = page.cut(&mut entries, |(last, ..)| [last.clone()]);
        let shown = |(place, report, reported): &(String, &Report, &ReportedPackage)| {
            let digest = place.split(' ').next().unwrap_or_default();
            ListedPackage::new(digest, report, reported)
        };
        let packages = entries.iter().map(shown).collect();
        let NamedImage { place, id, .. } = named;
        Ok(Output {
            registry_id: place.registry.account.to_string(),
            repository_name: place.name.to_string(),
            image_id: ImageId { image_digest: Some(found.image.digest.to_string()), image_tag: id.image_tag },
            packages,
            next_token,
        })
    }
}
