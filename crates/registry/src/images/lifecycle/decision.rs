//! What a policy says about a repository at one moment: what would happen to which image, and what cannot.

use std::collections::{HashMap, HashSet};

use ::lifecycle::{Action, Count, Failure, LifecyclePolicy, Options, Plan, StorageClass};
use oci::Digest;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::StoreError;
use store::tables::repositories::Repository;
use store::tables::{lifecycle_changes, lifecycle_settings};

use super::images::{RepositoryImages, StoredImage};
use crate::images::protection::{Protected, Protections};

/// The failure code of an image that is protected from deletion; ECR has none.
pub(super) const PROTECTED: &str = "ImageProtected";

/// What becomes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ImageAction {
    /// It is deleted.
    Expire,
    /// It moves to the archive.
    Transition,
}

impl From<Action> for ImageAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Expire => Self::Expire,
            Action::Transition { .. } => Self::Transition,
        }
    }
}

/// An image, and what a rule wants to do with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// Its digest.
    pub digest: String,
    /// Its tags, in order.
    pub tags: Vec<String>,
    /// First push.
    pub pushed_at_ms: i64,
    /// Whether it is in the archive.
    pub is_archived: bool,
    /// What is to become of it.
    pub action: ImageAction,
    /// The rule.
    pub rule_priority: i64,
}

/// An image that is acted on, with what this rests on beyond what is counted as a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The image and the action.
    pub selected: Selected,
    /// A pull after this time saves it.
    pub unless_pulled_after_ms: Option<i64>,
    /// How many images had it as their subject: they follow it, so there must not be more.
    pub referrer_count: i64,
}

/// An image that a rule would act on, but for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unable {
    /// The image and the action.
    pub selected: Selected,
    /// ECR's `failureCode`, or Wharf's.
    pub code: &'static str,
    /// Why.
    pub reason: String,
}

/// What a policy says.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The policy.
    pub policy_text: String,
    /// Whether it looked only at images that no list names.
    pub counts_root_images: bool,
    /// How often images had changed.
    pub change_count: i64,
    /// When.
    pub decided_at_ms: i64,
    /// How many images the repository has.
    pub image_count: usize,
    /// In the order to carry them out.
    pub actions: Vec<Planned>,
    /// What cannot be done; the oldest first.
    pub failures: Vec<Unable>,
}

/// Reads the repository and says what becomes of its images.
pub fn decide(
    tx: &mut dyn Tx,
    repository: &Repository,
    policy_text: &str,
    policy: &LifecyclePolicy,
    now_ms: i64,
) -> Result<Decision, StoreError> {
    let counts_root_images = lifecycle_settings::counts_root_images(tx, repository.id)?;
    let change_count = lifecycle_changes::count(tx, repository.id)?;
    let images = RepositoryImages::read(tx, repository.id)?;
    let protected = Protections::load(tx, repository)?.of_all(tx)?;
    let options = Options { select_root_images_only: counts_root_images, ..super::ACCEPTED };
    let (seen, positions) = images.seen();
    let plan = ::lifecycle::decide(&seen, policy, &options, now_ms);
    let by_pull: HashSet<i64> = policy
        .rules()
        .iter()
        .filter(|rule| matches!(rule.selection.count, Count::SincePulled { .. }))
        .map(|rule| rule.priority)
        .collect();
    let (plan, held) = hold_protected(&seen, plan, &protected);
    let stored = |at: usize| &images.0[positions[at]];
    let actions = plan.actions.iter().map(|planned| {
        let image = stored(planned.image);
        let last_pulled_at_ms = image.image.last_pulled_at_ms.unwrap_or(i64::MIN);
        Planned {
            selected: select(image, planned.action, planned.rule_priority),
            unless_pulled_after_ms: by_pull.contains(&planned.rule_priority).then_some(last_pulled_at_ms),
            referrer_count: image.referrer_count,
        }
    });
    let refused = plan.failures.iter().map(|failure| Unable {
        selected: select(stored(failure.image), failure.action, failure.rule_priority),
        code: Failure::CODE,
        reason: failure.reason(),
    });
    let held = held.iter().map(|(planned, protected)| Unable {
        selected: select(stored(planned.image), planned.action, planned.rule_priority),
        code: PROTECTED,
        reason: protected.to_string(),
    });
    let mut failures: Vec<Unable> = refused.chain(held).collect();
    failures.sort_by_key(|unable| unable.selected.pushed_at_ms);
    Ok(Decision {
        policy_text: policy_text.to_owned(),
        counts_root_images,
        change_count,
        decided_at_ms: now_ms,
        image_count: images.0.len(),
        actions: actions.collect(),
        failures,
    })
}

fn select(stored: &StoredImage, action: Action, rule_priority: i64) -> Selected {
    Selected {
        digest: stored.image.digest.clone(),
        tags: stored.tags.clone(),
        pushed_at_ms: stored.image.pushed_at_ms,
        is_archived: stored.storage_class() == Some(StorageClass::Archive),
        action: action.into(),
        rule_priority,
    }
}

/// Takes what is protected out of a plan, and what cannot be done without it: an image is not archived while a list
/// that names it stays active. (What protected images hold is protected with them, so nothing else depends on it.)
fn hold_protected(
    images: &[::lifecycle::Image<'_>],
    plan: Plan,
    protected: &HashMap<Digest, Protected>,
) -> (Plan, Vec<(::lifecycle::Planned, Protected)>) {
    if protected.is_empty() {
        return (plan, Vec::new());
    }
    let mut held: HashSet<&str> = HashSet::new();
    let mut protections = Vec::new();
    let mut settled = Plan { actions: Vec::new(), failures: plan.failures };
    for planned in plan.actions {
        let image = &images[planned.image];
        let protection = match planned.action {
            Action::Expire => image.digest.parse().ok().and_then(|digest: Digest| protected.get(&digest)),
            Action::Transition { .. } => None,
        };
        let lists: Vec<String> = match planned.action {
            Action::Expire => Vec::new(),
            Action::Transition { .. } => {
                // A referrer is where its subject is.
                let holders = image.parents.iter().chain(&image.subject);
                holders.filter(|holder| held.contains(*holder)).map(|holder| (*holder).to_owned()).collect()
            }
        };
        if let Some(protection) = protection {
            held.insert(image.digest);
            protections.push((planned, protection.clone()));
        } else if !lists.is_empty() {
            held.insert(image.digest);
            let ::lifecycle::Planned { image, action, rule_priority } = planned;
            settled.failures.push(Failure { image, action, rule_priority, lists });
        } else {
            settled.actions.push(planned);
        }
    }
    (settled, protections)
}
