//! What was done to a registry and who did it, for CloudTrail's LookupEvents.

use super::registry_id::RegistryId;
use super::repositories::count;
use crate::db::{Row, Tx, Value};
use crate::error::StoreError;
use crate::tables::readable::readable_page;

/// An event to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Whose event it is: the account, and the region that lists it.
    pub registry: RegistryId,
    /// When it happened.
    pub at_ms: i64,
    /// Names the event.
    pub event_id: String,
    /// What was called.
    pub event_name: String,
    /// Of which service.
    pub event_source: String,
    /// CloudTrail's user name; none for events of the service itself.
    pub username: Option<String>,
    /// The access key that was used.
    pub access_key_id: Option<String>,
    /// Whether it only read.
    pub is_read_only: bool,
    /// The names and types of what it was about.
    pub resources: Vec<(String, &'static str)>,
    /// The whole record in JSON.
    pub record: String,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The row's key.
    pub id: i64,
    /// See [`NewEvent`], as all that follow.
    pub at_ms: i64,
    /// Names the event.
    pub event_id: String,
    /// What was called.
    pub event_name: String,
    /// Of which service.
    pub event_source: String,
    /// CloudTrail's user name.
    pub username: Option<String>,
    /// The access key that was used.
    pub access_key_id: Option<String>,
    /// Whether it only read.
    pub is_read_only: bool,
    /// The whole record in JSON.
    pub record: String,
}

/// What one attribute of the wanted events must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// The event's id.
    EventId(String),
    /// What was called.
    EventName(String),
    /// Of which service.
    EventSource(String),
    /// Who called.
    Username(String),
    /// With which access key.
    AccessKeyId(String),
    /// Whether it only read.
    ReadOnly(bool),
    /// The name of a resource.
    ResourceName(String),
    /// The type of a resource.
    ResourceType(String),
}

/// Which events a list has.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Whose.
    pub registry: RegistryId,
    /// From this time on, inclusive.
    pub from_ms: i64,
    /// Up to this time, inclusive.
    pub until_ms: i64,
    /// An attribute that they must have.
    pub attribute: Option<Attribute>,
    /// Those before this one, by its time and row; none for the newest.
    pub before: Option<(i64, i64)>,
}

/// Stores an event with its resources, once: an event that is there already stays as it is, and a resource that is named
/// twice is stored once.
pub fn insert(tx: &mut dyn Tx, new: &NewEvent) -> Result<(), StoreError> {
    let (account, region) = (new.registry.account.as_str(), new.registry.region.as_str());
    let row = tx.query_opt(
        "INSERT INTO audit_events (account_id, region, at_ms, event_id, event_name, event_source, username, \
         access_key_id, is_read_only, record) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (event_id) DO NOTHING RETURNING id",
        &[
            account.into(),
            region.into(),
            new.at_ms.into(),
            new.event_id.as_str().into(),
            new.event_name.as_str().into(),
            new.event_source.as_str().into(),
            new.username.as_deref().into(),
            new.access_key_id.as_deref().into(),
            new.is_read_only.into(),
            new.record.as_str().into(),
        ],
    )?;
    let Some(row) = row else { return Ok(()) };
    let id = row.int(0)?;
    for (name, kind) in &new.resources {
        tx.execute(
            "INSERT INTO audit_event_resources (audit_event_id, account_id, region, name, type, at_ms) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (audit_event_id, name) DO NOTHING",
            &[id.into(), account.into(), region.into(), name.as_str().into(), (*kind).into(), new.at_ms.into()],
        )?;
    }
    Ok(())
}

const COLUMNS: &str = "e.id, e.at_ms, e.event_id, e.event_name, e.event_source, e.username, e.access_key_id, \
                       e.is_read_only, e.record";

fn from_row(row: &mut Row) -> Result<Event, StoreError> {
    Ok(Event {
        id: row.int(0)?,
        at_ms: row.int(1)?,
        event_id: row.take_text(2)?,
        event_name: row.take_text(3)?,
        event_source: row.take_text(4)?,
        username: row.opt_text(5)?.map(str::to_owned),
        access_key_id: row.opt_text(6)?.map(str::to_owned),
        is_read_only: row.bool(7)?,
        record: row.take_text(8)?,
    })
}

