//! The policy as rules that can be applied.

use crate::TagPattern;

/// The most rules of one policy (ECR service quotas: rules per lifecycle policy).
pub const MAX_RULES: usize = 50;

/// A valid lifecycle policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecyclePolicy {
    pub(crate) rules: Vec<Rule>,
}

impl LifecyclePolicy {
    /// The rules by ascending priority number: what comes first wins.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

/// One rule: what it selects, and what becomes of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `rulePriority`, at least 1; unique in the policy.
    pub priority: i64,
    pub description: Option<String>,
    pub selection: Selection,
    pub action: Action,
}

/// Which images a rule marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The tag requirement: what a rule matches, and shields from rules after it.
    pub tags: TagSelection,
    /// Only images of this class are considered (reference/lifecycle.md 3, step 1).
    pub storage_class: StorageClass,
    /// Which of the images that the rule matches it marks.
    pub count: Count,
}

/// `tagStatus` with its list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagSelection {
    Any,
    Untagged,
    /// `tagPrefixList`: each prefix starts some tag of the image.
    Prefixes(Vec<String>),
    /// `tagPatternList`: each pattern fits some tag of the image.
    Patterns(Vec<TagPattern>),
}

impl TagSelection {
    /// Whether an image with these tags satisfies the requirement.
    ///
    /// Every entry must match, but not the same tag (reference/lifecycle.md 1; ECR User Guide: lists are joined by AND).
    pub fn matches(&self, tags: &[&str]) -> bool {
        match self {
            Self::Any => true,
            Self::Untagged => tags.is_empty(),
            Self::Prefixes(prefixes) => {
                prefixes.iter().all(|prefix| tags.iter().any(|tag| tag.starts_with(prefix.as_str())))
            }
            Self::Patterns(patterns) => patterns.iter().all(|pattern| tags.iter().any(|tag| pattern.matches(tag))),
        }
    }
}

/// `countType` with `countNumber`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// `imageCountMoreThan`: all but the youngest `keep`.
    MoreThan { keep: i64 },
    /// `sinceImagePushed`.
    SincePushed { days: i64 },
    /// `sinceImagePulled`.
    SincePulled { days: i64 },
    /// `sinceImageTransitioned`.
    SinceTransitioned { days: i64 },
}

/// What a rule does with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The image is deleted.
    Expire,
    /// The image moves to another storage class.
    Transition { target: StorageClass },
}

/// Where an image is kept: `STANDARD` holds images in state ACTIVE, `ARCHIVE` those in state ARCHIVED.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StorageClass {
    #[default]
    Standard,
    Archive,
}
