//! ARN operators.

use crate::support::{Row, run_conditions};

const ARN: &str = "IAM User Guide: ARN condition operators";
const MISSING: &str = "reference/access.md 5, Missing key";
const EXISTS: &str = "IAM User Guide: ...IfExists condition operators";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("equal", ARN, "{'ArnEquals':{'aws:PrincipalArn':'arn:aws:iam::123456789012:role/ci/Builder'}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/ci/Builder", true),
    ("not equal", ARN, "{'ArnEquals':{'aws:PrincipalArn':'arn:aws:iam::123456789012:role/Builder'}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/ci/Builder", false),
    ("equals takes wildcards", ARN, "{'ArnEquals':{'aws:PrincipalArn':'arn:aws:iam::123456789012:role/ci/*'}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/ci/Builder", true),
    ("like", ARN, "{'ArnLike':{'aws:PrincipalArn':'arn:aws:iam::*:role/ci/*'}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/ci/Builder", true),
    ("like, one character", ARN, "{'ArnLike':{'aws:PrincipalArn':'arn:aws:iam::12345678901?:role/ci/Builder'}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/ci/Builder", true),
    ("case counts", ARN, "{'ArnLike':{'aws:PrincipalArn':'arn:aws:iam::123456789012:role/ci/builder'}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/ci/Builder", false),
    ("another service", ARN, "{'ArnLike':{'aws:SourceArn':'arn:aws:s3:::*'}}", "aws:SourceArn=arn:aws:codebuild:us-east-1:123456789012:project/p", false),
    ("anything", ARN, "{'ArnLike':{'aws:SourceArn':'*'}}", "aws:SourceArn=arn:aws:s3:::bucket", true),
    ("a star stays in its part", ARN, "{'ArnLike':{'aws:PrincipalArn':'arn:aws:*:role/ci/Builder'}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/ci/Builder", false),
    ("a star crosses colons in the last part", ARN, "{'ArnLike':{'aws:SourceArn':'arn:aws:secretsmanager:*:*:secret*'}}", "aws:SourceArn=arn:aws:secretsmanager:us-east-1:123456789012:secret:x", true),
    ("an empty part is not any part", ARN, "{'ArnLike':{'aws:SourceArn':'arn:aws:codebuild::123456789012:project/p'}}", "aws:SourceArn=arn:aws:codebuild:us-east-1:123456789012:project/p", false),
    ("one of several", ARN, "{'ArnLike':{'aws:SourceArn':['arn:aws:s3:::*','arn:aws:codebuild:*:*:project/*']}}", "aws:SourceArn=arn:aws:codebuild:us-east-1:123456789012:project/p", true),
    ("no ARN in the request", ARN, "{'ArnLike':{'aws:SourceArn':'arn:aws:s3:::*'}}", "aws:SourceArn=bucket", false),
    ("not equals", ARN, "{'ArnNotEquals':{'aws:PrincipalArn':'arn:aws:iam::123456789012:role/x'}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/y", true),
    ("not equals, but it is", ARN, "{'ArnNotEquals':{'aws:PrincipalArn':'arn:aws:iam::123456789012:role/y'}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/y", false),
    ("not like", ARN, "{'ArnNotLike':{'aws:PrincipalArn':'arn:aws:iam::*:role/x*'}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/y", true),
    ("not like, but one is", ARN, "{'ArnNotLike':{'aws:PrincipalArn':['arn:aws:iam::*:role/x*','arn:aws:iam::*:role/y*']}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/y", false),
    ("missing key", MISSING, "{'ArnLike':{'aws:SourceArn':'*'}}", "", false),
    ("missing key, not like", MISSING, "{'ArnNotLike':{'aws:SourceArn':'*'}}", "", true),
    ("missing key, not equals", MISSING, "{'ArnNotEquals':{'aws:SourceArn':'arn:aws:s3:::b'}}", "", true),
    ("missing key, if it exists", EXISTS, "{'ArnLikeIfExists':{'aws:SourceArn':'arn:aws:s3:::*'}}", "", true),
    ("another, if it exists", EXISTS, "{'ArnEqualsIfExists':{'aws:SourceArn':'arn:aws:s3:::a'}}", "aws:SourceArn=arn:aws:s3:::b", false),
    ("string operators see no parts", "IAM User Guide: String condition operators", "{'StringLike':{'aws:PrincipalArn':'arn:*:role/ci/Builder'}}", "aws:PrincipalArn=arn:aws:iam::123456789012:role/ci/Builder", true),
];

#[test]
fn arns() {
    run_conditions(ROWS);
}
