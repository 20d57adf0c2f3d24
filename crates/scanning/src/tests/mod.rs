//! Scans from the push to the findings, in one process and without a network.

mod advisories;
mod fixture;
mod pick_up;
mod scans;
