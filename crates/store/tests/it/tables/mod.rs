//! What every table's functions promise, on both databases.

mod account_settings;
mod counting;
mod deleted_images;
mod fixtures;
mod image_protections;
mod image_tags;
mod images;
mod jobs;
mod lifecycle;
mod removed_objects;
mod repositories;
mod repository_blobs;
mod resource_tags;
mod uploads;
