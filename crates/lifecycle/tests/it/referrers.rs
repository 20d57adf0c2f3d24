//! Images that have a subject.

use crate::support::{Row, run};
use lifecycle::Options;

const ALONE: &str = "reference/lifecycle.md 3, step 4: not selected on their own";
const FOLLOW: &str = "reference/lifecycle.md 3, step 4: after their subject";
const HOLD: &str = "reference/lifecycle.md 3, step 4: lists hold";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("a referrer is not selected", ALONE, "A[a] 9d; S[] 9d of=A", "1 untagged pushed 1", ""),
    ("a tagged referrer is not selected", ALONE, "A[a] 9d; S[sig] 9d of=A", "1 sig pushed 1", ""),
    ("a referrer takes no place", ALONE, "A[a] 9d; S[] 1d of=A", "1 any keep 1", ""),
    ("referrers take no places", ALONE, "A[a] 9d; S[] 8d of=A; B[b] 7d; T[] 6d of=B", "1 any keep 2", ""),
    ("a referrer goes with its subject", FOLLOW, "A[a] 9d; S[] 9d of=A", "1 a pushed 1", "A:1 S:1"),
    ("a young referrer goes with its subject", FOLLOW, "A[a] 9d; S[] 0d of=A", "1 a pushed 1", "A:1 S:1"),
    ("a referrer older than its subject goes after it", FOLLOW, "A[a] 5d; S[] 9d of=A; B[a] 7d", "1 a pushed 1", "B:1 A:1 S:1"),
    ("a referrer that a rule shields goes with its subject", FOLLOW, "A[a] 9d; S[sig] 9d of=A", "1 sig pushed 99; 2 any pushed 1", "A:2 S:2"),
    ("only the referrers of what goes", FOLLOW, "A[a] 9d; S[] 9d of=A; B[b] 9d; T[] 9d of=B", "1 a pushed 1", "A:1 S:1"),
    ("several referrers", FOLLOW, "A[a] 9d; S[] 8d of=A; T[] 7d of=A", "1 a pushed 1", "A:1 S:1 T:1"),
    ("a referrer of a referrer", FOLLOW, "A[a] 9d; S[] 8d of=A; T[] 9d of=S", "1 a pushed 1", "A:1 S:1 T:1"),
    ("the subject stays, so does the chain", FOLLOW, "A[a] 9d; S[] 8d of=A; T[] 9d of=S", "1 untagged pushed 1", ""),
    ("a referrer is archived with its subject", FOLLOW, "A[a] 40d; S[] 40d pulled=1d of=A", "1 any pulled 30 archive", "A>1 S>1"),
    ("a referrer in the archive is not archived again", FOLLOW, "A[a] 40d; S[] 40d archived=9d archive of=A", "1 a pulled 30 archive", "A>1"),
    ("a referrer in the archive expires with its subject", FOLLOW, "A[a] 40d; S[] 40d archived=9d archive of=A", "1 a pushed 30", "A:1 S:1"),
    ("a referrer left behind expires with a subject in the archive", FOLLOW, "A[a] 400d archived=100d archive; S[] 1d of=A", "1 any transitioned 90", "A:1 S:1"),
    ("a subject that was not given", ALONE, "S[] 9d of=A", "1 any pushed 1", ""),
    ("a subject that is held keeps its referrer", HOLD, "L[v1] 1d; A[a] 9d in=L; S[] 9d of=A", "1 a pushed 5", "| A:1(L)"),
    ("a referrer of a list", FOLLOW, "L[v1] 9d; C[] 9d in=L; S[] 9d of=L", "1 v* pushed 1", "L:1 S:1"),
    ("a referrer in a list that stays", HOLD, "A[a] 9d; S[] 9d of=A in=L; L[v1] 9d", "1 a pushed 5", "A:1 | S:1(L)"),
    ("a referrer in a list that goes", HOLD, "A[a] 9d; S[] 9d of=A in=L; L[v1] 9d", "1 a pushed 5; 2 v* pushed 5", "A:1 L:2 S:1"),
    ("the list goes, the subject does not", HOLD, "A[a] 9d; S[] 9d of=A in=L; L[v1] 9d", "1 v* pushed 5", "L:1"),
    ("a list that is a referrer frees its children", FOLLOW, "A[a] 9d; L[] 9d of=A; C[c] 9d in=L", "1 a pushed 1; 2 c pushed 1", "A:1 L:1 C:2"),
    ("a list that is a referrer holds its children", HOLD, "A[a] 9d; L[] 9d of=A; C[c] 9d in=L", "2 c pushed 1", "| C:2(L)"),
    ("a list about what it names holds it", HOLD, "A[a] 9d in=L; L[] 9d of=A", "1 any pushed 1", "| A:1(L)"),
    ("attestations in the list of their subject", FOLLOW, "L[v1] 9d; A[] 9d in=L; S[] 9d in=L of=A", "1 any pushed 1", "L:1 A:1 S:1"),
];

#[test]
fn referrers_follow_their_subject() {
    run(ROWS, Options::default());
}
