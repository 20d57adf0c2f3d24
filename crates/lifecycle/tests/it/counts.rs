//! What a rule marks of what it matches: by number, by age.

use crate::support::{DAY_MS, NOW_MS, Row, image, policy, run};
use lifecycle::{Options, Plan, decide};

const COUNT: &str = "reference/lifecycle.md 3, step 2: imageCountMoreThan";
const PUSHED: &str = "reference/lifecycle.md 3, step 2: sinceImagePushed";
const PULLED: &str = "reference/lifecycle.md 3, step 2: sinceImagePulled";
const EFFECTIVE: &str = "reference/lifecycle.md 3, step 2: effective push time";
const STRICT: &str = "reference/lifecycle.md 3: older than N days";

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("fewer than are kept", COUNT, "A[] 9d; B[] 8d", "1 any keep 3", ""),
    ("as many as are kept", COUNT, "A[] 9d; B[] 8d", "1 any keep 2", ""),
    ("one more than are kept", COUNT, "A[] 9d; B[] 8d; C[] 7d", "1 any keep 2", "A:1"),
    ("the oldest goes first", COUNT, "B[] 7d; C[] 9d; A[] 8d; D[] 1d", "1 any keep 1", "C:1 A:1 B:1"),
    ("only what matches counts", COUNT, "A[a] 9d; B[b] 8d; C[b] 7d", "1 a* keep 1", ""),
    ("others do not take a place", COUNT, "A[a-1] 9d; B[b] 8d; C[a-2] 7d", "1 a* keep 1", "A:1"),
    ("of equal ages the greater digest is the younger", COUNT, "A[] 5d; B[] 5d; C[] 5d", "1 any keep 1", "A:1 B:1"),
    ("a millisecond makes younger", COUNT, "A[] 5d; B[] 5d+1", "1 any keep 1", "B:1"),
    ("a number of tags is one image", COUNT, "A[a-1,a-2,a-3] 9d; B[a-4] 8d", "1 a* keep 2", ""),
    ("a huge count", COUNT, "A[] 9d", "1 any keep 9223372036854775807", ""),
    ("a push in the future is the youngest", COUNT, "A[] -2d; B[] 1d", "1 any keep 1", "B:1"),
    ("a restored image is young", EFFECTIVE, "A[] 90d restored=1d; B[] 8d", "1 any keep 1", "B:1"),
    ("a restore counts even before others' push", EFFECTIVE, "A[] 90d restored=9d; B[] 8d", "1 any keep 1", "A:1"),
    ("restored images in the order of restore", EFFECTIVE, "A[] 90d restored=5d; B[] 91d restored=4d; C[] 92d restored=3d", "1 any keep 1", "A:1 B:1"),
    ("a pull does not make younger", COUNT, "A[] 9d pulled=1d; B[] 8d", "1 any keep 1", "A:1"),
    ("younger than the days", PUSHED, "A[] 4d", "1 any pushed 5", ""),
    ("as old as the days", STRICT, "A[] 5d", "1 any pushed 5", ""),
    ("a millisecond older than the days", STRICT, "A[] 5d+1", "1 any pushed 5", "A:1"),
    ("a millisecond younger than the days", STRICT, "A[] 5d-1", "1 any pushed 5", ""),
    ("age takes the last one too", PUSHED, "A[] 9d; B[] 8d", "1 any pushed 1", "A:1 B:1"),
    ("age, oldest first", PUSHED, "B[] 7d; C[] 9d; A[] 8d", "1 any pushed 1", "C:1 A:1 B:1"),
    ("equal ages in the order of digests", PUSHED, "B[] 7d; C[] 7d; A[] 7d", "1 any pushed 1", "A:1 B:1 C:1"),
    ("a restored image starts anew", EFFECTIVE, "A[] 90d restored=4d", "1 any pushed 5", ""),
    ("a restored image grows old again", EFFECTIVE, "A[] 90d restored=6d", "1 any pushed 5", "A:1"),
    ("a pull does not delay", PUSHED, "A[] 9d pulled=1d", "1 any pushed 5", "A:1"),
    ("a push in the future", PUSHED, "A[] -2d", "1 any pushed 1", ""),
    ("a huge number of days", PUSHED, "A[] 900d", "1 any pushed 9223372036854775807", ""),
    ("pulled long ago", PULLED, "A[] 90d pulled=31d", "1 any pulled 30 archive", "A>1"),
    ("pulled not so long ago", PULLED, "A[] 90d pulled=29d", "1 any pulled 30 archive", ""),
    ("pulled as long ago as the days", STRICT, "A[] 90d pulled=30d", "1 any pulled 30 archive", ""),
    ("pulled a millisecond longer ago", STRICT, "A[] 90d pulled=30d+1", "1 any pulled 30 archive", "A>1"),
    ("never pulled, pushed long ago", PULLED, "A[] 31d", "1 any pulled 30 archive", "A>1"),
    ("never pulled, pushed not so long ago", PULLED, "A[] 29d", "1 any pulled 30 archive", ""),
    ("never pulled, but restored not so long ago", PULLED, "A[] 90d restored=29d", "1 any pulled 30 archive", ""),
    ("never pulled, restored long ago", PULLED, "A[] 90d restored=31d", "1 any pulled 30 archive", "A>1"),
    ("pulled long ago, but restored since", PULLED, "A[] 90d pulled=60d restored=29d", "1 any pulled 30 archive", ""),
    ("pulled and restored long ago", PULLED, "A[] 90d pulled=60d restored=31d", "1 any pulled 30 archive", "A>1"),
    ("restored long ago, but pulled since", PULLED, "A[] 90d pulled=5d restored=60d", "1 any pulled 30 archive", ""),
    ("the days in the archive of one that is not there", "reference/lifecycle.md 3, step 1", "A[] 500d archived=400d restored=300d", "1 any transitioned 90", ""),
];

#[test]
fn counts_and_ages() {
    run(ROWS, Options::default());
}

#[test]
fn extreme_times_do_not_overflow() {
    for rules in ["1 any pushed 9223372036854775807", "1 any pushed 1", "1 any keep 1", "1 any pulled 1 archive"] {
        for (pushed_at_ms, now_ms) in
            [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (i64::MIN, i64::MIN), (NOW_MS - 2 * DAY_MS, i64::MAX)]
        {
            let images = [lifecycle::Image { pushed_at_ms, ..image("A[] 1d") }];
            assert!(decide(&images, &policy(rules), &Options::default(), now_ms).failures.is_empty());
        }
    }
    let oldest = [lifecycle::Image { pushed_at_ms: i64::MIN, ..image("A[] 1d") }];
    assert_eq!(decide(&oldest, &policy("1 any pushed 1"), &Options::default(), i64::MAX).actions.len(), 1);
    let huge = policy("1 any pushed 9223372036854775807");
    assert_eq!(decide(&oldest, &huge, &Options::default(), i64::MAX), Plan::default());
}
