//! Images that lists name.

use crate::support::{NOW_MS, Row, images, policy, run};
use lifecycle::{Failure, Options, decide};

const HOLD: &str = "reference/lifecycle.md 3, step 4";
const UNTAGGED: &str = "reference/lifecycle.md 3, step 5";
const ORDER: &str = "reference/lifecycle.md 3, step 4: lists first, oldest first";
const COUNTED: &str = "reference/lifecycle.md 3, step 2: children count";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("a child of a list that stays", UNTAGGED, "L[v1] 9d; C[] 9d in=L", "1 untagged pushed 1", "| C:1(L)"),
    ("children of a list that stays, oldest first", UNTAGGED, "L[v1] 9d; C[] 8d in=L; D[] 9d in=L", "1 untagged pushed 1", "| D:1(L) C:1(L)"),
    ("a child that no rule marks does not fail", HOLD, "L[v1] 9d; C[] 9d in=L", "1 untagged pushed 20", ""),
    ("a child that no rule matches does not fail", HOLD, "L[v1] 9d; C[c] 9d in=L", "1 untagged pushed 1", ""),
    ("a child goes after its list", ORDER, "L[v1] 9d; C[] 9d in=L", "1 any pushed 1", "L:1 C:1"),
    ("a child older than its list goes after it", ORDER, "L[v1] 5d; C[] 9d in=L; X[] 7d", "1 any pushed 1", "X:1 L:1 C:1"),
    ("a child goes by its own rule", HOLD, "L[v1] 9d; C[] 9d in=L", "1 v* pushed 1; 2 untagged pushed 1", "L:1 C:2"),
    ("a list goes, its child is too young", HOLD, "L[v1] 9d; C[] 3d in=L", "1 any pushed 5", "L:1"),
    ("a list goes, no rule is for its child", HOLD, "L[v1] 9d; C[] 9d in=L", "1 v* pushed 1", "L:1"),
    ("a list goes, its child is shielded", HOLD, "L[v1] 9d; C[keep] 9d in=L", "1 keep pushed 99; 2 any pushed 1", "L:2"),
    ("a child of two lists of which one stays", HOLD, "L[v1] 9d; M[w1] 9d; C[] 9d in=L,M", "1 v* pushed 1; 2 untagged pushed 1", "L:1 | C:2(M)"),
    ("a child of two lists that stay", HOLD, "L[v1] 9d; M[w1] 9d; C[] 9d in=M,L", "1 untagged pushed 1", "| C:1(L,M)"),
    ("a child of two lists that go", HOLD, "L[v1] 9d; M[w1] 8d; C[] 9d in=L,M", "1 any pushed 1", "L:1 M:1 C:1"),
    ("a list named twice", HOLD, "L[v1] 9d; C[] 9d in=L,L", "1 any pushed 1", "L:1 C:1"),
    ("a list named twice that stays", HOLD, "L[v1] 9d; C[] 9d in=L,L", "1 untagged pushed 1", "| C:1(L)"),
    ("archiving: a list that was not given stays", HOLD, "C[] 9d in=L", "1 any pushed 1 archive", "| C>1(L)"),
    ("a list that was not given stays", HOLD, "C[] 9d in=L", "1 any pushed 1", "| C:1(L)"),
    ("a list in a list that stays", HOLD, "L[v1] 9d; M[] 9d in=L; C[] 9d in=M", "1 untagged pushed 1", "| C:1(M) M:1(L)"),
    ("a list in a list that goes", ORDER, "L[v1] 5d; M[] 7d in=L; C[] 9d in=M", "1 any pushed 1", "L:1 M:1 C:1"),
    ("a list in a list, the inner is too young", HOLD, "L[v1] 9d; M[] 3d in=L; C[] 9d in=M", "1 any pushed 5", "L:1 | C:1(M)"),
    ("a child of an outer and an inner list", ORDER, "L[v1] 9d; M[] 9d in=L; C[] 9d in=L,M", "1 any pushed 1", "L:1 M:1 C:1"),
    ("a tagged child of a list that stays", HOLD, "L[v1] 9d; C[c] 9d in=L", "1 c pushed 1", "| C:1(L)"),
    ("children take places that are kept", COUNTED, "L[v1] 9d; X[] 8d; C[] 7d in=M; D[] 6d in=M; M[v2] 5d", "1 any keep 3", "L:1 X:1"),
    ("held children among those counted out", COUNTED, "C[] 9d in=M; D[] 8d in=M; X[x] 7d; M[v2] 5d", "1 any keep 2", "| C:1(M) D:1(M)"),
    ("a child kept by its list still goes when the list does", HOLD, "L[v1] 9d; C[] 8d in=L; D[] 7d; E[] 6d", "1 any keep 2", "L:1 C:1"),
    ("archiving: a child of a list that stays", HOLD, "L[v1] 9d pulled=1d; C[] 9d in=L", "1 any pulled 5 archive", "| C>1(L)"),
    ("archiving: a child after its list", ORDER, "L[v1] 8d; C[] 9d in=L", "1 any pulled 5 archive", "L>1 C>1"),
    ("archiving: the list is there already", "reference/repositories-images.md 4: archive of a list requires list first", "L[v1] 8d archived=4d archive; C[] 9d in=L", "1 any pulled 5 archive", "C>1"),
    ("archiving: a list that goes", HOLD, "L[v1] 9d; C[] 9d in=L", "1 v* pushed 1; 2 any pulled 5 archive", "L:1 C>2"),
    ("expiring a child of a list that is archived", HOLD, "L[v1] 9d; C[] 9d in=L", "1 v* pushed 1 archive; 2 untagged pushed 1", "L>1 | C:2(L)"),
    ("expiring a child of a list in the archive", HOLD, "L[v1] 9d archived=4d archive; C[] 9d in=L", "1 untagged pushed 1", "| C:1(L)"),
    ("archiving a child of two lists, one in the archive", HOLD, "L[v1] 8d archived=4d archive; M[w] 1d; C[] 9d in=L,M", "1 any pulled 5 archive", "| C>1(M)"),
    ("images that name each other stay", "digests make no circles", "A[] 9d in=B; B[] 9d in=A", "1 any pushed 1", "| A:1(B) B:1(A)"),
];

#[test]
fn children_of_lists() {
    run(ROWS, Options::default());
}

#[test]
fn a_failure_has_the_code_and_reason_of_ecr() {
    let images = images("L[v1] 9d; M[v2] 9d; C[] 9d in=M,L");
    let plan = decide(&images, &policy("1 untagged pushed 1"), &Options::default(), NOW_MS);
    let [failure] = plan.failures.as_slice() else { panic!("{plan:?}") };
    assert_eq!(Failure::CODE, "ImageReferencedByManifestList");
    assert_eq!(failure.reason(), "Requested image referenced by manifest list: [L, M]");
}
