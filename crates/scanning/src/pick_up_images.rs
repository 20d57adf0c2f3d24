//! The job that has the images of a registry scanned which were there before: what is stored of it.

use aws::AccountId;
use runtime::jobs::job::Job;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;

/// The job, of one registry.
#[derive(Debug, Serialize, Deserialize)]
pub struct PickUpImages {
    account: String,
    region: String,
}

impl PickUpImages {
    /// Of that registry.
    pub fn of(registry: &RegistryId) -> Self {
        Self { account: registry.account.to_string(), region: registry.region.to_string() }
    }

    /// Of which registry; otherwise what is wrong with what was stored.
    pub fn registry(&self) -> Result<RegistryId, String> {
        let Self { account, region } = self;
        let account: AccountId = account.parse().map_err(|error| format!("'{account}' is no account: {error}"))?;
        let region = region.parse().map_err(|error| format!("'{region}' is no region: {error}"))?;
        Ok(RegistryId { account, region })
    }
}

impl Job for PickUpImages {
    const KIND: &'static str = "pick_up_images";

    fn key(&self) -> String {
        format!("{} {}", self.account, self.region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_stored_as_it_always_was() {
        let stored = r#"{"account":"000000000007","region":"eu-west-1"}"#;
        let job: PickUpImages = serde_json::from_str(stored).expect("a job");
        assert_eq!(job.key(), "000000000007 eu-west-1");
        let registry = job.registry().expect("a registry");
        assert_eq!(serde_json::to_string(&PickUpImages::of(&registry)).expect("JSON"), stored);
        for wrong in [stored.replace("000000000007", "7"), stored.replace("eu-west-1", "nowhere/1")] {
            let job: PickUpImages = serde_json::from_str(&wrong).expect("a job");
            assert!(job.registry().is_err(), "{wrong}");
        }
    }
}
