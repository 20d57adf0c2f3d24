//! `Resource` and `NotResource`.

use crate::support::{Row, run_rows};

const ACCESS: &str = "reference/access.md 5, Resource";
const LEVELS: &str = "reference/access.md 1, actions without resource level";
const GUIDE: &str = "IAM User Guide: Resource";
const NOT: &str = "IAM User Guide: NotResource";
const NAMES: &str = "IAM User Guide: ARNs, wildcards";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("the ARN itself", GUIDE, "'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/app'", "arn:aws:ecr:us-east-1:123456789012:repository/app", true),
    ("another repository", GUIDE, "'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/app'", "arn:aws:ecr:us-east-1:123456789012:repository/app2", false),
    ("case counts", ACCESS, "'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/App'", "arn:aws:ecr:us-east-1:123456789012:repository/app", false),
    ("everything", GUIDE, "'Resource':'*'", "arn:aws:ecr:us-east-1:123456789012:repository/app", true),
    ("everything of a service", NAMES, "'Resource':'arn:aws:ecr:*:*:*'", "arn:aws:ecr:us-east-1:123456789012:repository/app", true),
    ("an ARN that stops early", ACCESS, "'Resource':'arn:aws:ecr:*'", "arn:aws:ecr:us-east-1:123456789012:repository/app", true),
    ("an ARN that stops early, other service", ACCESS, "'Resource':'arn:aws:ecr:*'", "arn:aws:ecr-public::123456789012:repository/app", false),
    ("an ARN that stops after its service", ACCESS, "'Resource':'arn:aws:ecr'", "arn:aws:ecr:us-east-1:123456789012:repository/app", false),
    ("every repository", GUIDE, "'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/*'", "arn:aws:ecr:us-east-1:123456789012:repository/team/app", true),
    ("a star crosses slashes", ACCESS, "'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/*/app'", "arn:aws:ecr:us-east-1:123456789012:repository/a/b/app", true),
    ("a namespace", GUIDE, "'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/team/*'", "arn:aws:ecr:us-east-1:123456789012:repository/team/app", true),
    ("a namespace is not its bare name", GUIDE, "'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/team/*'", "arn:aws:ecr:us-east-1:123456789012:repository/team", false),
    ("a namespace is no prefix of a name", GUIDE, "'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/team/*'", "arn:aws:ecr:us-east-1:123456789012:repository/teams/app", false),
    ("one character", NAMES, "'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/app?'", "arn:aws:ecr:us-east-1:123456789012:repository/app1", true),
    ("one character may be a slash", ACCESS, "'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/a?b'", "arn:aws:ecr:us-east-1:123456789012:repository/a/b", true),
    ("one character is not none", NAMES, "'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/app?'", "arn:aws:ecr:us-east-1:123456789012:repository/app", false),
    ("any region", NAMES, "'Resource':'arn:aws:ecr:*:123456789012:repository/app'", "arn:aws:ecr:eu-west-1:123456789012:repository/app", true),
    ("some regions", NAMES, "'Resource':'arn:aws:ecr:eu-*:123456789012:repository/app'", "arn:aws:ecr:us-east-1:123456789012:repository/app", false),
    ("another account", GUIDE, "'Resource':'arn:aws:ecr:us-east-1:111122223333:repository/app'", "arn:aws:ecr:us-east-1:123456789012:repository/app", false),
    ("an account is not its prefix", NAMES, "'Resource':'arn:aws:ecr:us-east-1:1234:repository/app'", "arn:aws:ecr:us-east-1:123456789012:repository/app", false),
    ("a star in the region does not cross colons", ACCESS, "'Resource':'arn:aws:ecr:*:repository/app'", "arn:aws:ecr:us-east-1:123456789012:repository/app", false),
    ("a star in the service does not cross colons", ACCESS, "'Resource':'arn:aws:e*:repository/app'", "arn:aws:ecr:us-east-1:123456789012:repository/app", false),
    ("a star for the service", NAMES, "'Resource':'arn:aws:*:us-east-1:123456789012:repository/app'", "arn:aws:ecr:us-east-1:123456789012:repository/app", true),
    ("any partition", NAMES, "'Resource':'arn:*:ecr:us-east-1:123456789012:repository/app'", "arn:aws-cn:ecr:us-east-1:123456789012:repository/app", true),
    ("another partition", NAMES, "'Resource':'arn:aws-cn:ecr:*:*:repository/app'", "arn:aws:ecr:us-east-1:123456789012:repository/app", false),
    ("a star crosses colons in the last part", ACCESS, "'Resource':'arn:aws:secretsmanager:*:*:secret:ecr-pullthroughcache/*'", "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/hub:x", true),
    ("a star for the whole last part", ACCESS, "'Resource':'arn:aws:secretsmanager:*:*:*cache/*'", "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/hub", true),
    ("the public registry has no region", "reference/access.md 1", "'Resource':'arn:aws:ecr-public::123456789012:repository/*'", "arn:aws:ecr-public::123456789012:repository/app", true),
    ("a star for a part that is empty", "reference/access.md 1", "'Resource':'arn:aws:ecr-public:*:123456789012:registry/*'", "arn:aws:ecr-public::123456789012:registry/123456789012", true),
    ("a list is alternatives", GUIDE, "'Resource':['arn:aws:ecr:us-east-1:123456789012:repository/a','arn:aws:ecr:us-east-1:123456789012:repository/b']", "arn:aws:ecr:us-east-1:123456789012:repository/b", true),
    ("no resource, allowed by a star", LEVELS, "'Resource':'*'", "*", true),
    ("no resource, several stars", LEVELS, "'Resource':['arn:aws:ecr:*:*:*','*']", "*", true),
    ("no resource, not by an ARN", LEVELS, "'Resource':'arn:aws:ecr:*:*:*'", "*", false),
    ("no resource, not by every repository", LEVELS, "'Resource':'arn:aws:ecr:*:*:repository/*'", "*", false),
    ("all repositories asked for", "reference/access.md 2, _catalog", "'Resource':'arn:aws:ecr:*:*:repository/*'", "arn:aws:ecr:us-east-1:123456789012:repository/*", true),
    ("all repositories asked for, some allowed", "reference/access.md 2, _catalog", "'Resource':'arn:aws:ecr:*:*:repository/team/*'", "arn:aws:ecr:us-east-1:123456789012:repository/*", false),
    ("outside what is excluded", NOT, "'NotResource':'arn:aws:ecr:*:*:repository/prod/*'", "arn:aws:ecr:us-east-1:123456789012:repository/dev/app", true),
    ("what is excluded", NOT, "'NotResource':'arn:aws:ecr:*:*:repository/prod/*'", "arn:aws:ecr:us-east-1:123456789012:repository/prod/app", false),
    ("one of the excluded", NOT, "'NotResource':['arn:aws:ecr:*:*:repository/a','arn:aws:ecr:*:*:repository/b']", "arn:aws:ecr:us-east-1:123456789012:repository/b", false),
    ("no resource is not excluded by an ARN", NOT, "'NotResource':'arn:aws:ecr:*:*:repository/prod/*'", "*", true),
    ("everything is excluded", NOT, "'NotResource':'*'", "*", false),
];

#[test]
fn resources() {
    run_rows(
        ROWS,
        |element| format!("'Action':'*',{element}"),
        |resource| ("ecr:PutImage".to_owned(), resource.to_owned(), iam::Context::default()),
    );
}
