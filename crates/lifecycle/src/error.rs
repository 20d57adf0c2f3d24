//! What can be wrong with a policy, with the texts that ECR answers.

use serde_json::Value;

use crate::{MAX_RULES, MAX_WILDCARDS};

/// Why a text is no lifecycle policy.
///
/// Displays as what follows `Lifecycle policy validation failure: ` in ECR's message. The texts are those of
/// reference/lifecycle.md 2, in the form of the JSON schema library behind them; where ECR's text is not known, it says
/// what to do and names the rule by its priority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not JSON, not an object, or with a number that no integer can hold.
    #[error("Could not map policyString into LifecyclePolicy.")]
    NotAPolicy,
    /// Members that an object must have, sorted.
    #[error("object has missing required properties ({})", list(.0))]
    MissingProperties(Vec<String>),
    /// Members that the language does not have, sorted.
    #[error("object instance has properties which are not allowed by the schema: ({})", list(.0))]
    UnknownProperties(Vec<String>),
    /// A value of another JSON type than `allowed`.
    #[error("instance type ({found}) does not match any allowed primitive type (allowed: [\"{allowed}\"])")]
    WrongType { found: &'static str, allowed: &'static str },
    /// A word that is not one of the `possible`; `found` is JSON.
    #[error("instance value ({found}) not found in enum (possible values: {})", list(.possible))]
    NotInEnum { found: String, possible: Vec<String> },
    /// Members that do not go together. (Out of 4 for selections: hashicorp/terraform-provider-aws#45909. Out of 2 for
    /// actions: cloudposse/terraform-aws-ecr#158.)
    #[error("instance failed to match exactly one schema (matched 0 out of {schemas})")]
    NoSchemaMatches { schemas: usize },
    /// Below what the schema asks for: 1, or 90 days in the archive (the latter's text is inferred).
    #[error("numeric instance is lower than the required minimum (minimum: {minimum}, found: {found})")]
    TooLow { minimum: i64, found: i64 },
    /// More than [`MAX_RULES`]; the text is inferred from the schema library.
    #[error("array is too long: must have at most {MAX_RULES} elements but instance has {0} elements")]
    TooManyRules(usize),
    /// `tagged` without a list, or with an empty one.
    #[error("Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.")]
    MissingTagList,
    /// Both `tagPrefixList` and `tagPatternList`.
    #[error("Must specify only one of tagPrefixList and tagPatternList (rulePriority {priority}).")]
    TwoTagLists { priority: i64 },
    /// `tag_status` as ECR prints it: `ANY` or `UNTAGGED`.
    #[error("Must not specify {member} when tagStatus={tag_status} (rulePriority {priority}).")]
    UnexpectedTagList { priority: i64, member: &'static str, tag_status: &'static str },
    /// More than [`MAX_WILDCARDS`] in one pattern.
    #[error("Must specify at most {MAX_WILDCARDS} wildcards in an entry of tagPatternList, but found {pattern}")]
    TooManyWildcards { pattern: String },
    /// An action that ECR does not offer for a count type.
    #[error("Must specify action type {action} when countType={count_type} (rulePriority {priority}).")]
    ActionOfCountType { priority: i64, count_type: &'static str, action: &'static str },
    /// Two rules of one priority.
    #[error("Rules must have unique rulePriority values, but found {0} more than once.")]
    DuplicatePriority(i64),
    /// Two rules of one class with the same prefixes or the same patterns.
    #[error(
        "Rules must have unique tag lists per storage class, but rulePriority {first} and {second} select the same."
    )]
    DuplicateTagList { first: i64, second: i64 },
    /// Two rules of one class for untagged images.
    #[error("Only one rule can select Untagged images per storage class")]
    SeveralUntagged,
    /// A rule for any image before another of its class.
    #[error("Rule for tagStatus=ANY must have the lowest priority per storage class")]
    AnyNotLast,
}

fn list(words: &[String]) -> String {
    Value::from(words).to_string()
}
