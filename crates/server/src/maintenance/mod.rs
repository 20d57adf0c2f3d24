//! What is done with stored data as a whole by commands on the machine that has it: backup and restore of the embedded
//! default, and moving everything to another database and store. Nothing here answers requests.
//!
//! `ballast` keeps space back for what [`Db::make_room`](store::db::Db::make_room) is asked to write. `place` keeps commands from
//! making a registry that nobody wanted, and a store from getting a new database in the place of its lost one.

pub mod backup;
pub mod migrate;
pub(crate) mod place;
pub mod policies;
pub mod restore;
pub mod root_credentials;
mod storage;
pub mod unreadable;

/// The error for output that cannot be written.
pub fn write_failed(error: std::io::Error) -> store::error::StoreError {
    store::error::StoreError::io("cannot write the output", error)
}
