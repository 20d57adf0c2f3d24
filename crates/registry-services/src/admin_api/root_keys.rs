//! DescribeRootKeys, RotateRootKey, RewrapRootKeys and RetireRootKey: the keys that seal what is stored.

use access::action::Action;
use access::auth::authorize::Need;
use access::root_key_rotation;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use serde::{Deserialize, Serialize};
use store::tables::root_keys as rows;
use store::tables::sealed_values::SealedColumn;

use super::errors::WharfError;

/// An input without members.
#[derive(Deserialize)]
pub struct NoInput {}

/// DescribeRootKeys.
pub struct DescribeRootKeys;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    service_key: String,
    root_keys: Vec<RootKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<Search>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RootKey {
    number: u32,
    status: &'static str,
    created_at: Timestamp,
    active_from: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    unused_since: Option<Timestamp>,
    may_be_retired: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Search {
    root_key: u32,
    began_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'static str>,
    seen: u64,
    resealed: u64,
    unreadable: u64,
}

impl From<rows::Search> for Search {
    fn from(search: rows::Search) -> Self {
        Self {
            root_key: search.root_key,
            began_at: Timestamp::from_ms(search.began_at_ms),
            ended_at: search.ended_at_ms.map(Timestamp::from_ms),
            place: SealedColumn::ALL.get(search.place).map(|place| place.as_str()),
            seen: search.seen,
            resealed: search.resealed,
            unreadable: search.unreadable,
        }
    }
}

impl Operation for DescribeRootKeys {
    const NAME: &'static str = "DescribeRootKeys";
    const ACTION: Action = Action::WharfDescribeRootKeys;
    const READ_ONLY: bool = true;
    type Input = NoInput;
    type Output = Described;
    type Checked = ();
    type Error = WharfError;

    fn check(call: &Call<'_>, _: NoInput) -> Result<(), WharfError> {
        WharfError::unless_operator(call)
    }

    fn needs(_: &Call<'_>, (): &()) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (): ()) -> Result<Described, WharfError> {
        let app = call.app;
        app.refresh_keys().await?;
        let (now_ms, sealing) = (app.now_ms(), app.key_ring.sealing());
        let service_key = app.root_keys.wrapping_key().origin();
        let described = app.db.read(move |tx| {
            let stored = rows::list(tx)?;
            let mut root_keys = Vec::new();
            for key in &stored {
                let status = match key.number.cmp(&sealing) {
                    std::cmp::Ordering::Less => "OLD",
                    std::cmp::Ordering::Equal => "SEALING",
                    std::cmp::Ordering::Greater => "COMING",
                };
                root_keys.push(RootKey {
                    number: key.number,
                    status,
                    created_at: Timestamp::from_ms(key.created_at_ms),
                    active_from: Timestamp::from_ms(key.active_from_ms),
                    unused_since: key.unused_since_ms.map(Timestamp::from_ms),
                    may_be_retired: root_key_rotation::may_retire(tx, &stored, key.number, now_ms)?.is_ok(),
                });
            }
            let search = rows::find_search(tx)?.map(Search::from);
            Ok::<_, WharfError>(Described { service_key: service_key.clone(), root_keys, search })
        });
        described.await
    }
}

/// RotateRootKey.
pub struct RotateRootKey;

/// The output of the operations on one root key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Numbered {
    number: u32,
}

impl Operation for RotateRootKey {
    const NAME: &'static str = "RotateRootKey";
    const ACTION: Action = Action::WharfRotateRootKey;
    const READ_ONLY: bool = false;
    type Input = NoInput;
    type Output = Numbered;
    type Checked = ();
    type Error = WharfError;

    fn check(call: &Call<'_>, _: NoInput) -> Result<(), WharfError> {
        WharfError::unless_operator(call)
    }

    fn needs(_: &Call<'_>, (): &()) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (): ()) -> Result<Numbered, WharfError> {
        let number = root_key_rotation::rotate(call.app).await?.ok_or(WharfError::RootKeyBeingMade)?;
        Ok(Numbered { number })
    }
}

/// RewrapRootKeys.
pub struct RewrapRootKeys;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rewrapped {
    rewrapped: usize,
}

impl Operation for RewrapRootKeys {
    const NAME: &'static str = "RewrapRootKeys";
    const ACTION: Action = Action::WharfRewrapRootKeys;
    const READ_ONLY: bool = false;
    type Input = NoInput;
    type Output = Rewrapped;
    type Checked = ();
    type Error = WharfError;

    fn check(call: &Call<'_>, _: NoInput) -> Result<(), WharfError> {
        WharfError::unless_operator(call)
    }

    fn needs(_: &Call<'_>, (): &()) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (): ()) -> Result<Rewrapped, WharfError> {
        Ok(Rewrapped { rewrapped: root_key_rotation::rewrap(call.app).await? })
    }
}

/// RetireRootKey.
pub struct RetireRootKey;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetireInput {
    number: Option<u32>,
}

impl Operation for RetireRootKey {
    const NAME: &'static str = "RetireRootKey";
    const ACTION: Action = Action::WharfRetireRootKey;
    const READ_ONLY: bool = false;
    type Input = RetireInput;
    type Output = Numbered;
    type Checked = u32;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: RetireInput) -> Result<u32, WharfError> {
        WharfError::unless_operator(call)?;
        input.number.ok_or_else(|| WharfError::validation("number", "must be the number of a root key"))
    }

    fn needs(_: &Call<'_>, _: &u32) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, number: u32) -> Result<Numbered, WharfError> {
        match root_key_rotation::retire(call.app, number).await? {
            Ok(()) => Ok(Numbered { number }),
            Err(why) => Err(WharfError::RootKeyNotRetired(number, why)),
        }
    }
}
