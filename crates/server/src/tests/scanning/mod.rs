//! Scanning as a client sees it, but for the scans themselves: what is asked for, when, and what is told of what was found.

mod findings;
mod fixtures;
mod operations;
mod triggers;
mod who;
