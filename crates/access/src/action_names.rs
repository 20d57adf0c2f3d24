//! What is said of an action that there is none of, so that one that is misspelt is not just denied.

use std::collections::BTreeSet;

use runtime::edit_distance::edit_distance;
use runtime::metrics::Operation;

use crate::action::Action;

/// So many letters of a name may be wrong for it to be the one that was meant.
const MAX_DISTANCE: usize = 3;

/// Every action of the services that Wharf has, and every operation: one that asks for the action of another is known by its
/// own name, too.
pub struct ActionNames(Vec<String>);

impl ActionNames {
    /// All actions, and the names of these operations.
    pub fn of(operations: impl Iterator<Item = Operation>) -> Self {
        let of_operations = operations.map(|operation| format!("{}:{}", operation.service, operation.name));
        let actions = Action::ALL.iter().map(ToString::to_string);
        let names: BTreeSet<String> = of_operations.chain(actions).collect();
        Self(names.into_iter().collect())
    }

    /// What to say of an action that nothing asks for; nothing of one that something does.
    pub fn warning(&self, action: &str) -> Option<String> {
        let Self(known) = self;
        if known.iter().any(|name| name.eq_ignore_ascii_case(action)) {
            return None;
        }
        let (service, _) = action.split_once(':')?;
        let is_served =
            known.iter().any(|name| name.split_once(':').is_some_and(|(of, _)| of.eq_ignore_ascii_case(service)));
        if !is_served {
            return Some(format!("Wharf has no service '{service}', so nothing asks for {action}"));
        }
        let lower = action.to_ascii_lowercase();
        let nearest = known.iter().map(|name| (edit_distance(&lower, &name.to_ascii_lowercase()), name)).min();
        let meant = nearest.filter(|(distance, _)| *distance <= MAX_DISTANCE);
        let meant = meant.map(|(_, name)| format!("; did you mean {name}?")).unwrap_or_default();
        Some(format!("no operation of Wharf asks for {action}{meant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_actions_are_said_and_others_are_not() {
        let operations = [("ecr", "PutImage"), ("ecr", "BatchGetImage"), ("kms", "Decrypt"), ("wharf", "ListJobs")];
        let operations = operations.into_iter().map(|(service, name)| Operation { service, name });
        let names = ActionNames::of(operations);
        for known in ["ecr:PutImage", "ECR:putimage", "sts:TagSession", "iam:PassRole", "kms:Decrypt", "wharf:ListJobs"]
        {
            assert_eq!(names.warning(known), None, "{known}");
        }
        for (action, said) in [
            ("ecr:PutImge", "no operation of Wharf asks for ecr:PutImge; did you mean ecr:PutImage?"),
            (
                "ecr:BatchGetImages",
                "no operation of Wharf asks for ecr:BatchGetImages; did you mean ecr:BatchGetImage?",
            ),
            ("ecr:Frobnicate", "no operation of Wharf asks for ecr:Frobnicate"),
            ("s3:GetObject", "Wharf has no service 's3', so nothing asks for s3:GetObject"),
        ] {
            assert_eq!(names.warning(action).as_deref(), Some(said));
        }
    }
}
