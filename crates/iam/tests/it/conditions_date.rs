//! Date operators.

use crate::support::{Row, run_conditions};

const DATE: &str = "IAM User Guide: Date condition operators";
const FORMS: &str = "IAM User Guide: Date condition operators, W3C ISO 8601 and epoch time";
const MISSING: &str = "reference/access.md 5, Missing key";
const EXISTS: &str = "IAM User Guide: ...IfExists condition operators";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("equal", DATE, "{'DateEquals':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-03-01T12:00:00Z", true),
    ("not equal", DATE, "{'DateEquals':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-03-01T12:00:01Z", false),
    ("equal in another zone", FORMS, "{'DateEquals':{'aws:CurrentTime':'2024-03-01T13:00:00+01:00'}}", "aws:CurrentTime=2024-03-01T12:00:00Z", true),
    ("equal, epoch in the policy", FORMS, "{'DateEquals':{'aws:CurrentTime':'1709294400'}}", "aws:CurrentTime=2024-03-01T12:00:00Z", true),
    ("equal, epoch as a JSON number", FORMS, "{'DateEquals':{'aws:CurrentTime':1709294400}}", "aws:CurrentTime=2024-03-01T12:00:00Z", true),
    ("equal, epoch in the request", FORMS, "{'DateEquals':{'aws:EpochTime':'2024-03-01T12:00:00Z'}}", "aws:EpochTime=1709294400", true),
    ("a day begins at midnight", FORMS, "{'DateEquals':{'aws:CurrentTime':'2024-03-01'}}", "aws:CurrentTime=2024-03-01T00:00:00Z", true),
    ("a month begins with its first day", FORMS, "{'DateEquals':{'aws:CurrentTime':'2024-03'}}", "aws:CurrentTime=2024-03-01T00:00:00Z", true),
    ("a year begins with its first day", FORMS, "{'DateEquals':{'aws:CurrentTime':'2024'}}", "aws:CurrentTime=2024-01-01T00:00:00Z", true),
    ("minutes are enough", FORMS, "{'DateEquals':{'aws:CurrentTime':'2024-03-01T12:00Z'}}", "aws:CurrentTime=2024-03-01T12:00:00Z", true),
    ("fractions count", FORMS, "{'DateEquals':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-03-01T12:00:00.001Z", false),
    ("unlike", DATE, "{'DateNotEquals':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-03-02T12:00:00Z", true),
    ("not unlike", DATE, "{'DateNotEquals':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-03-01T12:00:00Z", false),
    ("before", DATE, "{'DateLessThan':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-02-29T23:59:59Z", true),
    ("not before itself", DATE, "{'DateLessThan':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-03-01T12:00:00Z", false),
    ("until", DATE, "{'DateLessThanEquals':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-03-01T12:00:00Z", true),
    ("not until", DATE, "{'DateLessThanEquals':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-03-01T12:00:00.5Z", false),
    ("after", DATE, "{'DateGreaterThan':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2025-01-01T00:00:00Z", true),
    ("not after itself", DATE, "{'DateGreaterThan':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-03-01T12:00:00Z", false),
    ("from", DATE, "{'DateGreaterThanEquals':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-03-01T12:00:00Z", true),
    ("not from", DATE, "{'DateGreaterThanEquals':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=2024-03-01T11:59:59Z", false),
    ("within a window", DATE, "{'DateGreaterThan':{'aws:CurrentTime':'2024-03-01'},'DateLessThan':{'aws:CurrentTime':'2024-04-01'}}", "aws:CurrentTime=2024-03-15T00:00:00Z", true),
    ("outside a window", DATE, "{'DateGreaterThan':{'aws:CurrentTime':'2024-03-01'},'DateLessThan':{'aws:CurrentTime':'2024-04-01'}}", "aws:CurrentTime=2024-04-15T00:00:00Z", false),
    ("sessions before a day are revoked", "IAM User Guide: Revoke IAM role temporary credentials", "{'DateLessThan':{'aws:TokenIssueTime':'2024-03-01T12:00:00Z'}}", "aws:TokenIssueTime=2024-03-01T11:00:00Z", true),
    ("no date in the request", DATE, "{'DateLessThan':{'aws:CurrentTime':'2024-03-01T12:00:00Z'}}", "aws:CurrentTime=yesterday", false),
    ("missing key", MISSING, "{'DateLessThan':{'aws:TokenIssueTime':'2024-03-01'}}", "", false),
    ("missing key, unlike", MISSING, "{'DateNotEquals':{'aws:TokenIssueTime':'2024-03-01'}}", "", true),
    ("missing key, if it exists", EXISTS, "{'DateGreaterThanIfExists':{'aws:TokenIssueTime':'2024-03-01'}}", "", true),
    ("too early, if it exists", EXISTS, "{'DateGreaterThanIfExists':{'aws:TokenIssueTime':'2024-03-01'}}", "aws:TokenIssueTime=2024-02-01T00:00:00Z", false),
];

#[test]
fn dates() {
    run_conditions(ROWS);
}
