//! FollowEvents: the events of a registry as they happen. Each call answers what has happened since the call before,
//! and waits for it if need be.
//!
//! Events are kept for who follows from the first call on, for a few minutes, on every node. Keys of rows say in which
//! order they were made, not in which they became visible: a transaction that lasted longer shows its events later. So a
//! position is a key below which everything has been told, and the keys above it that were told already.

use std::collections::HashSet;
use std::time::Duration;

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::renewal;
use api::paging::{List, ListWording};
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::error::{StoreError, StoreErrorKind};
use store::tables::followed_events::{self, FollowedEvent};
use store::tables::registry_id::RegistryId;

use super::constraints::{self, Check, DEFAULT_RESULTS, MAX_RESULTS, Words};
use super::errors::WharfError;

/// How long events are kept for somebody who has asked; they are asked to be kept again when half of it is over.
const FOLLOWED_MS: i64 = 2 * 60 * 1000;
/// No transaction lasts longer than this: what is older than that is all visible.
const SETTLED_MS: i64 = 60 * 1000;
/// The longest that a call waits, in seconds.
const MAX_WAIT_SECONDS: i64 = 20;
/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Keys that a position holds at most; with more, what becomes visible late may be missed.
const MAX_TOLD: usize = 5_000;

/// Answers with the events of a registry since the call before, and waits for one if there is none yet.
pub struct FollowEvents;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    max_results: Option<i64>,
    wait_seconds: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    events: Vec<Value>,
    next_token: String,
}

/// How far somebody has read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// Everything up to this key was told.
    after: i64,
    /// The keys above it whose events were told.
    #[serde(rename = "told")]
    told_ids: Vec<i64>,
}

impl Position {
    /// What of `rows`, which are all that is visible after the position in the order of their keys, is new, up to
    /// `limit`; and the position after it.
    fn advance(&self, rows: Vec<FollowedEvent>, limit: usize, now_ms: i64) -> (Vec<FollowedEvent>, Self) {
        let told_ids: HashSet<i64> = self.told_ids.iter().copied().collect();
        let mut new = Vec::new();
        let mut next = Self { after: self.after, told_ids: Vec::new() };
        for row in rows {
            let is_new = !told_ids.contains(&row.id);
            if is_new && new.len() == limit {
                break;
            }
            if row.at_ms < now_ms - SETTLED_MS {
                next.after = row.id;
                next.told_ids.clear();
            } else {
                next.told_ids.push(row.id);
            }
            if is_new {
                new.push(row);
            }
        }
        let too_many = next.told_ids.len().saturating_sub(MAX_TOLD);
        if let Some(last) = next.told_ids.drain(..too_many).next_back() {
            next.after = last;
        }
        (new, next)
    }
}

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    limit: usize,
    wait_ms: i64,
    position: Option<Position>,
}

impl Operation for FollowEvents {
    const NAME: &'static str = "FollowEvents";
    const ACTION: Action = Action::WharfFollowEvents;
    const READ_ONLY: bool = false;
    /// It waits for its client's sake alone.
    const ENDS_WITH_CLIENT: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, WharfError> {
        let wait_seconds = input.wait_seconds.unwrap_or(0);
        Check::number("waitSeconds", wait_seconds, 0, MAX_WAIT_SECONDS)?;
        let token = input.next_token.as_deref();
        let position: Option<Position> = token.map(|token| Check::place(&List::Any, Some(token))).transpose()?;
        if position.as_ref().is_some_and(|position| position.told_ids.len() > MAX_TOLD) {
            return Err(Words::refuse_token(token.unwrap_or_default()));
        }
        Ok(Checked {
            registry: constraints::registry(call, input.registry_id.as_deref())?,
            limit: Check::limit(input.max_results, DEFAULT_RESULTS, MAX_RESULTS)?,
            wait_ms: wait_seconds * 1000,
            position,
        })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &checked.registry, "*")]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, WharfError> {
        let app = call.app;
        let Checked { registry, limit, wait_ms, position } = checked;
        keep_following(call, &registry).await?;
        let Some(position) = position else {
            let after = app.db.read_point(move |tx| followed_events::newest_id(tx, &registry)).await?;
            return output(&[], &Position { after, told_ids: Vec::new() });
        };
        let until_ms = app.now_ms() + wait_ms;
        let needs = [Need::on_repository(Self::ACTION, &registry, "*")];
        loop {
            let (registry, after, count) = (registry.clone(), position.after, position.told_ids.len() + limit);
            let rows = app.db.read_point(move |tx| followed_events::list(tx, &registry, after, count)).await?;
            let now_ms = app.now_ms();
            let (new, next) = position.advance(rows, limit, now_ms);
            if !new.is_empty() || now_ms >= until_ms {
                renewal::require_still(call.http, &call.caller, &needs).await?;
                return output(&new, &next);
            }
            runtime::timer::sleep(LOOK_EVERY).await;
        }
    }
}

