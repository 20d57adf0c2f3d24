//! UpdateAdvisories: has advisories fetched now, which otherwise happens when it is time.

use std::collections::BTreeSet;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use scanning::advisory_state::{Named, named};
use scanning::update_advisories;
use serde::{Deserialize, Serialize};

use super::constraints::Check;
use super::errors::WharfError;

/// Names of one call.
const MAX_NAMES: usize = 1_000;

/// Has advisories fetched now: all that are wanted, or those of the feeds that are named, which are wanted from then on.
pub struct UpdateAdvisories;

/// The feeds, and files of feeds, that the operator names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvisoryNames {
    names: Option<Vec<String>>,
}

impl AdvisoryNames {
    /// The names; empty if all are meant.
    pub fn check(self, call: &Call<'_>) -> Result<Vec<String>, WharfError> {
        WharfError::unless_operator(call)?;
        let names = self.names.unwrap_or_default();
        Check::count("names", names.len(), 0, MAX_NAMES)?;
        Ok(names)
    }
}

#[derive(Serialize)]
pub struct Output {
    files: Vec<String>,
}

impl Operation for UpdateAdvisories {
    const NAME: &'static str = "UpdateAdvisories";
    const ACTION: Action = Action::WharfUpdateAdvisories;
    const READ_ONLY: bool = false;
    type Input = AdvisoryNames;
    type Output = Output;
    type Checked = Vec<String>;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: AdvisoryNames) -> Result<Vec<String>, WharfError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, _: &Vec<String>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, names: Vec<String>) -> Result<Output, WharfError> {
        let settings = &call.app.advisories;
        if settings.is_offline {
            return Err(WharfError::Offline);
        }
        let mut files = BTreeSet::new();
        for name in &names {
            match named(&settings.feeds, name) {
                Named::Files(of_name) => files.extend(of_name),
                Named::Off => return Err(WharfError::AdvisoryFeedOff(name.clone())),
                Named::Nothing => return Err(WharfError::AdvisoryFeedNotFound(name.clone())),
            }
        }
        let (app, now_ms) = (call.app.clone(), call.app.now_ms());
        let asked = call.app.db.write(move |tx| {
            let files = if names.is_empty() {
                update_advisories::wanted(tx, &app.advisories.feeds)?
            } else {
                files.iter().cloned().collect()
            };
            update_advisories::ask(tx, &files, now_ms)?;
            Ok::<_, WharfError>(files)
        });
        let files = asked.await?;
        call.app.wake_jobs.wake();
        Ok(Output { files })
    }
}
