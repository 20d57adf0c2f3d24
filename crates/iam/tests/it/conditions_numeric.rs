//! Numeric operators.

use crate::support::{Row, run_conditions};

const NUMERIC: &str = "IAM User Guide: Numeric condition operators";
const MISSING: &str = "reference/access.md 5, Missing key";
const EXISTS: &str = "IAM User Guide: ...IfExists condition operators";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("equal", NUMERIC, "{'NumericEquals':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=3600", true),
    ("equal, a JSON number", NUMERIC, "{'NumericEquals':{'aws:MultiFactorAuthAge':3600}}", "aws:MultiFactorAuthAge=3600", true),
    ("equal, not as text", NUMERIC, "{'NumericEquals':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=3600.0", true),
    ("not equal", NUMERIC, "{'NumericEquals':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=3601", false),
    ("one of several", NUMERIC, "{'NumericEquals':{'aws:MultiFactorAuthAge':['1','2']}}", "aws:MultiFactorAuthAge=2", true),
    ("unlike", NUMERIC, "{'NumericNotEquals':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=1", true),
    ("not unlike", NUMERIC, "{'NumericNotEquals':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=3600", false),
    ("unlike each of several", NUMERIC, "{'NumericNotEquals':{'aws:MultiFactorAuthAge':['1','2']}}", "aws:MultiFactorAuthAge=2", false),
    ("less", NUMERIC, "{'NumericLessThan':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=3599", true),
    ("less, numbers and not texts", NUMERIC, "{'NumericLessThan':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=400", true),
    ("not less at the limit", NUMERIC, "{'NumericLessThan':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=3600", false),
    ("less or equal at the limit", NUMERIC, "{'NumericLessThanEquals':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=3600", true),
    ("not less or equal", NUMERIC, "{'NumericLessThanEquals':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=3601", false),
    ("greater", NUMERIC, "{'NumericGreaterThan':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=10000", true),
    ("not greater at the limit", NUMERIC, "{'NumericGreaterThan':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=3600", false),
    ("greater or equal at the limit", NUMERIC, "{'NumericGreaterThanEquals':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=3600", true),
    ("not greater or equal", NUMERIC, "{'NumericGreaterThanEquals':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=0", false),
    ("less than any of several", NUMERIC, "{'NumericLessThan':{'aws:MultiFactorAuthAge':['10','100']}}", "aws:MultiFactorAuthAge=50", true),
    ("negative", NUMERIC, "{'NumericLessThan':{'aws:MultiFactorAuthAge':'0'}}", "aws:MultiFactorAuthAge=-1", true),
    ("decimals", NUMERIC, "{'NumericGreaterThan':{'aws:MultiFactorAuthAge':'0.5'}}", "aws:MultiFactorAuthAge=0.75", true),
    ("integers too long for a float", NUMERIC, "{'NumericEquals':{'aws:EpochTime':'9007199254740993'}}", "aws:EpochTime=9007199254740992", false),
    ("integers past 2^63", NUMERIC, "{'NumericEquals':{'aws:EpochTime':'9223372036854775808'}}", "aws:EpochTime=9223372036854775809", false),
    ("JSON integers past 2^64", NUMERIC, "{'NumericLessThan':{'aws:EpochTime':18446744073709551617}}", "aws:EpochTime=18446744073709551616", true),
    ("an integer past 2^64 in another spelling", NUMERIC, "{'NumericEquals':{'aws:EpochTime':'18446744073709551616'}}", "aws:EpochTime=18446744073709551616.0", true),
    ("decimals too fine for a float", NUMERIC, "{'NumericGreaterThan':{'aws:EpochTime':'0.10000000000000000001'}}", "aws:EpochTime=0.1", false),
    ("no number in the request", NUMERIC, "{'NumericEquals':{'aws:MultiFactorAuthAge':'0'}}", "aws:MultiFactorAuthAge=zero", false),
    ("infinity is no number", NUMERIC, "{'NumericGreaterThan':{'aws:MultiFactorAuthAge':'0'}}", "aws:MultiFactorAuthAge=inf", false),
    ("no number in the request, unlike", NUMERIC, "{'NumericNotEquals':{'aws:MultiFactorAuthAge':'0'}}", "aws:MultiFactorAuthAge=zero", true),
    ("missing key", MISSING, "{'NumericLessThan':{'aws:MultiFactorAuthAge':'3600'}}", "", false),
    ("missing key, unlike", MISSING, "{'NumericNotEquals':{'aws:MultiFactorAuthAge':'3600'}}", "", true),
    ("missing key, if it exists", EXISTS, "{'NumericLessThanIfExists':{'aws:MultiFactorAuthAge':'3600'}}", "", true),
    ("too great, if it exists", EXISTS, "{'NumericLessThanIfExists':{'aws:MultiFactorAuthAge':'3600'}}", "aws:MultiFactorAuthAge=7200", false),
];

#[test]
fn numbers() {
    run_conditions(ROWS);
}
