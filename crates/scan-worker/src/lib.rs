//! Reads one layer in a child process that has taken its own rights away. Blocking; of Wharf it knows only `scan`.
//!
//! The parent ([`Analyst`]) starts this same program once more for each layer and hands it the layer's bytes through a pipe;
//! the child ([`child_main`]) gives up its rights ([`rights`]) before it reads the first of them, and answers with the
//! layer's facts. Whatever a layer makes of the code that reads it, there is nothing in the child to take: no file, no
//! socket, no other process, no key, no layer of somebody else; and what it answers is bounded and trusted by nobody.

mod analyst;
mod bounds;
mod child;
mod confinement;
mod failure;
pub mod rights;
mod wire;

pub use analyst::{Analysed, Analyst};
pub use bounds::Bounds;
pub use child::{COMMAND, child_main};
pub use confinement::{Confinement, Demand, Part};
pub use failure::{Failure, Fault};
pub use rights::capabilities;
