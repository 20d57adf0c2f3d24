//! What is said of an image that was scanned: that nothing was found says something only if all of it was compared.

use scan::ecosystem::Ecosystem;
use scan::feeds::catalog::Feed;
use store::tables::image_scans::ScanStatus;

use crate::advisory_state::{self, Places};
use crate::report::Report;
use crate::scan_end::End;

/// What ECR says of a scan that has ended (reference/scanning.md 3).
pub const COMPLETE: &str = "The scan was completed successfully.";
/// The same of an image that is watched from then on.
pub const ACTIVE: &str = "Continuous scan is selected for image.";

/// What an image has packages of, and how much of that was compared.
pub(crate) struct Compared<'a> {
    /// All of it.
    pub places: &'a Places,
    /// What there are no advisories for.
    pub uncovered: &'a Places,
    /// The feeds that there are.
    pub feeds: &'a [Feed],
}

/// What is said of an image that was compared with advisories: that nothing was found says something only if all of it was.
pub(crate) fn judge(report: Report, compared: &Compared<'_>, is_watched: bool) -> End {
    let Compared { places, uncovered, feeds } = compared;
    let packages_of_system = report.packages.iter().any(|package| package.package.kind.is_of_system());
    let is_known = report.system.as_ref().is_some_and(|os| scan::matching::place(os).is_some());
    // What tells of the system may be in the part that could not be read.
    let is_lost = report.system.is_none() && !report.problems.is_empty();
    if (report.system.is_some() || packages_of_system) && !is_known && !is_lost {
        let (id, version) = report.system.as_ref().map_or(("", ""), |os| (os.id.as_str(), os.version.as_str()));
        let description =
            format!("UnsupportedImageError: The operating system '{id}' version '{version}' is not supported");
        return End { status: ScanStatus::UnsupportedImage, description: Some(description), report: Some(report) };
    }
    let list = |places: &[&(Ecosystem, String)]| {
        places.iter().map(|place| advisory_state::shown(place)).collect::<Vec<_>>().join(", ")
    };
    // Languages whose feeds are switched off are left out by whoever runs the server; the rest was to be compared.
    let is_left_out =
        |place: &&(Ecosystem, String)| !place.0.is_distribution() && advisory_state::is_left_out(feeds, place);
    let (left_out, lacking): (Vec<_>, Vec<_>) = uncovered.iter().partition(is_left_out);
    // An image of which nothing was compared is not clean, whoever wants it so.
    let is_nothing_left = lacking.is_empty() && !left_out.is_empty() && uncovered.len() == places.len();
    let lacking = if is_nothing_left { &left_out } else { &lacking };
    if !lacking.is_empty() {
        let why = format!("There are no advisories for {}", list(lacking));
        return End { status: ScanStatus::Failed, description: Some(why), report: Some(report) };
    }
    let (status, ended) = if is_watched { (ScanStatus::Active, ACTIVE) } else { (ScanStatus::Complete, COMPLETE) };
    let mut ended = ended.to_owned();
    if !left_out.is_empty() {
        ended = format!("{ended} Packages of {} were not compared: their feeds are switched off.", list(&left_out));
    }
    if !report.missing_feeds.is_empty() {
        let missing = report.missing_feeds.join(", ");
        ended = format!("{ended} What these feeds tell of severities and exploits was not there: {missing}.");
    }
    // What could not be read is in the report, which is sealed as the image is: this is not.
    let description = if report.problems.is_empty() { ended } else { "The image was analysed in part.".to_owned() };
    End { status, description: Some(description), report: Some(report) }
}
