//! What every table's functions promise, on both databases.

mod account_settings;
mod counting;
mod creation_templates;
mod fixtures;
mod image_tags;
mod images;
mod jobs;
mod pull_through_cache_rules;
mod removed_objects;
mod repositories;
mod repository_blobs;
mod resource_tags;
mod uploads;
mod upstream_blobs;
