//! Storage: the metadata database and the blobs.

pub mod db;
pub mod error;
