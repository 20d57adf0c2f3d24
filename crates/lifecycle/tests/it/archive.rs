//! The two storage classes: rules of one look at nothing of the other.

use crate::support::{Row, run};
use lifecycle::Options;

const CLASS: &str = "reference/lifecycle.md 3, step 1";
const SHIELD: &str = "reference/lifecycle.md 3, step 3: of the same storage class";
const ARCHIVED: &str = "reference/lifecycle.md 3, step 2: sinceImageTransitioned";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("an archived image is not counted", CLASS, "A[] 9d archived=1d archive; B[] 8d", "1 any keep 1", ""),
    ("an archived image takes no place", CLASS, "A[] 1d archived=0d archive; B[] 8d; C[] 7d", "1 any keep 1", "B:1"),
    ("an archived image is not too old", CLASS, "A[] 900d archived=800d archive", "1 any pushed 5", ""),
    ("an archived image is not archived again", CLASS, "A[] 900d archived=800d archive", "1 any pulled 5 archive", ""),
    ("long in the archive", ARCHIVED, "A[] 900d archived=91d archive", "1 any transitioned 90", "A:1"),
    ("not so long in the archive", ARCHIVED, "A[] 900d archived=89d archive", "1 any transitioned 90", ""),
    ("as long in the archive as the days", ARCHIVED, "A[] 900d archived=90d archive", "1 any transitioned 90", ""),
    ("a millisecond longer in the archive", ARCHIVED, "A[] 900d archived=90d+1 archive", "1 any transitioned 90", "A:1"),
    ("longer than it must", ARCHIVED, "A[] 900d archived=200d archive", "1 any transitioned 365", ""),
    ("archived for the second time", ARCHIVED, "A[] 900d restored=500d archived=91d archive", "1 any transitioned 90", "A:1"),
    ("in the archive, nobody knows since when", ARCHIVED, "A[] 900d archive", "1 any transitioned 90", ""),
    ("in the archive, with tags", ARCHIVED, "A[a] 900d archived=91d archive; B[b] 900d archived=91d archive", "1 a* transitioned 90", "A:1"),
    ("archive now, expire later", CLASS, "A[] 40d; B[] 400d archived=100d archive; C[] 400d archived=50d archive", "1 any pulled 30 archive; 2 any transitioned 90", "B:2 A>1"),
    ("the classes are one in the order of age", CLASS, "A[] 40d; B[] 400d restored=20d archived=10d archive; C[] 500d archived=100d archive", "1 any pulled 30 archive; 2 any transitioned 90", "C:2 A>1"),
    ("a rule for active images shields no archived one", SHIELD, "A[a] 900d archived=91d archive", "1 a pushed 9999; 2 any transitioned 90", "A:2"),
    ("a rule for archived images shields no active one", SHIELD, "A[a] 90d", "1 a transitioned 999; 2 any pushed 5", "A:2"),
    ("a rule for archived images shields archived ones", SHIELD, "A[a] 900d archived=91d archive", "1 a transitioned 999; 2 any transitioned 90", ""),
    ("untagged in each class", CLASS, "A[] 40d; B[] 400d archived=100d archive", "1 untagged pushed 30; 2 untagged transitioned 90", "B:2 A:1"),
    ("the oldest are archived, some are kept", CLASS, "A[] 9d; B[] 8d; C[] 7d", "1 any keep 1 archive", "A>1 B>1"),
    ("archived by age of push", CLASS, "A[] 40d; B[] 20d", "1 any pushed 30 archive", "A>1"),
    ("a child in the archive of a list in the archive", CLASS, "L[v1] 400d archived=50d archive; C[] 400d archived=100d archive in=L", "1 any transitioned 90", "| C:1(L)"),
    ("a list and its child leave the archive", CLASS, "L[v1] 400d archived=99d archive; C[] 400d archived=100d archive in=L", "1 any transitioned 90", "L:1 C:1"),
    ("a child in the archive of an active list", CLASS, "L[v1] 400d; C[] 400d archived=100d archive in=L", "1 any transitioned 90", "| C:1(L)"),
];

#[test]
fn storage_classes() {
    run(ROWS, Options::default());
}
