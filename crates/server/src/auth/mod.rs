//! Who is asking, and whether they may: signatures, registry tokens, the one authorization step.

pub mod accounts;
pub mod authorize;
pub mod caller;
pub mod download_url;
pub mod sigv4;
pub mod token;
