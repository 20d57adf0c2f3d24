//! LookupEvents: what was done in the caller's account and region, the newest first.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oci::Digest;
use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::tables::audit_events::{self, Attribute, Event, Wanted};

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

/// The input, validated.
pub struct Checked {
    wanted: Wanted,
    limit: usize,
    /// What binds tokens to this lookup.
    mark: String,
}

fn attribute(given: LookupAttribute) -> Result<Attribute, CloudTrailError> {
    let invalid = |message: &str| CloudTrailError::InvalidLookupAttributes(message.to_owned());
    let (Some(key), Some(value)) = (given.attribute_key, given.attribute_value) else {
        return Err(invalid("A lookup attribute has an AttributeKey and an AttributeValue"));
    };
    if value.is_empty() || value.chars().count() > MAX_VALUE_CHARS {
        return Err(invalid("An AttributeValue has 1 to 2000 characters"));
    }
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
            _ => return Err(invalid("The value of ReadOnly is true or false")),
        },
        _ => {
            return Err(invalid(
                "An AttributeKey is one of EventId, EventName, ReadOnly, Username, ResourceType, ResourceName, \
                 EventSource, AccessKeyId",
            ));
        }
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

fn token_of(mark: &str, event: &Event) -> String {
    URL_SAFE_NO_PAD.encode(format!("{mark}.{}.{}", event.at_ms, event.id))
}

fn read_token(mark: &str, token: &str) -> Option<(i64, i64)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let [known, at_ms, id] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
    (known == mark).then_some((at_ms.parse().ok()?, id.parse().ok()?))
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
        if attributes.len() > 1 {
            let message = "A lookup has at most one attribute".to_owned();
            return Err(CloudTrailError::InvalidLookupAttributes(message));
        }
        let limit = match input.max_results.unwrap_or(MAX_RESULTS) {
            limit @ 1..=MAX_RESULTS => limit as usize,
            _ => return Err(CloudTrailError::InvalidMaxResults),
        };
        let mut wanted = Wanted {
            registry: call.own_registry(),
            from_ms: milliseconds(input.start_time, 0)?,
            until_ms: milliseconds(input.end_time, i64::MAX)?,
            attribute: attributes.pop().map(attribute).transpose()?,
            before: None,
        };
        if wanted.from_ms > wanted.until_ms {
            return Err(CloudTrailError::InvalidTimeRange);
        }
        let mark = Digest::sha256_of(format!("{wanted:?}").as_bytes()).hex().chars().take(16).collect::<String>();
        if let Some(token) = &input.next_token {
            wanted.before = Some(read_token(&mark, token).ok_or(CloudTrailError::InvalidNextToken)?);
        }
        Ok(Checked { wanted, limit, mark })
    }

    fn needs(_: &Call<'_>, _: &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, CloudTrailError> {
        let Checked { wanted, limit, mark } = checked;
        let app = call.app();
        // So that a caller finds what it has just done.
        app.audit.flush(&app.db).await?;
        let found = app.db.read(move |tx| {
            let events = audit_events::list(tx, &wanted, limit + 1)?;
            let with_resources = |event: Event| {
                let resources = audit_events::resources(tx, event.id)?;
                Ok((event, resources))
            };
            events.into_iter().map(with_resources).collect::<Result<Vec<_>, StoreError>>()
        });
        let mut found = found.await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next_token = found.last().filter(|_| has_more).map(|(event, _)| token_of(&mark, event));
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
