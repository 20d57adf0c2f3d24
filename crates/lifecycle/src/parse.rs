//! From a policy text to rules that can be applied.

use crate::schema::{RuleText, TagStatus};
use crate::{
    Action, Count, LifecyclePolicy, Options, PolicyError, Rule, Selection, TagPattern, TagSelection, schema, unique,
};

impl LifecyclePolicy {
    /// Reads and validates a policy as ECR does.
    ///
    /// The length of the text (100 to 30720 characters) is a matter of the operation (reference/lifecycle.md 1).
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Self::parse_with(text, &Options::default())
    }

    /// Reads and validates a policy, with extensions.
    pub fn parse_with(text: &str, options: &Options) -> Result<Self, PolicyError> {
        let rules = schema::read(text)?.into_iter().map(|rule| compile(rule, *options));
        let mut rules: Vec<Rule> = rules.collect::<Result<_, _>>()?;
        rules.sort_by_key(|rule| rule.priority);
        unique::check(&rules)?;
        Ok(Self { rules })
    }
}

fn compile(rule: RuleText, options: Options) -> Result<Rule, PolicyError> {
    check_action(&rule, options)?;
    let RuleText { priority, description, action, storage_class, count, tag_status, prefixes, patterns } = rule;
    let tags = compile_tags(priority, tag_status, prefixes, patterns)?;
    Ok(Rule { priority, description, selection: Selection { tags, storage_class, count }, action })
}

fn compile_tags(
    priority: i64,
    tag_status: TagStatus,
    prefixes: Option<Vec<String>>,
    patterns: Option<Vec<String>>,
) -> Result<TagSelection, PolicyError> {
    let (tag_status, selection) = match tag_status {
        TagStatus::Tagged => return compile_tag_lists(priority, prefixes, patterns),
        TagStatus::Any => ("ANY", TagSelection::Any),
        TagStatus::Untagged => ("UNTAGGED", TagSelection::Untagged),
    };
    let member = match (prefixes, patterns) {
        (None, None) => return Ok(selection),
        (Some(_), _) => "tagPrefixList",
        (None, Some(_)) => "tagPatternList",
    };
    Err(PolicyError::UnexpectedTagList { priority, member, tag_status })
}

fn compile_tag_lists(
    priority: i64,
    prefixes: Option<Vec<String>>,
    patterns: Option<Vec<String>>,
) -> Result<TagSelection, PolicyError> {
    let list = match (prefixes, patterns) {
        (Some(_), Some(_)) => return Err(PolicyError::TwoTagLists { priority }),
        (None, None) => return Err(PolicyError::MissingTagList),
        (Some(prefixes), None) => TagSelection::Prefixes(prefixes),
        (None, Some(patterns)) => {
            TagSelection::Patterns(patterns.iter().map(|pattern| TagPattern::new(pattern)).collect::<Result<_, _>>()?)
        }
    };
    // A list of nothing asks for nothing, and would match every image.
    let is_empty = match &list {
        TagSelection::Prefixes(prefixes) => prefixes.is_empty(),
        TagSelection::Patterns(patterns) => patterns.is_empty(),
        TagSelection::Any | TagSelection::Untagged => false,
    };
    if is_empty { Err(PolicyError::MissingTagList) } else { Ok(list) }
}

/// Pulled images can only be moved, archived ones only be deleted (reference/lifecycle.md 1).
fn check_action(rule: &RuleText, options: Options) -> Result<(), PolicyError> {
    let (count_type, action) = match (rule.count, rule.action) {
        (Count::SincePulled { .. }, Action::Expire) if !options.allow_expire_since_pulled => {
            ("sinceImagePulled", "transition")
        }
        (Count::SinceTransitioned { .. }, Action::Transition { .. }) => ("sinceImageTransitioned", "expire"),
        _ => return Ok(()),
    };
    Err(PolicyError::ActionOfCountType { priority: rule.priority, count_type, action })
}
