//! Storage: the metadata database and the blobs.

pub mod blob;
pub mod db;
pub mod error;
pub mod measure;
pub mod tables;
