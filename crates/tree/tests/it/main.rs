//! What holds between the files of the tree: that what a comment or a page points at is there.

mod citations;
mod imports;
mod links;
