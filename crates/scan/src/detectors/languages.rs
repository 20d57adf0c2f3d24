//! The detectors of packages of programming languages, in the order in which they are asked.

use crate::detectors::{Detector, dotnet, go, java, npm, php, python, ruby, rust};

/// All of them.
pub const LANGUAGES: &[&dyn Detector] = &[
    &npm::Installed,
    &npm::Locks,
    &python::Installed,
    &python::Locks,
    &java::Archives,
    &go::Programs,
    &rust::Programs,
    &rust::Locks,
    &ruby::Installed,
    &ruby::Locks,
    &php::Installed,
    &php::Locks,
    &dotnet::Installed,
    &dotnet::Locks,
];
