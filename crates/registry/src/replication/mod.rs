//! Replication: images of a registry go to others by its rules, in this server and in other Wharfs.
//!
//! A change notes what follows from it (`triggers`), in its own transaction. One job per pair of registries
//! (`replicate`) brings what was noted (`transfer`), by copying inside the server (`local`) or to another Wharf
//! (`remote`). What a destination does with it is the same for both (`receive`).

mod authority;
pub mod backfill;
mod failure;
mod local;
pub mod readable;
pub mod receive;
pub mod remote;
pub mod replicate;
pub mod rules;
mod transfer;
pub mod triggers;
