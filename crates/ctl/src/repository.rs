//! `wharf repository`: settings of repositories that ECR has no place for.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Session;
use crate::count::counted;
use crate::error::Error;
use crate::output::{field, fields};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the settings of a repository.
    Show {
        /// Name.
        name: String,
    },
    /// Change the settings of a repository.
    Set {
        /// Name.
        name: String,
        /// Days that images can be restored which are deleted from now on; 0 for not at all, `default` for the server's
        /// setting.
        #[arg(long, value_name = "DAYS", required = true, allow_negative_numbers = true, value_parser = days)]
        restore_window: Days,
    },
}

/// A number of days, or the server's setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(Option<u32>);

fn days(text: &str) -> Result<Days, String> {
    match text {
        "default" => Ok(Days(None)),
        _ => text.parse().map(|days| Days(Some(days))).map_err(|_| "write a number of days, or default".to_owned()),
    }
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    repository_name: String,
    restore_window_days: u32,
    is_default: bool,
}

impl Settings {
    fn text(&self) -> String {
        let window = match self.restore_window_days {
            0 => "off".to_owned(),
            days => counted(days, "day", "days"),
        };
        let origin = if self.is_default { " (the server's setting)" } else { "" };
        fields(&[field("Repository", &self.repository_name), field("Restore window", format!("{window}{origin}"))])
    }
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        let (operation, input) = match self {
            Self::Show { name } => ("GetRestoreWindow", json!({ "repositoryName": name })),
            Self::Set { name, restore_window: Days(None) } => ("PutRestoreWindow", json!({ "repositoryName": name })),
            Self::Set { name, restore_window: Days(Some(days)) } => {
                ("PutRestoreWindow", json!({ "repositoryName": name, "restoreWindowDays": days }))
            }
        };
        let settings: Settings = client.wharf(operation, &input).await?;
        output.show(&settings, Settings::text)
    }
}
