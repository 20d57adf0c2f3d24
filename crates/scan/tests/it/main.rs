//! The scanner's parts against tables, made inputs and what people know to be true.

mod languages;
mod layers;
mod order;
mod os;
mod ranges;
mod tables;
