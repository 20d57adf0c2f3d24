//! Real versions, changed at random: comparing them never panics, and they keep the one order of their scheme.

use std::cmp::Ordering;

use mutate::Form;
use scan::versions::{Event, Range, Scheme, Verdict};

const VERSIONS: [&str; 14] = [
    "1:4.8.3+comet2+shim4.10.0~rc1-1+deb9u4.1",
    "0:3.10.0-229.1.2.el7_9~snapshot^git1",
    "2.02.08_pre20060124_p1~0a1b2c-r12",
    "1.9.5p2-r1",
    "v1.2.3-rc.10.0+incompatible",
    "go1.21rc2 X:nocoverageredesign",
    "v0.0.0-20190101000000-abcdefabcdef",
    "1!2.0.0rc1.post3.dev4+ubuntu.1",
    "1.0.0-alpha2-SNAPSHOT.Final",
    "123456789012345678901234567890.1H.5-beta",
    "5.0.0.beta1.1-x86_64-linux",
    "V4.3-2RC1.#.pl3+180131",
    "1.0.0.1-BETA.x.Y.5.77+aa",
    "2.3.1-1",
];

#[test]
fn changed_versions_have_one_order() {
    let sorted = Scheme::ALL.map(|scheme| {
        let mut known = VERSIONS;
        known.sort_by(|a, b| scheme.compare(a, b));
        (scheme, known)
    });
    mutate::texts(Form::Text, &VERSIONS, 500, |version| {
        for (scheme, known) in sorted {
            assert_eq!(scheme.compare(version, version), Ordering::Equal);
            let orders = known.map(|known| scheme.compare(known, version));
            assert!(orders.is_sorted(), "{scheme:?}: {orders:?}");
            for (known, order) in known.iter().zip(orders) {
                assert_eq!(scheme.compare(version, known), order.reverse(), "{scheme:?}: {known}");
            }
        }
    });
}

#[test]
fn changed_versions_have_one_verdict() {
    mutate::texts(Form::Text, &VERSIONS, 100, |version| {
        for scheme in Scheme::ALL {
            for bound in VERSIONS {
                let verdict = |event| Range::new(scheme, [Event::Introduced("0"), event], []).affects(version);
                let (before, upto) = (verdict(Event::Fixed(bound)), verdict(Event::LastAffected(bound)));
                assert!(before <= upto, "{scheme:?}: {bound}: {before:?} and {upto:?}");
                assert_eq!(before == Verdict::Unknown, upto == Verdict::Unknown);
                assert_eq!(before == Verdict::Unknown, !scheme.is_version(version) || !scheme.is_version(bound));
                assert_eq!(verdict(Event::Limit(bound)), before);
            }
        }
    });
}
