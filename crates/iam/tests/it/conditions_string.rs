//! String operators, `Bool`, `BinaryEquals` and `Null`.

use crate::support::{Row, run_conditions};

const STRING: &str = "IAM User Guide: String condition operators";
const KEYS: &str = "IAM User Guide: Condition, key names";
const MISSING: &str = "reference/access.md 5, Missing key";
const EXISTS: &str = "IAM User Guide: ...IfExists condition operators";
const BOOL: &str = "IAM User Guide: Boolean condition operators";
const BINARY: &str = "IAM User Guide: Binary condition operators";
const NULL: &str = "IAM User Guide: Condition operator to check existence of condition keys";
const LOGIC: &str = "IAM User Guide: Conditions with multiple context keys or values";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("equal", STRING, "{'StringEquals':{'aws:username':'alice'}}", "aws:username=alice", true),
    ("not equal", STRING, "{'StringEquals':{'aws:username':'alice'}}", "aws:username=bob", false),
    ("case of values counts", STRING, "{'StringEquals':{'aws:username':'Alice'}}", "aws:username=alice", false),
    ("a star is a star", STRING, "{'StringEquals':{'aws:username':'a*'}}", "aws:username=alice", false),
    ("a star equals a star", STRING, "{'StringEquals':{'aws:username':'a*'}}", "aws:username=a*", true),
    ("an empty value", STRING, "{'StringEquals':{'aws:Referer':''}}", "aws:Referer=", true),
    ("values are alternatives", LOGIC, "{'StringEquals':{'aws:username':['alice','bob']}}", "aws:username=bob", true),
    ("none of the alternatives", LOGIC, "{'StringEquals':{'aws:username':['alice','bob']}}", "aws:username=carol", false),
    ("no alternative at all", LOGIC, "{'StringEquals':{'aws:username':[]}}", "aws:username=carol", false),
    ("case of keys does not count", KEYS, "{'StringEquals':{'AWS:UserName':'alice'}}", "aws:username=alice", true),
    ("case of tag keys does not count", KEYS, "{'StringEquals':{'aws:ResourceTag/Team':'a'}}", "aws:resourcetag/team=a", true),
    ("another tag", KEYS, "{'StringEquals':{'aws:ResourceTag/Team':'a'}}", "aws:ResourceTag/Stage=a", false),
    ("two keys must both hold", LOGIC, "{'StringEquals':{'aws:username':'alice','aws:ResourceTag/t':'x'}}", "aws:username=alice;aws:ResourceTag/t=y", false),
    ("two keys that both hold", LOGIC, "{'StringEquals':{'aws:username':'alice','aws:ResourceTag/t':'x'}}", "aws:username=alice;aws:ResourceTag/t=x", true),
    ("two operators must both hold", LOGIC, "{'StringEquals':{'aws:username':'alice'},'Bool':{'aws:SecureTransport':'true'}}", "aws:username=alice;aws:SecureTransport=false", false),
    ("no condition at all", LOGIC, "{}", "", true),
    ("unlike", STRING, "{'StringNotEquals':{'aws:username':'alice'}}", "aws:username=bob", true),
    ("not unlike", STRING, "{'StringNotEquals':{'aws:username':'alice'}}", "aws:username=alice", false),
    ("negated values exclude each", LOGIC, "{'StringNotEquals':{'aws:username':['alice','bob']}}", "aws:username=bob", false),
    ("outside all negated values", LOGIC, "{'StringNotEquals':{'aws:username':['alice','bob']}}", "aws:username=carol", true),
    ("equal in another case", STRING, "{'StringEqualsIgnoreCase':{'aws:username':'ALICE'}}", "aws:username=alice", true),
    ("equal in another case, other letters", STRING, "{'StringEqualsIgnoreCase':{'aws:PrincipalTag/name':'ÄRZTE'}}", "aws:PrincipalTag/name=ärzte", true),
    ("another word in any case", STRING, "{'StringEqualsIgnoreCase':{'aws:username':'ALICE'}}", "aws:username=alic", false),
    ("unlike in any case", STRING, "{'StringNotEqualsIgnoreCase':{'aws:username':'ALICE'}}", "aws:username=alice", false),
    ("unlike in any case, another word", STRING, "{'StringNotEqualsIgnoreCase':{'aws:username':'ALICE'}}", "aws:username=bob", true),
    ("like", STRING, "{'StringLike':{'aws:userid':'AROA*:run-?'}}", "aws:userid=AROABUILDER:run-1", true),
    ("like, but longer", STRING, "{'StringLike':{'aws:userid':'AROA*:run-?'}}", "aws:userid=AROABUILDER:run-12", false),
    ("like, case counts", STRING, "{'StringLike':{'aws:username':'A*'}}", "aws:username=alice", false),
    ("like one of several", STRING, "{'StringLike':{'aws:username':['b*','*ce']}}", "aws:username=alice", true),
    ("like crosses every character", STRING, "{'StringLike':{'token.actions.githubusercontent.com:sub':'repo:acme/*'}}", "token.actions.githubusercontent.com:sub=repo:acme/app:ref:refs/heads/main", true),
    ("not like", STRING, "{'StringNotLike':{'aws:username':'svc-*'}}", "aws:username=alice", true),
    ("not like, but it is", STRING, "{'StringNotLike':{'aws:username':'svc-*'}}", "aws:username=svc-ci", false),
    ("missing key, equals", MISSING, "{'StringEquals':{'aws:username':'alice'}}", "", false),
    ("missing key, like anything", MISSING, "{'StringLike':{'aws:username':'*'}}", "", false),
    ("missing key, not equals", MISSING, "{'StringNotEquals':{'aws:username':'alice'}}", "", true),
    ("missing key, not equals in any case", MISSING, "{'StringNotEqualsIgnoreCase':{'aws:username':'alice'}}", "", true),
    ("missing key, not like", MISSING, "{'StringNotLike':{'aws:username':'*'}}", "", true),
    ("missing key, if it exists", EXISTS, "{'StringEqualsIfExists':{'aws:username':'alice'}}", "", true),
    ("equal, if it exists", EXISTS, "{'StringEqualsIfExists':{'aws:username':'alice'}}", "aws:username=alice", true),
    ("not equal, if it exists", EXISTS, "{'StringEqualsIfExists':{'aws:username':'alice'}}", "aws:username=bob", false),
    ("like, if it exists", EXISTS, "{'StringLikeIfExists':{'aws:username':'a*'}}", "aws:username=bob", false),
    ("unlike, if it exists", EXISTS, "{'StringNotEqualsIfExists':{'aws:username':'alice'}}", "aws:username=alice", false),
    ("missing key, unlike, if it exists", EXISTS, "{'StringNotEqualsIfExists':{'aws:username':'alice'}}", "", true),
    ("true", BOOL, "{'Bool':{'aws:SecureTransport':'true'}}", "aws:SecureTransport=true", true),
    ("a JSON boolean", BOOL, "{'Bool':{'aws:SecureTransport':true}}", "aws:SecureTransport=true", true),
    ("true in another case", BOOL, "{'Bool':{'aws:SecureTransport':'TRUE'}}", "aws:SecureTransport=True", true),
    ("false", BOOL, "{'Bool':{'aws:SecureTransport':'false'}}", "aws:SecureTransport=false", true),
    ("false is not true", BOOL, "{'Bool':{'aws:SecureTransport':'true'}}", "aws:SecureTransport=false", false),
    ("missing boolean is not false", BOOL, "{'Bool':{'aws:MultiFactorAuthPresent':'false'}}", "", false),
    ("missing boolean, if it exists", EXISTS, "{'BoolIfExists':{'aws:MultiFactorAuthPresent':'false'}}", "", true),
    ("present boolean, if it exists", EXISTS, "{'BoolIfExists':{'aws:MultiFactorAuthPresent':'false'}}", "aws:MultiFactorAuthPresent=true", false),
    ("no boolean in the request", BOOL, "{'Bool':{'aws:SecureTransport':'true'}}", "aws:SecureTransport=1", false),
    ("equal bytes", BINARY, "{'BinaryEquals':{'key':'QmluYXJ5'}}", "key=QmluYXJ5", true),
    ("other bytes", BINARY, "{'BinaryEquals':{'key':'QmluYXJ5'}}", "key=QmluYXJ6", false),
    ("missing bytes", BINARY, "{'BinaryEquals':{'key':'QmluYXJ5'}}", "", false),
    ("absent as asked", NULL, "{'Null':{'aws:TokenIssueTime':'true'}}", "", true),
    ("present, not absent", NULL, "{'Null':{'aws:TokenIssueTime':'true'}}", "aws:TokenIssueTime=2024-01-01T00:00:00Z", false),
    ("present as asked", NULL, "{'Null':{'aws:TokenIssueTime':'false'}}", "aws:TokenIssueTime=2024-01-01T00:00:00Z", true),
    ("absent, not present", NULL, "{'Null':{'aws:TokenIssueTime':false}}", "", false),
    ("an empty value is present", NULL, "{'Null':{'aws:Referer':'false'}}", "aws:Referer=", true),
    ("either will do", NULL, "{'Null':{'aws:Referer':['true','false']}}", "", true),
];

#[test]
fn strings() {
    run_conditions(ROWS);
}
