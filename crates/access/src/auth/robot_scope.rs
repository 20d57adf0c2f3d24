//! What a robot token is limited to, as a policy: so that the evaluator enforces it like everything else.

use iam::{Attached, PolicyError, PolicyKind};
use serde_json::json;
use store::tables::iam::robot_tokens::{RobotToken, TokenUse};

use crate::Access;
use crate::action::Action;

/// The actions that a kind of use takes.
const fn actions(of: TokenUse) -> &'static [Action] {
    match of {
        TokenUse::Pull => &[
            Action::EcrBatchGetImage,
            Action::EcrGetDownloadUrlForLayer,
            Action::EcrBatchCheckLayerAvailability,
            Action::EcrListImages,
            Action::EcrDescribeImages,
            Action::EcrBatchImportUpstreamImage,
        ],
        TokenUse::Push => &[
            Action::EcrBatchCheckLayerAvailability,
            Action::EcrBatchGetImage,
            Action::EcrInitiateLayerUpload,
            Action::EcrUploadLayerPart,
            Action::EcrCompleteLayerUpload,
            Action::EcrPutImage,
            // Where a creation template covers the name: a token has no other way of creating a repository.
            Action::EcrCreateRepository,
        ],
        TokenUse::Delete => &[Action::EcrBatchDeleteImage],
    }
}

/// The policy that a token's scope is.
pub fn policy(app: &Access, token: &RobotToken) -> Result<Attached, PolicyError> {
    let actions: Vec<Action> = token.actions.iter().flat_map(|of| actions(*of)).copied().collect();
    let registry = &token.registry;
    let resources: Vec<String> = token.repositories.iter().map(|pattern| registry.repository_arn(pattern)).collect();
    let document = json!({
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": actions, "Resource": resources},
    });
    let policy = app.policies.of_resource(PolicyKind::Identity, &document.to_string())?;
    Ok(Attached { name: token.name.clone(), policy })
}
