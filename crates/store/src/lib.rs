//! Storage: the metadata database and the blobs.

pub mod blob;
pub mod db;
pub mod error;
pub mod measure;
mod stored_enum;
pub mod tables;
