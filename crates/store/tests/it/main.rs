//! The contract of the store, checked from outside on every back end.

mod backend;
mod db;
