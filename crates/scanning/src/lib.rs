//! What is wrong with the images of a registry: which are scanned, what is kept of them, and what advisories say.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod report;
