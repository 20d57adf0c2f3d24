//! What is wrong with the images of a registry: which are scanned, what is kept of them, and what advisories say.
//!
//! What other crates await is boxed: an `async fn` is compiled by each crate that awaits it, with all that it calls.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod advisory_index;
pub mod advisory_overview;
pub mod advisory_state;
pub mod advisory_update;
pub mod analyse_layer;
pub mod assessment;
pub mod configuration;
pub mod context;
pub mod fetch;
pub mod fetch_advisories;
pub mod followers;
pub mod image_config;
pub mod image_layers;
pub mod import_advisories;
pub mod import_file;
pub mod judgement;
pub mod layer_facts;
pub mod pick_up;
pub mod pick_up_images;
pub mod platforms;
pub mod reading;
pub mod report;
pub mod scan;
mod scan_end;
pub mod scan_events;
pub mod scan_image;
pub mod scans;
mod statements;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod triggers;
pub mod update_advisories;
