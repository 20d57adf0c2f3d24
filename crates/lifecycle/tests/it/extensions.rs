//! What Wharf can do beyond ECR, when it is asked to.

use crate::support::{NOW_MS, Row, images, policy, print, run};
use lifecycle::{LifecyclePolicy, Options, decide};

const ROOTS: &str = "Wharf: select_root_images_only";
const PULLED: &str = "Wharf: allow_expire_since_pulled";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("a child takes no place", ROOTS, "L[v1] 9d; C[] 8d in=M; D[] 7d in=M; M[v2] 6d", "1 any keep 2", ""),
    ("lists are counted alone", ROOTS, "L[v1] 9d; C[] 8d in=M; D[] 7d in=M; M[v2] 6d; E[] 9d in=L", "1 any keep 1", "L:1"),
    ("a child is not selected when its list stays", ROOTS, "L[v1] 3d; C[] 9d in=L", "1 any pushed 5", ""),
    ("a child is not selected when its list goes", ROOTS, "L[v1] 9d; C[] 9d in=L; X[] 8d", "1 any pushed 5", "L:1 X:1"),
    ("a tagged child is not selected", ROOTS, "L[v1] 9d; C[c] 9d in=L", "1 c pushed 5", ""),
    ("a child of a list that was not given is not selected", ROOTS, "C[c] 9d in=L", "1 c pushed 6", ""),
    ("a child without its list is a root again", ROOTS, "C[] 9d", "1 any pushed 5", "C:1"),
    ("referrers of roots follow", ROOTS, "L[v1] 9d; S[] 9d of=L; C[] 9d in=L", "1 any pushed 5", "L:1 S:1"),
    ("expiring what nobody pulls", PULLED, "A[] 90d pulled=31d; B[] 90d pulled=29d; C[] 31d; D[] 29d", "1 any pulled 30", "A:1 C:1"),
];

#[test]
fn extensions() {
    run(ROWS, Options { select_root_images_only: true, allow_expire_since_pulled: true });
}

#[test]
fn a_policy_accepted_with_an_extension_stays_in_force_without() {
    let images = images("A[] 90d pulled=31d; B[] 90d pulled=29d");
    let plan = decide(&images, &policy("1 any pulled 30"), &Options::default(), NOW_MS);
    assert_eq!(print(&images, &plan), "A:1");
}

#[test]
fn expiring_by_pull_needs_the_extension() {
    let text = format!(r#"{{"rules":[{}]}}"#, crate::support::rule("4 any pulled 30"));
    let allowed = Options { allow_expire_since_pulled: true, ..Options::default() };
    let other = Options { select_root_images_only: true, ..Options::default() };
    assert!(LifecyclePolicy::parse_with(&text, &allowed).is_ok());
    for refused in [LifecyclePolicy::parse(&text), LifecyclePolicy::parse_with(&text, &other)] {
        assert_eq!(
            refused.expect_err("expire by pull").to_string(),
            "Must specify action type transition when countType=sinceImagePulled (rulePriority 4)."
        );
    }
}
