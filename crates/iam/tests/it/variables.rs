//! Policy variables.

use iam::{Context, Reason, Source};

use crate::cases;
use crate::support::{REPOSITORY, Row, run, run_conditions, run_rows};

const GUIDE: &str = "IAM User Guide: Policy variables";
const DEFAULTS: &str = "IAM User Guide: Policy variables, default values";
const SPECIAL: &str = "IAM User Guide: Policy variables, special characters";
const UNRESOLVED: &str = "reference/access.md 5, unresolved variable";
const MULTIVALUED: &str = "IAM User Guide: Policy variables, multivalued keys";
const VERSION: &str = "reference/access.md 5, Version";

#[rustfmt::skip]
pub const IN_CONDITIONS: &[Row] = &[
    ("a tag equals another", GUIDE, "{'StringEquals':{'aws:ResourceTag/team':'${aws:PrincipalTag/team}'}}", "aws:ResourceTag/team=a;aws:PrincipalTag/team=a", true),
    ("a tag differs from another", GUIDE, "{'StringEquals':{'aws:ResourceTag/team':'${aws:PrincipalTag/team}'}}", "aws:ResourceTag/team=a;aws:PrincipalTag/team=b", false),
    ("case of the variable does not count", GUIDE, "{'StringEquals':{'aws:ResourceTag/owner':'${AWS:UserName}'}}", "aws:ResourceTag/owner=alice;aws:username=alice", true),
    ("within a text", GUIDE, "{'StringEquals':{'aws:ResourceTag/owner':'u-${aws:username}-x'}}", "aws:ResourceTag/owner=u-alice-x;aws:username=alice", true),
    ("two in one", GUIDE, "{'StringEquals':{'aws:userid':'${a:x}:${a:y}'}}", "aws:userid=1:2;a:x=1;a:y=2", true),
    ("before a wildcard", GUIDE, "{'StringLike':{'aws:userid':'${aws:username}*'}}", "aws:userid=alice-1;aws:username=alice", true),
    ("in an ARN", GUIDE, "{'ArnLike':{'aws:SourceArn':'arn:aws:s3:::${aws:username}/*'}}", "aws:SourceArn=arn:aws:s3:::alice/x;aws:username=alice", true),
    ("as a part of an ARN", GUIDE, "{'ArnLike':{'aws:SourceArn':'arn:aws:ecr:*:${aws:PrincipalAccount}:*'}}", "aws:SourceArn=arn:aws:ecr:us-east-1:1:repository/x;aws:PrincipalAccount=2", false),
    ("negated, equal", GUIDE, "{'StringNotEquals':{'aws:ResourceAccount':'${aws:PrincipalAccount}'}}", "aws:ResourceAccount=1;aws:PrincipalAccount=1", false),
    ("negated, other", GUIDE, "{'StringNotEquals':{'aws:ResourceAccount':'${aws:PrincipalAccount}'}}", "aws:ResourceAccount=1;aws:PrincipalAccount=2", true),
    ("in any case", GUIDE, "{'StringEqualsIgnoreCase':{'aws:ResourceTag/owner':'${aws:username}'}}", "aws:ResourceTag/owner=Alice;aws:username=aLICE", true),
    ("a wildcard in a value is plain text", SPECIAL, "{'StringLike':{'aws:ResourceTag/owner':'${aws:PrincipalTag/x}'}}", "aws:ResourceTag/owner=alice;aws:PrincipalTag/x=*", false),
    ("a star asked for as text", SPECIAL, "{'StringLike':{'aws:ResourceTag/x':'a${*}b'}}", "aws:ResourceTag/x=a*b", true),
    ("a star asked for as text is no wildcard", SPECIAL, "{'StringLike':{'aws:ResourceTag/x':'a${*}b'}}", "aws:ResourceTag/x=axb", false),
    ("a question mark asked for as text", SPECIAL, "{'StringLike':{'aws:ResourceTag/x':'a${?}'}}", "aws:ResourceTag/x=ab", false),
    ("a dollar asked for as text", SPECIAL, "{'StringEquals':{'aws:ResourceTag/x':'${$}{y}'}}", "aws:ResourceTag/x=${y}", true),
    ("a brace that is never closed is text", SPECIAL, "{'StringEquals':{'aws:ResourceTag/x':'${y'}}", "aws:ResourceTag/x=${y", true),
    ("missing", UNRESOLVED, "{'StringEquals':{'aws:ResourceTag/team':'${aws:PrincipalTag/team}'}}", "aws:ResourceTag/team=a", false),
    ("missing, compared with nothing", UNRESOLVED, "{'StringEquals':{'aws:ResourceTag/team':'${aws:PrincipalTag/team}'}}", "aws:ResourceTag/team=", false),
    ("missing, negated", UNRESOLVED, "{'StringNotEquals':{'aws:ResourceTag/team':'${aws:PrincipalTag/team}'}}", "aws:ResourceTag/team=a", false),
    ("missing, not like", UNRESOLVED, "{'StringNotLike':{'aws:ResourceTag/team':'${aws:PrincipalTag/team}*'}}", "aws:ResourceTag/team=a", false),
    ("missing, for all values", UNRESOLVED, "{'ForAllValues:StringNotEquals':{'aws:TagKeys':'${aws:PrincipalTag/team}'}}", "aws:TagKeys=a", false),
    ("missing beside a value that matches", UNRESOLVED, "{'StringEquals':{'aws:ResourceTag/team':['${aws:PrincipalTag/team}','a']}}", "aws:ResourceTag/team=a", true),
    ("missing, the key too, if it exists", "IAM User Guide: Policy variables, Note", "{'StringEqualsIfExists':{'aws:ResourceTag/team':'${aws:PrincipalTag/team}'}}", "", true),
    ("several values are no variable", MULTIVALUED, "{'StringEquals':{'aws:ResourceTag/k':'${aws:TagKeys}'}}", "aws:ResourceTag/k=a;aws:TagKeys=a|b", false),
];

