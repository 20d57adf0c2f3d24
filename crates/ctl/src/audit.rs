//! `wharf audit`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Session;
use crate::date;
use crate::error::Error;
use crate::number;
use crate::since::Since;

const SERVICE: &str = "cloudtrail";
const TARGET: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101";
/// CloudTrail's limit on one page.
const PAGE: usize = 50;
/// Operations that the server takes for reading begin so.
const READS: [&str; 9] =
    ["Get", "List", "Describe", "BatchGet", "BatchCheck", "Lookup", "Simulate", "Explain", "AssumeRole"];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what was done, the newest first.
    List {
        /// Only what was done since then: 2h or 3d (ago), 2026-11-21, or 2026-11-21T08:00:00Z [default: all that is kept].
        #[arg(long, value_name = "TIME")]
        since: Option<Since>,
        /// Only what this user, or session of a role, did.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Only calls of this operation, such as PutImage.
        #[arg(long, value_name = "NAME")]
        event: Option<String>,
        /// Only what was done to this repository (or other resource, by its name or ARN).
        #[arg(long, value_name = "NAME")]
        resource: Option<String>,
        /// At most so many events.
        #[arg(long, value_name = "NUMBER", default_value_t = 100, allow_negative_numbers = true, value_parser = number::at_least(1_usize))]
        limit: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    events: Vec<EventAnswer>,
    next_token: Option<String>,
}

/// An event as the server tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventAnswer {
    event_time: f64,
    event_name: String,
    username: Option<String>,
    #[serde(default)]
    resources: Vec<Resource>,
    cloud_trail_event: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    resource_name: String,
}

/// An event for people; scripts get the whole record.
struct Event {
    time: String,
    user: String,
    name: String,
    resource: String,
    result: String,
    source: String,
    record: Value,
}

impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.record.serialize(serializer)
    }
}

impl From<EventAnswer> for Event {
    fn from(answer: EventAnswer) -> Self {
        let record: Value = serde_json::from_str(&answer.cloud_trail_event).unwrap_or_default();
        let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let names = answer.resources.into_iter().map(|resource| resource.resource_name);
        let names: Vec<String> = names.filter(|name| !name.starts_with("arn:")).collect();
        let code = text("errorCode");
        Self {
            time: date::of_iso8601(&date::iso8601(answer.event_time)),
            user: answer.username.unwrap_or_default(),
            name: answer.event_name,
            resource: names.join(", "),
            result: if code.is_empty() { "ok".to_owned() } else { code },
            source: text("sourceIPAddress"),
            record,
        }
    }
}

/// What the events must be.
struct EventFilter {
    user: Option<String>,
    event: Option<String>,
    resource: Option<String>,
}

impl EventFilter {
    fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let attributes = [("ResourceName", &self.resource), ("Username", &self.user), ("EventName", &self.event)];
        attributes.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)))
    }

    fn fits(&self, event: &EventAnswer) -> bool {
        self.user.as_ref().is_none_or(|user| event.username.as_ref() == Some(user))
            && self.event.as_ref().is_none_or(|name| event.event_name == *name)
            && self
                .resource
                .as_ref()
                .is_none_or(|name| event.resources.iter().any(|resource| resource.resource_name == *name))
    }
}

/// What is said when nothing is found: of an operation that only reads, why.
fn none(event: Option<&str>) -> String {
    let none = "There are no events.";
    match event.filter(|event| READS.iter().any(|verb| event.starts_with(verb))) {
        Some(event) => format!("{none} What was only read, as by {event}, is kept only with audit.record_reads."),
        None => none.to_owned(),
    }
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        let Self::List { since, user, event, resource, limit } = self;
        let filter = EventFilter { user, event, resource };
        let mut input = json!({ "MaxResults": PAGE });
        // CloudTrail takes one attribute; the others are looked at here.
        if let Some((key, value)) = filter.attributes().next() {
            input["LookupAttributes"] = json!([{ "AttributeKey": key, "AttributeValue": value }]);
        }
        if let Some(since) = since {
            input["StartTime"] = (since.epoch_seconds(client.now_ms()) as i64).into();
        }
        let mut events: Vec<Event> = Vec::new();
        while events.len() < limit {
            let page: Page = client.json(SERVICE, TARGET, "LookupEvents", &input).await?;
            events.extend(page.events.into_iter().filter(|event| filter.fits(event)).map(Event::from));
            match page.next_token {
                Some(token) => input["NextToken"] = token.into(),
                None => break,
            }
        }
        events.truncate(limit);
        let columns = ["TIME", "USER", "EVENT", "RESOURCE", "RESULT", "FROM"];
        output.list(&events, &none(filter.event.as_deref()), &columns, |event| {
            vec![
                event.time.clone(),
                event.user.clone(),
                event.name.clone(),
                event.resource.clone(),
                event.result.clone(),
                event.source.clone(),
            ]
        })
    }
}
