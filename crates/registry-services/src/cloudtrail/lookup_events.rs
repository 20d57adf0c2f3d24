//! LookupEvents: what was done in the caller's account and region, the newest first.

use access::action::Action;
use access::auth::authorize::Need;
use api::grammar::{self, Violation, Wording};
use api::paging::{self, List, ListWording};
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::tables::audit_events::{self, Attribute, Event, EventFilter};

use super::errors::CloudTrailError;

/// The most events of one answer, and how many they are unless the caller says.
const MAX_RESULTS: i64 = 50;
/// The model's limit on 'AttributeValue'.
const MAX_VALUE_CHARS: usize = 2_000;

/// Lists what was done in the caller's account and region, the newest first, up to the caller's last request.
pub struct LookupEvents;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    lookup_attributes: Option<Vec<LookupAttribute>>,
    start_time: Option<f64>,
    end_time: Option<f64>,
    event_category: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LookupAttribute {
    attribute_key: Option<String>,
    attribute_value: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    events: Vec<FoundEvent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FoundEvent {
    event_id: String,
    event_name: String,
    read_only: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    event_time: aws::Timestamp,
    event_source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    resources: Vec<FoundResource>,
    cloud_trail_event: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FoundResource {
    resource_type: String,
    resource_name: String,
}

/// What `AttributeKey` can be.
const KEYS: [&str; 8] =
    ["EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId"];

/// The words of CloudTrail.
#[derive(Debug)]
struct Words;

type Check = grammar::Check<Words>;

impl Wording for Words {
    type Error = CloudTrailError;

    fn refuse(member: &str, _: Option<&str>, violation: Violation<'_>) -> CloudTrailError {
        CloudTrailError::InvalidLookupAttributes(match violation {
            Violation::TooSmall(_) | Violation::TooLarge(_) => return CloudTrailError::InvalidMaxResults,
            Violation::Missing => "A lookup attribute has an AttributeKey and an AttributeValue".to_owned(),
            Violation::TooShort(bounds) | Violation::TooLong(bounds) => {
                format!("An {member} has {} to {} characters", bounds.min, bounds.max)
            }
            Violation::TooFew(_) | Violation::TooMany(_) => "A lookup has at most one attribute".to_owned(),
            Violation::NotOneOf(values) => format!("An {member} is one of {}", values.join(", ")),
            Violation::Pattern(_) => format!("{member}: {violation}"),
        })
    }
}

impl ListWording for Words {
    const LIMIT: &'static str = "MaxResults";

    fn refuse_token(_: &str) -> CloudTrailError {
        CloudTrailError::InvalidNextToken
    }
}

/// The input, validated.
pub struct Checked {
    filter: EventFilter,
    limit: usize,
    list: List,
}

fn attribute(given: LookupAttribute) -> Result<Attribute, CloudTrailError> {
    let key = Check::required("AttributeKey", given.attribute_key)?;
    let value = Check::required("AttributeValue", given.attribute_value)?;
    Check::length("AttributeValue", &value, 1, MAX_VALUE_CHARS)?;
    Ok(match key.as_str() {
        "EventId" => Attribute::EventId(value),
        "EventName" => Attribute::EventName(value),
        "EventSource" => Attribute::EventSource(value),
        "Username" => Attribute::Username(value),
        "AccessKeyId" => Attribute::AccessKeyId(value),
        "ResourceName" => Attribute::ResourceName(value),
        "ResourceType" => Attribute::ResourceType(value),
        "ReadOnly" => match value.as_str() {
            "true" => Attribute::ReadOnly(true),
            "false" => Attribute::ReadOnly(false),
            _ => {
                let message = "The value of ReadOnly is true or false".to_owned();
                return Err(CloudTrailError::InvalidLookupAttributes(message));
            }
        },
        _ => return Err(Words::refuse("AttributeKey", Some(&key), Violation::NotOneOf(&KEYS))),
    })
}

/// Epoch seconds as milliseconds; what no time can be is none.
fn milliseconds(seconds: Option<f64>, default: i64) -> Result<i64, CloudTrailError> {
    match seconds {
        None => Ok(default),
        Some(seconds) if seconds.abs() < 1e12 => Ok((seconds * 1000.0) as i64),
        Some(_) => Err(CloudTrailError::InvalidTimeRange),
    }
}

/// The list of these events. Its mark is of a text that stays as it is, whatever the type and its fields are called.
fn list_of(filter: &EventFilter) -> List {
    let EventFilter { registry, from_ms, until_ms, attribute, before } = filter;
    let text = format!(
        "Wanted {{ registry: {registry:?}, from_ms: {from_ms}, until_ms: {until_ms}, attribute: {attribute:?}, \
         before: {before:?} }}"
    );
    List::Prefixed(format!("{}.", paging::mark(&text)))
}

/// The place after an event, as tokens hold it.
fn place(event: &Event) -> String {
    format!("{}.{}", event.at_ms, event.id)
}

fn read_place(place: &str) -> Option<(i64, i64)> {
    let (at_ms, id) = place.split_once('.')?;
    Some((at_ms.parse().ok()?, id.parse().ok()?))
}

impl Operation for LookupEvents {
    const NAME: &'static str = "LookupEvents";
    const ACTION: Action = Action::CloudTrailLookupEvents;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = CloudTrailError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, CloudTrailError> {
        if input.event_category.is_some() {
            return Err(CloudTrailError::InvalidEventCategory);
        }
        let mut attributes = input.lookup_attributes.unwrap_or_default();
        Check::count("LookupAttributes", attributes.len(), 0, 1)?;
        let limit = Check::limit(input.max_results, MAX_RESULTS as usize, MAX_RESULTS)?;
        let mut filter = EventFilter {
            registry: call.own_registry(),
            from_ms: milliseconds(input.start_time, 0)?,
            until_ms: milliseconds(input.end_time, i64::MAX)?,
            attribute: attributes.pop().map(attribute).transpose()?,
            before: None,
        };
        if filter.from_ms > filter.until_ms {
            return Err(CloudTrailError::InvalidTimeRange);
        }
        let list = list_of(&filter);
        if let Some(token) = &input.next_token {
            let place = list.place::<String>(token).and_then(|place| read_place(&place));
            filter.before = Some(place.ok_or_else(|| Words::refuse_token(token))?);
        }
        Ok(Checked { filter, limit, list })
    }

    fn needs(_: &Call<'_>, _: &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, CloudTrailError> {
        let Checked { filter, limit, list } = checked;
        let app = call.app;
        // So that a caller finds what it has just done.
        app.audit.flush(&app.db).await?;
        let found = app.db.read(move |tx| {
            let events = audit_events::list(tx, &filter, limit + 1)?;
            let with_resources = |event: Event| {
                let resources = audit_events::resources(tx, event.id)?;
                Ok((event, resources))
            };
            events.into_iter().map(with_resources).collect::<Result<Vec<_>, StoreError>>()
        });
        let mut found = found.await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next_token = found.last().filter(|_| has_more).map(|(event, _)| list.token(&place(event)));
        let events = found.into_iter().map(|(event, resources)| FoundEvent {
            event_id: event.event_id,
            event_name: event.event_name,
            read_only: if event.is_read_only { "true" } else { "false" },
            access_key_id: event.access_key_id,
            event_time: aws::Timestamp::from_ms(event.at_ms / 1000 * 1000),
            event_source: event.event_source,
            username: event.username,
            resources: resources
                .into_iter()
                .map(|(resource_name, resource_type)| FoundResource { resource_type, resource_name })
                .collect(),
            cloud_trail_event: event.record,
        });
        Ok(Output { events: events.collect(), next_token })
    }
}

#[cfg(test)]
mod tests {
    use store::tables::registry_id::RegistryId;

    use super::*;

    /// Nodes of every version mark a list alike.
    #[test]
    fn marks_stay() {
        let filter = EventFilter {
            registry: RegistryId {
                account: "123456789012".parse().expect("an account"),
                region: "us-east-1".parse().expect("a region"),
            },
            from_ms: 0,
            until_ms: i64::MAX,
            attribute: Some(Attribute::EventName("PutImage".to_owned())),
            before: None,
        };
        assert_eq!(list_of(&filter), List::Prefixed("982d3d34cf357215.".to_owned()));
    }

    #[test]
    fn texts() {
        let said = |error: CloudTrailError| match error {
            CloudTrailError::InvalidLookupAttributes(message) => message,
            error => format!("{error:?}"),
        };
        let attribute = |key: Option<&str>, value: Option<&str>| {
            let (attribute_key, attribute_value) = (key.map(str::to_owned), value.map(str::to_owned));
            attribute(LookupAttribute { attribute_key, attribute_value }).map(|_| 0)
        };
        for (result, text) in [
            (attribute(None, Some("a")), "A lookup attribute has an AttributeKey and an AttributeValue"),
            (attribute(Some("EventName"), None), "A lookup attribute has an AttributeKey and an AttributeValue"),
            (attribute(Some("EventName"), Some("")), "An AttributeValue has 1 to 2000 characters"),
            (
                attribute(Some("eventName"), Some("a")),
                "An AttributeKey is one of EventId, EventName, ReadOnly, Username, ResourceType, ResourceName, \
                 EventSource, AccessKeyId",
            ),
            (attribute(Some("ReadOnly"), Some("yes")), "The value of ReadOnly is true or false"),
            (Check::count("LookupAttributes", 2, 0, 1).map(|()| 0), "A lookup has at most one attribute"),
            (Check::limit(Some(51), 50, MAX_RESULTS), "InvalidMaxResults"),
            (Check::place::<usize>(&List::Any, Some("?")), "InvalidNextToken"),
        ] {
            assert_eq!(result.map_err(said), Err(text.to_owned()));
        }
    }
}
