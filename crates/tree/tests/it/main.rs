//! What holds between the files of the tree: that what a comment or a page points at is there, and that what is there is on the
//! page where it is looked for.

mod actions;
mod architecture;
mod citations;
mod decisions;
mod imports;
mod leaks;
mod links;
mod lists;
mod modules;
mod names;
mod pages;
mod schema;
mod seams;
