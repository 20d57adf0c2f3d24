//! What holds between the files of the tree: that what a comment or a page points at is there.

mod architecture;
mod citations;
mod decisions;
mod imports;
mod links;
mod names;