/// Up to `limit` events, the newest first.
pub fn list(tx: &mut dyn Tx, filter: &EventFilter, limit: usize) -> Result<Vec<Event>, StoreError> {
    // The resource's own table is ordered as the events are, so that its index alone finds a page.
    let (from, time, id) = match &filter.attribute {
        Some(Attribute::ResourceName(_)) => (
            "audit_event_resources r JOIN audit_events e ON e.id = r.audit_event_id \
             WHERE r.account_id = $1 AND r.region = $2",
            "r.at_ms",
            "r.audit_event_id",
        ),
        _ => ("audit_events e WHERE e.account_id = $1 AND e.region = $2", "e.at_ms", "e.id"),
    };
    let (condition, value): (&str, Option<Value>) = match &filter.attribute {
        None => ("", None),
        Some(Attribute::EventId(id)) => ("AND e.event_id = $7", Some(id.as_str().into())),
        Some(Attribute::EventName(name)) => ("AND e.event_name = $7", Some(name.as_str().into())),
        Some(Attribute::EventSource(source)) => ("AND e.event_source = $7", Some(source.as_str().into())),
        Some(Attribute::Username(name)) => ("AND e.username = $7", Some(name.as_str().into())),
        Some(Attribute::AccessKeyId(key)) => ("AND e.access_key_id = $7", Some(key.as_str().into())),
        Some(Attribute::ReadOnly(is_read_only)) => ("AND e.is_read_only = $7", Some((*is_read_only).into())),
        Some(Attribute::ResourceName(name)) => ("AND r.name = $7", Some(name.as_str().into())),
        Some(Attribute::ResourceType(kind)) => (
            "AND EXISTS (SELECT 1 FROM audit_event_resources x WHERE x.audit_event_id = e.id AND x.type = $7)",
            Some(kind.as_str().into()),
        ),
    };
    let (before_ms, before_id) = filter.before.unwrap_or((i64::MAX, i64::MAX));
    let mut params: Vec<Value> = vec![
        filter.registry.account.as_str().into(),
        filter.registry.region.as_str().into(),
        filter.from_ms.into(),
        filter.until_ms.into(),
        before_ms.into(),
        before_id.into(),
    ];
    params.extend(value);
    let limit_at = params.len() + 1;
    let sql = format!(
        "SELECT {COLUMNS} FROM {from} AND {time} >= $3 AND {time} <= $4 AND ({time}, {id}) < ($5, $6) {condition} \
         ORDER BY {time} DESC, {id} DESC LIMIT ${limit_at}"
    );
    readable_page(tx, limit, "audit_events", &sql, &params, |row| from_row(&mut row.clone()))
}

/// The names and types of what an event was about, in the order of their names.
pub fn resources(tx: &mut dyn Tx, id: i64) -> Result<Vec<(String, String)>, StoreError> {
    tx.query("SELECT name, type FROM audit_event_resources WHERE audit_event_id = $1 ORDER BY name", &[id.into()])?
        .iter()
        .map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())))
        .collect()
}

/// How many events one account has in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The account, as its rows name it.
    pub account: String,
    /// The region, as its rows name it.
    pub region: String,
    /// How many.
    pub events: u64,
}

/// How many events each account has in each region.
pub fn holdings(tx: &mut dyn Tx) -> Result<Vec<Holding>, StoreError> {
    tx.query(
        "SELECT account_id, region, count(*) FROM audit_events GROUP BY account_id, region \
         ORDER BY account_id, region",
        &[],
    )?
    .iter()
    .map(|row| {
        let events = u64::try_from(row.int(2)?).unwrap_or(0);
        Ok(Holding { account: row.text(0)?.to_owned(), region: row.text(1)?.to_owned(), events })
    })
    .collect()
}

/// The newest event of an account in a region, by its time and row, that is one too many when only the newest `keep` of
/// them may stay; none if there are no more.
pub fn first_beyond(tx: &mut dyn Tx, of: &Holding, keep: usize) -> Result<Option<(i64, i64)>, StoreError> {
    tx.query_opt(
        "SELECT at_ms, id FROM audit_events WHERE account_id = $1 AND region = $2 \
         ORDER BY at_ms DESC, id DESC LIMIT 1 OFFSET $3",
        &[of.account.as_str().into(), of.region.as_str().into(), count(keep)],
    )?
    .map(|row| Ok((row.int(0)?, row.int(1)?)))
    .transpose()
}

/// Removes up to `limit` events of an account in a region, that one and older ones; says how many.
pub fn delete_from(tx: &mut dyn Tx, of: &Holding, (at_ms, id): (i64, i64), limit: usize) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM audit_events WHERE id IN \
         (SELECT id FROM audit_events WHERE account_id = $1 AND region = $2 AND (at_ms, id) <= ($3, $4) \
         ORDER BY at_ms, id LIMIT $5)",
        &[of.account.as_str().into(), of.region.as_str().into(), at_ms.into(), id.into(), count(limit)],
    )
}

/// Removes up to `limit` events that happened before `until_ms`; says how many.
pub fn delete_old(tx: &mut dyn Tx, until_ms: i64, limit: usize) -> Result<u64, StoreError> {
    // Rows are written in the order of time but for a second or two, so the oldest rows are the ones to look at.
    tx.execute(
        "DELETE FROM audit_events WHERE id IN \
         (SELECT id FROM (SELECT id, at_ms FROM audit_events ORDER BY id LIMIT $1) oldest WHERE at_ms < $2)",
        &[count(limit), until_ms.into()],
    )
}
