//! What a robot token is limited to, as a policy: so that the evaluator enforces it like everything else.

use iam::{Attached, PolicyError, PolicyKind};
use serde_json::json;
use store::tables::iam::robot_tokens::RobotToken;

use crate::Access;
use crate::action::Action;

/// The kinds of use that a token can be made for, and the actions that each takes.
pub const USES: [(&str, &[Action]); 3] = [
    (
        "pull",
        &[
            Action::EcrBatchGetImage,
            Action::EcrGetDownloadUrlForLayer,
            Action::EcrBatchCheckLayerAvailability,
            Action::EcrListImages,
            Action::EcrDescribeImages,
            Action::EcrBatchImportUpstreamImage,
        ],
    ),
    (
        "push",
        &[
            Action::EcrBatchCheckLayerAvailability,
            Action::EcrBatchGetImage,
            Action::EcrInitiateLayerUpload,
            Action::EcrUploadLayerPart,
            Action::EcrCompleteLayerUpload,
            Action::EcrPutImage,
            // Where a creation template covers the name: a token has no other way of creating a repository.
            Action::EcrCreateRepository,
        ],
    ),
    ("delete", &[Action::EcrBatchDeleteImage]),
];

/// The policy that a token's scope is.
pub fn policy(app: &Access, token: &RobotToken) -> Result<Attached, PolicyError> {
    let actions: Vec<Action> = USES
        .iter()
        .filter(|(name, _)| token.actions.iter().any(|action| action == name))
        .flat_map(|(_, actions)| actions.iter().copied())
        .collect();
    let registry = &token.registry;
    let resources: Vec<String> = token.repositories.iter().map(|pattern| registry.repository_arn(pattern)).collect();
    let document = json!({
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": actions, "Resource": resources},
    });
    let policy = app.policies.of_resource(PolicyKind::Identity, &document.to_string())?;
    Ok(Attached { name: token.name.clone(), policy })
}
