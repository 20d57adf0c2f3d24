//! Whether what is stored is whole: rows against rows, rows against objects in both directions, and objects against the
//! digests that name them. What is found is told with what to do about it; only what is safe is repaired, if asked.

pub mod check;
pub mod check_storage;
pub mod contents;
pub mod documents;
pub mod finding;
mod heal;
mod objects;
pub mod pages;
mod rows;
pub mod scrub_storage;
pub mod values;
