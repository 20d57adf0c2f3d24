//! The examples that ECR's documentation works through (reference/lifecycle.md 3).

use crate::support::{Row, run};
use lifecycle::Options;

const DOCS: &str = "ECR User Guide: examples of lifecycle policies";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("the first of two counts claims what both match", DOCS, "A[beta-1,prod-1] 10d; B[beta-2,prod-2] 9d; C[beta-3] 8d", "1 prod* keep 1; 2 beta* keep 1", "A:1"),
    ("the other way round nothing is free for the second", DOCS, "A[beta-1,prod-1] 10d; B[beta-2,prod-2] 9d; C[beta-3] 8d", "1 beta* keep 1; 2 prod* keep 1", "A:1 B:1"),
    ("the same with prefixes", DOCS, "A[beta-1,prod-1] 10d; B[beta-2,prod-2] 9d; C[beta-3] 8d", "1 ^prod keep 1; 2 ^beta keep 1", "A:1"),
    ("the same with prefixes, the other way round", DOCS, "A[beta-1,prod-1] 10d; B[beta-2,prod-2] 9d; C[beta-3] 8d", "1 ^beta keep 1; 2 ^prod keep 1", "A:1 B:1"),
    ("every pattern of a list must match, and age decides", DOCS, "A[alpha-1] 12d; B[beta-1] 11d; C[alpha-2,beta-2] 10d; D[alpha-3] 4d; E[beta-3] 3d; F[alpha-4,beta-4] 2d", "1 alpha*,beta* pushed 5", "C:1"),
    ("the same with prefixes, and age", DOCS, "A[alpha-1] 12d; B[beta-1] 11d; C[alpha-2,beta-2] 10d; D[alpha-3] 4d; E[beta-3] 3d; F[alpha-4,beta-4] 2d", "1 ^alpha,^beta pushed 5", "C:1"),
    ("every pattern of a list must match, and the count decides", DOCS, "A[alpha-1,beta-1,gamma-1] 10d; B[alpha-2,beta-2] 9d; C[alpha-3,beta-3,gamma-2] 8d", "1 alpha*,beta* keep 1", "A:1 B:1"),
    ("the same with prefixes, and the count", DOCS, "A[alpha-1,beta-1,gamma-1] 10d; B[alpha-2,beta-2] 9d; C[alpha-3,beta-3,gamma-2] 8d", "1 ^alpha,^beta keep 1", "A:1 B:1"),
    ("all images, one is kept", DOCS, "A[alpha-1] 4d; B[beta-1] 3d; C[] 2d; D[alpha-2] 1d", "1 any keep 1", "A:1 B:1 C:1"),
    ("tagged, untagged and all together", DOCS, "A[alpha-1,beta-1] 4d; B[] 3d; C[alpha-2] 2d; D[0123abc] 1d; E[] 1d", "1 alpha* keep 1; 2 untagged pushed 1; 3 any keep 1", "A:1 B:2 D:3"),
];

#[test]
fn the_worked_examples() {
    run(ROWS, Options::default());
}
