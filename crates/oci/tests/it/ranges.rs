//! `Range` and `Content-Range`, changed.

use mutate::Form;
use oci::{ByteRange, ContentRange, RangeOutcome};

const RANGES: [&str; 10] = [
    "bytes=0-499",
    "bytes=500-",
    "bytes=-500",
    "bytes=0-0,-1",
    "bytes=0-18446744073709551614",
    "Bytes = 1 - 2",
    "bytes=500-600,601-999",
    "items=0-5",
    "bytes=+1-2",
    "bytes=9-3",
];
const SIZES: [u64; 6] = [0, 1, 2, 500, 1 << 40, u64::MAX];

const CHUNKS: [&str; 6] =
    ["0-499", "bytes 500-999/1234", "bytes 500-999/*", "5242880-10485759", "0-18446744073709551614", "bytes */1234"];

#[test]
fn ranges() {
    mutate::texts(Form::Text, &RANGES, 8_000, |header| {
        let outcomes = SIZES.map(|size| ByteRange::parse(header, size));
        for (size, outcome) in SIZES.into_iter().zip(outcomes) {
            assert_eq!(ByteRange::parse(header, size), outcome);
            if let RangeOutcome::Part { first, last } = outcome {
                assert!(first <= last && last < size, "{outcome:?} of {size}");
                assert_eq!(ByteRange::parse(&format!("bytes={first}-{last}"), size), outcome);
            }
        }
        // What a header means is a matter of its own; only what there is of it is one of the content.
        let wholes = outcomes.iter().filter(|outcome| **outcome == RangeOutcome::Whole).count();
        assert!(wholes == 0 || wholes == SIZES.len(), "{outcomes:?}");
        let unsatisfiable = outcomes.iter().map(|outcome| *outcome == RangeOutcome::Unsatisfiable);
        assert!(unsatisfiable.is_sorted_by(|smaller, larger| smaller >= larger), "{outcomes:?}");
        assert!(!header.contains(',') || wholes > 0, "several ranges are one: {outcomes:?}");
    });
}

#[test]
fn chunks() {
    mutate::texts(Form::Text, &CHUNKS, 8_000, |header| {
        let read = header.parse::<ContentRange>();
        assert_eq!(header.parse(), read);
        if let Ok(ContentRange { first, last }) = read {
            // So that the next chunk's place is a number too.
            assert!(first <= last && last < u64::MAX);
            assert_eq!(format!("{first}-{last}").parse(), read);
            assert_eq!(format!("bytes {first}-{last}/*").parse(), read);
        }
    });
}
