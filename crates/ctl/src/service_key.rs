//! `wharf service-key`.

use std::fmt::Write as _;

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Session;
use crate::count::counted;
use crate::date::{self, of_iso8601 as shown};
use crate::error::Error;
use crate::number;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the service key's origin, the root keys, and how far what they sealed is sealed anew.
    Status,
    /// Make a new root key. Data keys and small values are sealed anew with it in the background; no layer is rewritten.
    Rotate,
    /// Wrap all root keys anew with the service key, as after a rotation of the KMS key that stands in for it.
    Rewrap,
    /// Remove an old root key for good, once nothing needs it any more.
    Retire {
        /// Its number, as the status shows it.
        #[arg(value_name = "NUMBER", allow_negative_numbers = true, value_parser = number::at_least(1_u32))]
        number: u32,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RootKeysAnswer {
    service_key: String,
    root_keys: Vec<RootKeyAnswer>,
    search: Option<SearchAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RootKeyAnswer {
    number: u32,
    status: String,
    created_at: f64,
    active_from: f64,
    unused_since: Option<f64>,
    may_be_retired: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchAnswer {
    root_key: u32,
    began_at: f64,
    ended_at: Option<f64>,
    place: Option<String>,
    seen: u64,
    resealed: u64,
    unreadable: u64,
}

/// The status with its dates as scripts read them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    service_key: String,
    root_keys: Vec<Key>,
    search: Option<Search>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    number: u32,
    status: String,
    created_at: String,
    active_from: String,
    unused_since: Option<String>,
    may_be_retired: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Search {
    root_key: u32,
    began_at: String,
    ended_at: Option<String>,
    place: Option<String>,
    seen: u64,
    resealed: u64,
    unreadable: u64,
}

impl From<RootKeysAnswer> for Status {
    fn from(answer: RootKeysAnswer) -> Self {
        let root_keys = answer.root_keys.into_iter().map(|key| Key {
            number: key.number,
            status: key.status,
            created_at: date::iso8601(key.created_at),
            active_from: date::iso8601(key.active_from),
            unused_since: key.unused_since.map(date::iso8601),
            may_be_retired: key.may_be_retired,
        });
        let search = answer.search.map(|search| Search {
            root_key: search.root_key,
            began_at: date::iso8601(search.began_at),
            ended_at: search.ended_at.map(date::iso8601),
            place: search.place,
            seen: search.seen,
            resealed: search.resealed,
            unreadable: search.unreadable,
        });
        Self { service_key: answer.service_key, root_keys: root_keys.collect(), search }
    }
}

impl Status {
    fn text(&self) -> String {
        let mut text = format!("Service key  {}", self.service_key);
        for key in &self.root_keys {
            let _ = write!(
                text,
                "\nRoot key {}   {}, made {}",
                key.number,
                key.status.to_lowercase(),
                shown(&key.created_at)
            );
            if key.status == "COMING" {
                let _ = write!(text, ", seals from {}", shown(&key.active_from));
            }
            match &key.unused_since {
                Some(_) if key.may_be_retired => text.push_str(", may be retired"),
                Some(since) => {
                    let _ = write!(text, ", unused since {}", shown(since));
                }
                None => {}
            }
        }
        if let Some(search) = &self.search {
            let at = match (&search.ended_at, &search.place) {
                (Some(ended), _) => format!("ended {}", shown(ended)),
                (None, Some(place)) => format!("at the {place}"),
                (None, None) => "at its end".to_owned(),
            };
            let _ = write!(
                text,
                "\nSearch for values of root keys before {}: began {}, {at}; {} seen, {} sealed anew, {} unreadable",
                search.root_key,
                shown(&search.began_at),
                search.seen,
                search.resealed,
                search.unreadable
            );
        }
        text
    }
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Numbered {
    number: u32,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rewrapped {
    rewrapped: u64,
}

impl Command {
    /// Runs it.
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        match self {
            Self::Status => {
                let answer: RootKeysAnswer = client.wharf("DescribeRootKeys", &json!({})).await?;
                output.show(&Status::from(answer), Status::text)
            }
            Self::Rotate => {
                let made: Numbered = client.wharf("RotateRootKey", &json!({})).await?;
                output.show(&made, |made| {
                    format!(
                        "Root key {} was made; `wharf service-key status` shows how far it has taken over",
                        made.number
                    )
                })
            }
            Self::Rewrap => {
                let done: Rewrapped = client.wharf("RewrapRootKeys", &json!({})).await?;
                output.show(&done, |done| {
                    let keys = counted(done.rewrapped, "root key was", "root keys were");
                    format!("{keys} wrapped anew")
                })
            }
            Self::Retire { number } => {
                let retired: Numbered = client.wharf("RetireRootKey", &json!({ "number": number })).await?;
                output.show(&retired, |retired| format!("Root key {} is gone for good", retired.number))
            }
        }
    }
}