/// Sees to it that events are kept; one write a minute, however often somebody asks.
async fn keep_following(call: &Call<'_>, registry: &RegistryId) -> Result<(), StoreError> {
    let app = call.app;
    let now_ms = app.now_ms();
    let place = registry.clone();
    let until_ms = app.db.read_point(move |tx| followed_events::followed_until_ms(tx, &place)).await?;
    if until_ms.is_some_and(|until_ms| until_ms > now_ms + FOLLOWED_MS / 2) {
        return Ok(());
    }
    let place = registry.clone();
    app.db.write(move |tx| followed_events::follow(tx, &place, now_ms + FOLLOWED_MS)).await
}

fn output(events: &[FollowedEvent], position: &Position) -> Result<Output, WharfError> {
    let read = |row: &FollowedEvent| {
        serde_json::from_str(&row.event).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "an event is not what was stored").with_source(error)
        })
    };
    let events = events.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Output { events, next_token: List::Any.token(position) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_000_000;

    fn rows(ids: &[i64], age_ms: i64) -> Vec<FollowedEvent> {
        ids.iter().map(|id| FollowedEvent { id: *id, at_ms: NOW_MS - age_ms, event: String::new() }).collect()
    }

    fn ids(rows: &[FollowedEvent]) -> Vec<i64> {
        rows.iter().map(|row| row.id).collect()
    }

    #[test]
    fn what_becomes_visible_late_is_told() {
        let start = Position { after: 1, told_ids: Vec::new() };
        let (new, next) = start.advance(rows(&[2, 4], 10), 10, NOW_MS);
        assert_eq!((ids(&new), next.clone()), (vec![2, 4], Position { after: 1, told_ids: vec![2, 4] }));
        // 3 was made before 4, and committed after it.
        let (new, next) = next.advance(rows(&[2, 3, 4, 5], 10), 1, NOW_MS);
        assert_eq!(ids(&new), [3]);
        assert_eq!(next, Position { after: 1, told_ids: vec![2, 3, 4] });
        let (new, next) = next.advance(rows(&[2, 3, 4, 5], SETTLED_MS + 1), 10, NOW_MS);
        assert_eq!((ids(&new), next), (vec![5], Position { after: 5, told_ids: Vec::new() }));
    }

    #[test]
    fn positions_are_written_alike_by_every_version() {
        let position = Position { after: 1, told_ids: vec![2, 4] };
        assert_eq!(serde_json::to_string(&position).expect("JSON"), r#"{"after":1,"told":[2,4]}"#);
    }

    #[test]
    fn positions_are_bounded() {
        let many: Vec<i64> = (0..MAX_TOLD as i64 + 10).collect();
        let (new, next) = Position { after: -1, told_ids: Vec::new() }.advance(rows(&many, 0), many.len(), NOW_MS);
        assert_eq!((new.len(), next.told_ids.len(), next.after), (many.len(), MAX_TOLD, 9));
    }
}
