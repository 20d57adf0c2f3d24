//! The tag requirement of a rule.

use crate::support::{Row, run};
use lifecycle::Options;

const SYNTAX: &str = "reference/lifecycle.md 1";
const AND: &str = "reference/lifecycle.md 1: all entries must match";
const TAGGED: &str = "reference/lifecycle.md 3, step 5";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("no images", SYNTAX, "", "1 any keep 1", ""),
    ("no rules", SYNTAX, "A[a] 9d", "", ""),
    ("any: tagged", SYNTAX, "A[a] 9d", "1 any pushed 1", "A:1"),
    ("any: untagged", SYNTAX, "A[] 9d", "1 any pushed 1", "A:1"),
    ("untagged: untagged", SYNTAX, "A[] 9d", "1 untagged pushed 1", "A:1"),
    ("untagged: tagged", TAGGED, "A[a] 9d", "1 untagged pushed 1", ""),
    ("a pattern of everything: tagged", SYNTAX, "A[a] 9d", "1 * pushed 1", "A:1"),
    ("a pattern of everything: untagged", TAGGED, "A[] 9d", "1 * pushed 1", ""),
    ("an empty prefix: tagged", SYNTAX, "A[a] 9d", "1 ^ pushed 1", "A:1"),
    ("an empty prefix: untagged", TAGGED, "A[] 9d", "1 ^ pushed 1", ""),
    ("a prefix", SYNTAX, "A[prod-1] 9d", "1 ^prod pushed 1", "A:1"),
    ("a prefix is the whole tag", SYNTAX, "A[prod] 9d", "1 ^prod pushed 1", "A:1"),
    ("a prefix is longer than the tag", SYNTAX, "A[pro] 9d", "1 ^prod pushed 1", ""),
    ("a prefix within the tag", SYNTAX, "A[preprod] 9d", "1 ^prod pushed 1", ""),
    ("a prefix in another case", SYNTAX, "A[Prod-1] 9d", "1 ^prod pushed 1", ""),
    ("a star in a prefix is a star", SYNTAX, "A[prod-1] 9d", "1 ^prod* pushed 1", ""),
    ("a prefix of the second tag", SYNTAX, "A[x,prod-1] 9d", "1 ^prod pushed 1", "A:1"),
    ("two prefixes of two tags", AND, "A[alpha-1,beta-1] 9d", "1 ^alpha,^beta pushed 1", "A:1"),
    ("two prefixes of one tag", AND, "A[alpha-beta] 9d", "1 ^alpha,^alpha- pushed 1", "A:1"),
    ("only one of two prefixes", AND, "A[alpha-1] 9d", "1 ^alpha,^beta pushed 1", ""),
    ("a pattern without a star", SYNTAX, "A[prod] 9d", "1 prod pushed 1", "A:1"),
    ("a pattern without a star is the whole tag", SYNTAX, "A[prod-1] 9d", "1 prod pushed 1", ""),
    ("a pattern in another case", SYNTAX, "A[PROD-1] 9d", "1 prod* pushed 1", ""),
    ("a star at the end is for nothing", SYNTAX, "A[prod] 9d", "1 prod* pushed 1", "A:1"),
    ("a star at the end is anchored at the start", SYNTAX, "A[xprod] 9d", "1 prod* pushed 1", ""),
    ("a star at the start", SYNTAX, "A[1-prod] 9d", "1 *prod pushed 1", "A:1"),
    ("a star at the start is anchored at the end", SYNTAX, "A[1-prod-2] 9d", "1 *prod pushed 1", ""),
    ("a star at the start is for nothing", SYNTAX, "A[prod] 9d", "1 *prod pushed 1", "A:1"),
    ("a star in the middle", SYNTAX, "A[v1-rc] 9d", "1 v*-rc pushed 1", "A:1"),
    ("a star in the middle, other end", SYNTAX, "A[v1-rc1] 9d", "1 v*-rc pushed 1", ""),
    ("the ends do not overlap", SYNTAX, "A[aba] 9d", "1 aba*ba pushed 1", ""),
    ("the ends meet", SYNTAX, "A[ababa] 9d", "1 aba*ba pushed 1", "A:1"),
    ("a part between two stars", SYNTAX, "A[1-test-2] 9d", "1 *test* pushed 1", "A:1"),
    ("a part between two stars is absent", SYNTAX, "A[1-tes-2] 9d", "1 *test* pushed 1", ""),
    ("parts in order", SYNTAX, "A[xaybz] 9d", "1 *a*b* pushed 1", "A:1"),
    ("parts out of order", SYNTAX, "A[xbyaz] 9d", "1 *a*b* pushed 1", ""),
    ("one part does not serve two stars", SYNTAX, "A[xay] 9d", "1 *a*a* pushed 1", ""),
    ("a part must not take the end", SYNTAX, "A[ab] 9d", "1 *b*b pushed 1", ""),
    ("a later place of a part serves", SYNTAX, "A[aab] 9d", "1 a*ab pushed 1", "A:1"),
    ("four stars", SYNTAX, "A[1test21x3] 9d", "1 *test*1*3* pushed 1", "A:1"),
    ("stars in a row", SYNTAX, "A[ab] 9d", "1 a**b pushed 1", "A:1"),
    ("a question mark is itself", SYNTAX, "A[prod1] 9d", "1 prod? pushed 1", ""),
    ("a dot is itself", SYNTAX, "A[v1x2] 9d", "1 v1.2 pushed 1", ""),
    ("two patterns of two tags", AND, "A[alpha-1,beta-1] 9d", "1 alpha*,*-1,beta* pushed 1", "A:1"),
    ("two patterns of one tag", AND, "A[alpha-beta] 9d", "1 alpha*,*beta pushed 1", "A:1"),
    ("only one of two patterns", AND, "A[alpha-1,gamma-1] 9d", "1 alpha*,beta* pushed 1", ""),
    ("one tag of many", SYNTAX, "A[a,b,c,prod-1,d] 9d", "1 prod* pushed 1", "A:1"),
];

#[test]
fn tag_requirements() {
    run(ROWS, Options::default());
}
