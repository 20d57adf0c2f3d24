//! The job that follows from a new root key: what older ones have sealed is sealed anew (`reseal`, which knows what is
//! sealed in every part).

use runtime::jobs::job::Job;
use serde::{Deserialize, Serialize};

/// The job; there is one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reseal {}

impl Job for Reseal {
    const KIND: &'static str = "reseal";

    fn key(&self) -> String {
        "all".to_owned()
    }
}
