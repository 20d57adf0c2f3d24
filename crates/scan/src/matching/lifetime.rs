//! When releases of operating systems get no fixes any more.

use super::system;
use crate::os::Os;

/// A line for each release: the ecosystem, the release, and the last day with fixes for everyone.
const TABLE: &str = include_str!("end-of-life.txt");

/// The last day (`2026-06-30`) that a system's release got fixes for everyone, if it is known. It has ended where this is before
/// today.
pub fn end_of_life(os: &Os) -> Option<&'static str> {
    let (ecosystem, release) = system::place(os)?;
    TABLE.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut fields = line.split('\t');
        let is_it = fields.next() == Some(ecosystem.name()) && fields.next() == Some(release.as_str());
        if is_it { fields.next() } else { None }
    })
}
