//! Layers into facts, and facts into an image's inventory.

mod archives;
mod hostile;
mod image;
mod model;
mod stacks;
mod stored;
pub mod support;
mod system;
