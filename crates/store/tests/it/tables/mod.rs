//! What every table's functions promise, on both databases.

mod account_settings;
mod audit_events;
mod counting;
mod creation_templates;
mod deleted_images;
mod fixtures;
mod followed_events;
mod image_counts;
mod image_protections;
mod image_tags;
mod images;
mod integrity;
mod jobs;
mod lifecycle;
mod nodes;
mod pull_through_cache_rules;
mod pull_time_exclusions;
mod removed_objects;
mod replications;
mod repositories;
mod repository_blobs;
mod resource_tags;
mod storage_classes;
mod store_sizes;
mod uploads;
mod upstream_blobs;
