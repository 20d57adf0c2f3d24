//! The order of versions, by the scheme that their packages follow.
//!
//! [`Scheme::compare`] orders any two texts of a scheme, in time that grows with their length and without recursion. The
//! order is total, also where the scheme's own tools order in a circle; where a text that is no version stands, the module
//! of the scheme says. [`Range`] says what an advisory says of a version.

mod apk;
mod dpkg;
mod maven;
mod packagist;
mod pep440;
mod ranges;
mod rpm;
mod rubygems;
mod scheme;
mod semver;
mod text;

pub use ranges::{Event, Range, Verdict};
pub use rpm::compare_part as compare_rpm_part;
pub use scheme::Scheme;
