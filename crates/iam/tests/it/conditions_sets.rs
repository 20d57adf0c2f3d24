//! `ForAllValues`, `ForAnyValue`, and keys with several values without either.

use crate::support::{Row, run_conditions};

const SETS: &str = "IAM User Guide: Set operators for multivalued context keys";
const EMPTY: &str = "reference/access.md 5, Set prefixes";
const PLAIN: &str = "reference/access.md 5, Condition: values OR, negated NOR";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("all are among them", SETS, "{'ForAllValues:StringEquals':{'aws:TagKeys':['team','stage']}}", "aws:TagKeys=team|stage", true),
    ("some are among them", SETS, "{'ForAllValues:StringEquals':{'aws:TagKeys':['team','stage']}}", "aws:TagKeys=team", true),
    ("one is not among them", SETS, "{'ForAllValues:StringEquals':{'aws:TagKeys':['team','stage']}}", "aws:TagKeys=team|owner", false),
    ("all of none", EMPTY, "{'ForAllValues:StringEquals':{'aws:TagKeys':['team']}}", "", true),
    ("all are like", SETS, "{'ForAllValues:StringLike':{'aws:TagKeys':'team-*'}}", "aws:TagKeys=team-a|team-b", true),
    ("one is not like", SETS, "{'ForAllValues:StringLike':{'aws:TagKeys':'team-*'}}", "aws:TagKeys=team-a|b", false),
    ("all in any case", SETS, "{'ForAllValues:StringEqualsIgnoreCase':{'aws:TagKeys':['TEAM','STAGE']}}", "aws:TagKeys=team|Stage", true),
    ("all are unlike", SETS, "{'ForAllValues:StringNotEquals':{'aws:TagKeys':['secret','owner']}}", "aws:TagKeys=team|stage", true),
    ("not all are unlike", SETS, "{'ForAllValues:StringNotEquals':{'aws:TagKeys':['secret','owner']}}", "aws:TagKeys=team|owner", false),
    ("all of none are unlike", EMPTY, "{'ForAllValues:StringNotEquals':{'aws:TagKeys':'secret'}}", "", true),
    ("all and there must be some", SETS, "{'ForAllValues:StringEquals':{'aws:TagKeys':'team'},'Null':{'aws:TagKeys':'false'}}", "", false),
    ("all and there are some", SETS, "{'ForAllValues:StringEquals':{'aws:TagKeys':'team'},'Null':{'aws:TagKeys':'false'}}", "aws:TagKeys=team", true),
    ("any is among them", SETS, "{'ForAnyValue:StringEquals':{'aws:TagKeys':['team','stage']}}", "aws:TagKeys=owner|stage", true),
    ("none is among them", SETS, "{'ForAnyValue:StringEquals':{'aws:TagKeys':['team','stage']}}", "aws:TagKeys=owner|cost", false),
    ("any of none", EMPTY, "{'ForAnyValue:StringEquals':{'aws:TagKeys':'team'}}", "", false),
    ("any is like", SETS, "{'ForAnyValue:StringLike':{'aws:CalledVia':'*.amazonaws.com'}}", "aws:CalledVia=x|athena.amazonaws.com", true),
    ("any is unlike", SETS, "{'ForAnyValue:StringNotEquals':{'aws:TagKeys':'team'}}", "aws:TagKeys=team|owner", true),
    ("none is unlike", SETS, "{'ForAnyValue:StringNotEquals':{'aws:TagKeys':'team'}}", "aws:TagKeys=team", false),
    ("any of none is unlike", EMPTY, "{'ForAnyValue:StringNotEquals':{'aws:TagKeys':'team'}}", "", false),
    ("any is not like", SETS, "{'ForAnyValue:StringNotLike':{'aws:TagKeys':'t*'}}", "aws:TagKeys=team|tag", false),
    ("any of none, if it exists", SETS, "{'ForAnyValue:StringEqualsIfExists':{'aws:TagKeys':'team'}}", "", true),
    ("any, if it exists, among them", SETS, "{'ForAnyValue:StringEqualsIfExists':{'aws:TagKeys':'team'}}", "aws:TagKeys=owner", false),
    ("all, if it exists, one is not", SETS, "{'ForAllValues:StringEqualsIfExists':{'aws:TagKeys':'team'}}", "aws:TagKeys=team|owner", false),
    ("any number", SETS, "{'ForAnyValue:NumericGreaterThan':{'key':'10'}}", "key=5|11", true),
    ("all numbers", SETS, "{'ForAllValues:NumericGreaterThan':{'key':'10'}}", "key=5|11", false),
    ("all ARNs", SETS, "{'ForAllValues:ArnLike':{'key':'arn:aws:s3:::*'}}", "key=arn:aws:s3:::a|arn:aws:s3:::b", true),
    ("any ARN", SETS, "{'ForAnyValue:ArnEquals':{'key':'arn:aws:s3:::b'}}", "key=arn:aws:s3:::a|arn:aws:s3:::b", true),
    ("all booleans", SETS, "{'ForAllValues:Bool':{'key':'true'}}", "key=true|false", false),
    ("any address", SETS, "{'ForAnyValue:IpAddress':{'key':'10.0.0.0/8'}}", "key=192.0.2.1|10.1.1.1", true),
    ("any date", SETS, "{'ForAnyValue:DateLessThan':{'key':'2024-01-01'}}", "key=2025-01-01|2023-01-01", true),
    ("plain, any matches", PLAIN, "{'StringEquals':{'aws:TagKeys':'team'}}", "aws:TagKeys=owner|team", true),
    ("plain, none matches", PLAIN, "{'StringEquals':{'aws:TagKeys':'team'}}", "aws:TagKeys=owner|cost", false),
    ("plain and negated, none may match", PLAIN, "{'StringNotEquals':{'aws:TagKeys':'team'}}", "aws:TagKeys=owner|team", false),
    ("plain and negated, none does", PLAIN, "{'StringNotEquals':{'aws:TagKeys':'team'}}", "aws:TagKeys=owner|cost", true),
];

#[test]
fn sets() {
    run_conditions(ROWS);
}
