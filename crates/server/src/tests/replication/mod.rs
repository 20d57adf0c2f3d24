//! Replication between registries of one server, without a network.

mod backfills;
mod deletions;
mod fixtures;
mod images;
