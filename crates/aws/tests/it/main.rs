//! What clients may send, changed at random: reading it never panics, the same is read of the same, what is read keeps to its
//! limits, and what is signed is what was signed.

mod forms;
mod json;
mod names;
mod numbers;
mod shapes;
mod signatures;
mod xml;
