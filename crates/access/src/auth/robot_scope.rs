//! What a robot token is limited to, as a policy: so that the evaluator enforces it like everything else.

use iam::{Attached, PolicyError, PolicyKind};
use serde_json::json;
use store::tables::iam::robot_tokens::RobotToken;

use crate::Access;

/// The kinds of use that a token can be made for, and the actions that each takes.
pub const USES: [(&str, &[&str]); 3] = [
    (
        "pull",
        &[
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchCheckLayerAvailability",
            "ecr:ListImages",
            "ecr:DescribeImages",
            "ecr:BatchImportUpstreamImage",
        ],
    ),
    (
        "push",
        &[
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:InitiateLayerUpload",
            "ecr:UploadLayerPart",
            "ecr:CompleteLayerUpload",
            "ecr:PutImage",
            // Where a creation template covers the name: a token has no other way of creating a repository.
            "ecr:CreateRepository",
        ],
    ),
    ("delete", &["ecr:BatchDeleteImage"]),
];

/// The policy that a token's scope is.
pub fn policy(app: &Access, token: &RobotToken) -> Result<Attached, PolicyError> {
    let actions: Vec<&str> = USES
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