#[rustfmt::skip]
pub const IN_RESOURCES: &[Row] = &[
    ("a repository per user", GUIDE, "'Resource':'arn:aws:ecr:*:*:repository/${aws:username}/*'", "aws:username=team", true),
    ("the repository of another user", GUIDE, "'Resource':'arn:aws:ecr:*:*:repository/${aws:username}/*'", "aws:username=bob", false),
    ("the own account", GUIDE, "'Resource':'arn:aws:ecr:*:${aws:PrincipalAccount}:repository/*'", "aws:PrincipalAccount=123456789012", true),
    ("a value with slashes", GUIDE, "'Resource':'arn:aws:ecr:*:*:repository/${aws:PrincipalTag/path}'", "aws:PrincipalTag/path=team/app", true),
    ("a value that looks like all", SPECIAL, "'Resource':'arn:aws:ecr:*:*:repository/${aws:PrincipalTag/path}'", "aws:PrincipalTag/path=*", false),
    ("a value with colons at the end", SPECIAL, "'Resource':'arn:aws:ecr:*:${aws:PrincipalTag/x}'", "aws:PrincipalTag/x=123456789012:repository/team/app", true),
    ("missing in a resource", UNRESOLVED, "'Resource':'arn:aws:ecr:*:*:repository/${aws:username}/*'", "", false),
    ("missing in what is excluded", UNRESOLVED, "'NotResource':'arn:aws:ecr:*:*:repository/${aws:username}/*'", "", false),
    ("missing in what is excluded for another reason", UNRESOLVED, "'NotResource':'arn:aws:s3:::${aws:username}'", "", false),
    ("excluded by its value", GUIDE, "'NotResource':'arn:aws:ecr:*:*:repository/${aws:username}/*'", "aws:username=team", false),
    ("a default", DEFAULTS, "'Resource':'arn:aws:ecr:*:*:repository/${aws:PrincipalTag/team, \\'team\\'}/*'", "", true),
    ("a default that is not needed", DEFAULTS, "'Resource':'arn:aws:ecr:*:*:repository/${aws:PrincipalTag/team, \\'team\\'}/*'", "aws:PrincipalTag/team=other", false),
    ("a default without spaces", DEFAULTS, "'Resource':'arn:aws:ecr:*:*:repository/${aws:PrincipalTag/team,\\'team\\'}/*'", "", true),
    ("an empty default", DEFAULTS, "'Resource':'arn:aws:ecr:*:*:repository/${aws:PrincipalTag/x, \\'\\'}team/*'", "", true),
];

const BY_USER: &str =
    "{'Effect':'Allow','Principal':'*','Action':'ecr:*','Resource':'arn:aws:ecr:*:*:repository/${aws:username}/*'}";
const DENY_BY_USER: &str =
    "{'Effect':'Deny','Principal':'*','Action':'ecr:*','Resource':'arn:aws:ecr:*:*:repository/${aws:username}/*'}";

cases! { OLD_VERSION:
    "a variable in a resource policy", VERSION, "alice" { repository: &[BY_USER], given: "aws:username=team" }
        => Reason::AllowedBy(Source::Repository);
    "2008-10-17 has no variables", VERSION, "alice" { repository: &[BY_USER], given: "aws:username=team", version: "2008-10-17" }
        => Reason::NotAllowedBy(Source::Identity);
    "an unresolved variable in a Deny does not match", UNRESOLVED, "builder" { repository: &[DENY_BY_USER], identity: &[crate::support::ALLOW] }
        => Reason::AllowedBy(Source::Identity);
    "a resolved variable in a Deny matches", GUIDE, "builder" { repository: &[DENY_BY_USER], identity: &[crate::support::ALLOW], given: "aws:username=team" }
        => Reason::DeniedBy(Source::Repository);
}

#[test]
fn in_conditions() {
    run_conditions(IN_CONDITIONS);
}

#[test]
fn in_resources() {
    run_rows(
        IN_RESOURCES,
        |element| format!("'Action':'*',{element}"),
        |given| ("ecr:PutImage".to_owned(), REPOSITORY.to_owned(), crate::support::context(given)),
    );
}

#[test]
fn by_version() {
    run(OLD_VERSION);
}

#[test]
fn keys_are_listed_once_and_in_lower_case() {
    const TEXT: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*",
        "Resource":["arn:aws:ecr:*:*:repository/${aws:UserName}","arn:aws:s3:::${*}"],
        "Condition":{"StringLike":{"aws:ResourceTag/Team":["${aws:PrincipalTag/Team, 'x'}","a"],"AWS:username":"b"}}}}"#;
    let policy = iam::Policy::parse(iam::PolicyKind::Identity, TEXT).expect("a policy");
    let keys: Vec<&str> = policy.keys().collect();
    assert_eq!(keys, ["aws:principaltag/team", "aws:resourcetag/team", "aws:username"]);
}

#[test]
fn names_of_keys_have_no_case() {
    let mut context = Context::default();
    context.set("aws:UserName", "alice");
    assert_eq!(context.get("AWS:username"), Some(["alice".to_owned()].as_slice()));
    context.set_all("aws:username", Vec::<String>::new());
    assert_eq!(context.get("aws:username"), None);
}
