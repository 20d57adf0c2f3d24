//! The scanner's parts against tables, made inputs and what people know to be true.

mod feed_files;
mod feed_keys;
mod feed_memory;
mod feeds;
mod golden;
mod languages;
mod layers;
mod matching;
mod matching_go;
mod mutated;
mod oracle;
mod order;
mod os;
mod ranges;
mod samples;
mod severities;
mod signs;
mod stored;
mod tables;
