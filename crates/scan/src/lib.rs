//! The packages and vulnerabilities of an image. Blocking, pure of HTTP and SQL; no other crate of Wharf.
//!
//! A layer is read once into facts ([`facts::LayerFacts`]): the packages of each file that tells of some, what says which
//! operating system it is, and what the layer takes away from those below. The facts of an image's layers, folded in order,
//! are its inventory; the inventory and the advisories give findings. No package and no vulnerability is named here: what
//! is known of them are the image's own files and the advisories.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod advisory;
pub mod detectors;
pub mod ecosystem;
pub mod facts;
pub mod feeds;
pub mod inventory;
pub mod layer;
pub mod limits;
pub mod matching;
pub mod os;
pub mod package;
pub mod severity;
mod signs;
pub mod stored;
pub mod versions;
