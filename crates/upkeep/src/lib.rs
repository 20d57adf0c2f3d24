//! What a server does by itself: which jobs and rounds there are, and the checks of what is stored.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod background;
pub mod storage_check;
