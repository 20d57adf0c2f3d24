//! Which rule an image belongs to.

use crate::support::{Row, run};
use lifecycle::Options;

const SHIELD: &str = "reference/lifecycle.md 3, step 3";
const CLAIMED: &str = "reference/lifecycle.md 3, step 2: claimed images still count";
const ORDER: &str = "reference/lifecycle.md 3, step 3: ascending rulePriority";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("the smaller number wins", ORDER, "A[a] 9d", "1 a* pushed 5; 2 any pushed 1", "A:1"),
    ("the smaller number wins, whatever is written first", ORDER, "A[a] 9d", "7 any pushed 1; 3 a* pushed 5", "A:3"),
    ("numbers need not be dense", ORDER, "A[a] 9d; B[] 9d", "10 a* pushed 5; 900 any pushed 5", "A:10 B:900"),
    ("a rule shields what it does not mark", SHIELD, "A[a] 9d", "1 a* pushed 20; 2 any pushed 5", ""),
    ("a count shields what it keeps", SHIELD, "A[a] 9d; B[b] 8d", "1 a* keep 1; 2 any pushed 5", "B:2"),
    ("a rule that can never mark protects", SHIELD, "A[release-1] 900d; B[dev-1] 900d", "1 release* pushed 9999; 2 any pushed 30", "B:2"),
    ("a shield is for tags, not for age", SHIELD, "A[a] 9d; B[a] 3d", "1 a* pushed 20; 2 *a pushed 1", ""),
    ("a shield holds against every later rule", SHIELD, "A[a,b] 9d", "1 a pushed 20; 2 b pushed 1; 3 any keep 1", ""),
    ("a rule that does not match does not shield", SHIELD, "A[b] 9d", "1 a* pushed 20; 2 b* pushed 5", "A:2"),
    ("a list that matches in part does not shield", SHIELD, "A[a] 9d", "1 a,b pushed 20; 2 a pushed 5", "A:2"),
    ("untagged images are not shielded by tags", SHIELD, "A[] 9d", "1 * pushed 20; 2 untagged pushed 5", "A:2"),
    ("untagged, then any", SHIELD, "A[] 9d; B[b] 8d", "1 untagged pushed 20; 2 any pushed 5", "B:2"),
    ("a marked image takes a place", CLAIMED, "A[b] 9d; B[a,b] 8d", "1 a keep 1; 2 b keep 1", "A:2"),
    ("a marked image takes a place although it goes", CLAIMED, "A[x] 9d; B[a,x] 3d", "1 a pushed 2; 2 x keep 1", "A:2 B:1"),
    ("claimed images take all places", CLAIMED, "A[] 9d; B[a] 3d; C[a] 2d", "1 a pushed 90; 2 any keep 2", "A:2"),
    ("claimed images leave a place", CLAIMED, "A[] 9d; B[a] 3d; C[a] 2d", "1 a pushed 90; 2 any keep 3", ""),
    ("claimed images that are older take no place", CLAIMED, "A[a] 9d; B[] 3d; C[] 2d", "1 a pushed 90; 2 any keep 2", ""),
    ("three counts, each with its own", CLAIMED, "A[a] 9d; B[b] 8d; C[c] 7d; D[a] 6d; E[b] 5d; F[c] 4d", "1 a keep 1; 2 b keep 1; 3 c keep 1", "A:1 B:2 C:3"),
    ("one age for some, another for the rest", ORDER, "A[dev] 20d; B[x] 20d; C[dev] 8d; D[x] 8d", "1 dev pushed 7; 2 any pushed 14", "A:1 B:2 C:1"),
    ("two actions", ORDER, "A[a] 40d; B[b] 40d", "1 a pushed 30; 2 any pushed 30 archive", "A:1 B>2"),
    ("archiving shields from expiring", SHIELD, "A[a] 40d", "1 a pushed 60 archive; 2 any pushed 30", ""),
    ("archiving comes first", ORDER, "A[a] 40d", "1 a pushed 30 archive; 2 any pushed 30", "A>1"),
    ("expiring comes first", ORDER, "A[a] 40d; B[a] 20d", "1 a keep 1; 2 any pushed 10 archive", "A:1"),
    ("fifty rules", ORDER, "A[t49] 9d; B[t7] 8d; C[x] 7d", "1 t1 keep 1;2 t2 keep 1;3 t3 keep 1;4 t4 keep 1;5 t5 keep 1;6 t6 keep 1;7 t7 pushed 1;8 t8 keep 1;9 t9 keep 1;10 t10 keep 1;11 t11 keep 1;12 t12 keep 1;13 t13 keep 1;14 t14 keep 1;15 t15 keep 1;16 t16 keep 1;17 t17 keep 1;18 t18 keep 1;19 t19 keep 1;20 t20 keep 1;21 t21 keep 1;22 t22 keep 1;23 t23 keep 1;24 t24 keep 1;25 t25 keep 1;26 t26 keep 1;27 t27 keep 1;28 t28 keep 1;29 t29 keep 1;30 t30 keep 1;31 t31 keep 1;32 t32 keep 1;33 t33 keep 1;34 t34 keep 1;35 t35 keep 1;36 t36 keep 1;37 t37 keep 1;38 t38 keep 1;39 t39 keep 1;40 t40 keep 1;41 t41 keep 1;42 t42 keep 1;43 t43 keep 1;44 t44 keep 1;45 t45 keep 1;46 t46 keep 1;47 t47 keep 1;48 t48 keep 1;49 t49 pushed 1;50 any pushed 1", "A:49 B:7 C:50"),
];

#[test]
fn priorities() {
    run(ROWS, Options::default());
}
