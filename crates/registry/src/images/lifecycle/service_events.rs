//! What CloudTrail is told of lifecycle policies: what a run has done, what it could not do, and what a preview says
//! (reference/lifecycle.md 5).

use ::lifecycle::{Action, Count, LifecyclePolicy, Rule, TagSelection};
use access::audit::ServiceEvent;
use serde_json::{Value, json};
use store::error::StoreError;
use store::tables::repositories::Repository;

use super::decision::{Selected, Unable};
use super::run::ReportedFailure;

/// The event of a run.
pub const EXECUTION: &str = "PolicyExecutionEvent";
/// The event of a preview.
pub const DRY_RUN: &str = "DryRunEvent";
/// Images that one event names, and tags of each.
pub const IMAGES_PER_EVENT: usize = 10;
const MAX_TAGS: usize = 100;

/// An image that a policy acts on, as an event tells of it.
pub fn action(digest: &str, tags: &[String], pushed_at_ms: i64, rule_priority: i64) -> Value {
    let tag_status = if tags.is_empty() { "Untagged" } else { "Tagged" };
    let image = json!({
        "digest": digest,
        "tagStatus": tag_status,
        "tagList": tags.iter().take(MAX_TAGS).collect::<Vec<_>>(),
        "pushedAt": pushed_at_ms,
    });
    json!({ "lifecycleEventImage": image, "rulePriority": rule_priority })
}

/// An image that a policy would act on, but for a reason.
pub fn failure(digest: &str, tags: &[String], pushed_at_ms: i64, why: &ReportedFailure) -> Value {
    let mut failure = action(digest, tags, pushed_at_ms, why.rule_priority);
    failure["failureCode"] = why.code.as_str().into();
    failure["failureReason"] = why.reason.as_str().into();
    failure
}

/// What a decision would do.
pub fn planned(selected: &Selected) -> Value {
    action(&selected.digest, &selected.tags, selected.pushed_at_ms, selected.rule_priority)
}

/// What a decision would do, but for a reason.
pub fn unable(unable: &Unable) -> Value {
    let selected = &unable.selected;
    failure(&selected.digest, &selected.tags, selected.pushed_at_ms, &unable.into())
}

/// The events of one policy of one repository.
pub struct PolicyEvents<'a> {
    /// [`EXECUTION`] or [`DRY_RUN`].
    pub name: &'static str,
    /// The repository.
    pub repository: &'a Repository,
    /// The policy.
    pub policy_text: &'a str,
    /// When the repository's policy ran last, before this.
    pub last_evaluated_at_ms: i64,
}

impl PolicyEvents<'_> {
    /// As many events as the images make: actions first, then failures; none for none.
    pub fn of(&self, actions: &[Value], failures: &[Value]) -> Result<Vec<ServiceEvent>, StoreError> {
        let policy = self.policy()?;
        let by_action = actions.chunks(IMAGES_PER_EVENT).map(|some| self.event(&policy, some, &[]));
        let by_failure = failures.chunks(IMAGES_PER_EVENT).map(|some| self.event(&policy, &[], some));
        Ok(by_action.chain(by_failure).collect())
    }

    /// The event of an evaluation that found nothing to do.
    pub fn of_nothing(&self) -> Result<ServiceEvent, StoreError> {
        Ok(self.event(&self.policy()?, &[], &[]))
    }

    fn event(&self, policy: &Value, actions: &[Value], failures: &[Value]) -> ServiceEvent {
        let name = self.repository.spec.name.as_str();
        ServiceEvent {
            registry: self.repository.spec.registry.clone(),
            name: self.name,
            repositories: vec![name.to_owned()],
            details: json!({
                "repositoryName": name,
                "lifecycleEventPolicy": policy,
                "lifecycleEventImageActions": actions,
                "lifecycleEventFailureDetails": failures,
            }),
        }
    }

    /// The policy. A text is never changed, only replaced: each has an id of its own, and one version.
    fn policy(&self) -> Result<Value, StoreError> {
        let parsed: LifecyclePolicy = super::parse(self.policy_text)
            .map_err(|error| super::run::damaged("a lifecycle policy").with_source(error))?;
        let whose = self.repository.spec.registry.repository_arn(self.repository.spec.name.as_str());
        let hash = oci::Digest::sha256_of(format!("{whose}\n{}", self.policy_text).as_bytes()).hex();
        let half = u128::from_str_radix(&hash[..32], 16).expect("a hash is 64 hexadecimal digits");
        let id = uuid::Builder::from_random_bytes(half.to_be_bytes()).into_uuid();
        Ok(json!({
            "lifecycleEventRules": parsed.rules().iter().map(rule).collect::<Vec<_>>(),
            "lastEvaluatedAt": self.last_evaluated_at_ms,
            "policyVersion": 1,
            "policyId": id.to_string(),
        }))
    }
}

fn rule(rule: &Rule) -> Value {
    let (tag_status, prefixes, patterns) = match &rule.selection.tags {
        TagSelection::Any => ("Any", Vec::new(), Vec::new()),
        TagSelection::Untagged => ("Untagged", Vec::new(), Vec::new()),
        TagSelection::Prefixes(prefixes) => ("Tagged", prefixes.iter().map(String::as_str).collect(), Vec::new()),
        TagSelection::Patterns(patterns) => {
            ("Tagged", Vec::new(), patterns.iter().map(::lifecycle::TagPattern::as_str).collect())
        }
    };
    let (count_type, count_number) = match rule.selection.count {
        Count::MoreThan { keep } => ("Image count more than", keep),
        Count::SincePushed { days } => ("Since image pushed", days),
        Count::SincePulled { days } => ("Since image pulled", days),
        Count::SinceTransitioned { days } => ("Since image transitioned", days),
    };
    let mut selection = json!({
        "tagStatus": tag_status,
        "tagPrefixList": prefixes,
        "countType": count_type,
        "countNumber": count_number,
    });
    if !patterns.is_empty() {
        selection["tagPatternList"] = patterns.into();
    }
    json!({
        "rulePriority": rule.priority,
        "description": rule.description,
        "lifecycleEventSelection": selection,
        "action": match rule.action {
            Action::Expire => "expire",
            Action::Transition { .. } => "transition",
        },
    })
}
