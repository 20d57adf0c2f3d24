//! The runtime of background work: jobs, which are stored with the change that they follow from and done later, and
//! rounds, which are done again and again. It knows the kinds of jobs by their names alone: who does them, and which rounds
//! there are, is said where it is put together (`background`).

pub mod handler;
pub mod job;
pub mod kinds;
pub mod rounds;
pub mod worker;
#[cfg(test)]
mod worker_tests;
