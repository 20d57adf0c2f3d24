//! The policy simulator: what policies would decide, answered by the same evaluator that decides requests.

mod context;
mod context_keys;
mod custom_policy;
mod evaluation;
mod policies;
mod principal_policy;

use api::protocols::operation::Entry;

use super::operation::Iam;

/// Every operation of the simulator.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<Iam<context_keys::GetContextKeysForCustomPolicy>>(),
    Entry::of::<Iam<context_keys::GetContextKeysForPrincipalPolicy>>(),
    Entry::of::<Iam<custom_policy::SimulateCustomPolicy>>(),
    Entry::of::<Iam<principal_policy::SimulatePrincipalPolicy>>(),
];
