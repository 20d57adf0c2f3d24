//! What clients and other registries may send, changed at random: reading it never panics, the same is read of the same, and
//! what is read keeps to its limits.

mod headers;
mod manifests;
mod names;
mod ranges;
