//! What a registry does, whichever protocol asks: the rules that `/v2/` and the ECR API share.
//!
//! Nothing here knows HTTP or the AWS wire format, and everything here runs after authorization, apart from
//! `image_tags`, which asks for more of it as only the registry knows for what.

pub mod before_push;
pub mod blobs;
pub mod changes;
pub mod collect_garbage;
pub mod creation;
pub mod delete;
pub mod encryption;
pub mod errors;
pub mod follow_subject;
pub mod followers;
pub mod image_tags;
pub mod import;
pub mod lifecycle;
pub mod move_blob;
pub mod part_ledger;
pub mod protection;
pub mod pull;
pub mod pull_times;
pub mod push;
#[cfg(test)]
mod push_reads_tests;
pub mod quotas;
pub mod read_caches;
pub mod referrers;
pub mod repositories;
pub mod restore;
pub mod restore_image;
pub mod settings;
pub mod shared_manifests;
pub mod storage_class;
mod upload_locks;
pub mod uploads;
