//! Inputs that nobody would send, for tests of what reads inputs: real ones, changed at random. No part of the program.
//!
//! A test names real inputs and says what holds of whatever is read:
//!
//! ```
//! mutate::texts(mutate::Form::Text, &["bytes=0-9", "bytes=-5"], 1_000, |header| {
//!     let _ = header.parse::<u64>();
//! });
//! ```
//!
//! Each run tries other inputs. What fails is printed, with the seed by which `WHARF_TEST_SEED` tries it again at once.

mod bytes;
mod chance;
mod json;
mod run;
mod tokens;

pub use run::{Form, binaries, inputs, texts};
