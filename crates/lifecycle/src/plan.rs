//! What is to be done, and what cannot be.

use crate::Action;

/// The outcome of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order to carry them out: the oldest first, but lists before what they name and subjects before their
    /// referrers.
    pub actions: Vec<Planned>,
    /// What a rule would act on but for a list; the oldest first.
    pub failures: Vec<Failure>,
}

/// One image and what happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Planned {
    /// The index in the images given.
    pub image: usize,
    pub action: Action,
    /// `appliedRulePriority`: the rule that selected the image, or the image whose referrer it is.
    pub rule_priority: i64,
}

/// An image that a list holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The index in the images given.
    pub image: usize,
    /// What would have happened to it.
    pub action: Action,
    pub rule_priority: i64,
    /// Digests of the lists that name the image and stay, sorted; never empty.
    pub lists: Vec<String>,
}

impl Failure {
    /// `failureCode` of the policy execution event (reference/lifecycle.md 5).
    pub const CODE: &str = "ImageReferencedByManifestList";

    /// `failureReason` of the policy execution event (reference/lifecycle.md 5).
    pub fn reason(&self) -> String {
        format!("Requested image referenced by manifest list: [{}]", self.lists.join(", "))
    }
}
