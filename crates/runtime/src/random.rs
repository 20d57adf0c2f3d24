//! Where randomness comes from: the one place that the crates above ask, so that a simulation can answer from its seed.

use uuid::Uuid;

/// An id that nobody else has.
pub fn uuid() -> Uuid {
    Uuid::new_v4()
}

/// Fills `bytes` with what nobody can guess.
pub fn fill(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("the operating system has randomness");
}
