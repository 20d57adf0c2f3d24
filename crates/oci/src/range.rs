//! Parts of content: `Range` of downloads (RFC 9110, 14.2) and `Content-Range` of upload chunks.

use std::str::FromStr;

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeOutcome {
    /// Everything: the header asks for several ranges, or cannot be understood, and may be ignored.
    Whole,
    /// The bytes from `first` to `last`, both included.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// Nothing that the content has.
    Unsatisfiable,
}

/// The reader of `Range` headers.
pub struct ByteRange;

impl ByteRange {
    /// Reads a `Range` header for content of `size` bytes.
    pub fn parse(header: &str, size: u64) -> RangeOutcome {
        let header = header.trim();
        // Range units are case-insensitive.
        let is_bytes = header.get(..6).is_some_and(|unit| unit.eq_ignore_ascii_case("bytes="));
        if !is_bytes {
            return RangeOutcome::Whole;
        }
        let spec = &header[6..];
        let Some((first, last)) = spec.split_once('-') else {
            return RangeOutcome::Whole;
        };
        match (number(first), number(last)) {
            (Some(first), Some(last)) if last < first => RangeOutcome::Whole,
            (Some(first), _) if first >= size && is_open_or_number(last) => RangeOutcome::Unsatisfiable,
            (Some(first), Some(last)) => RangeOutcome::Part { first, last: last.min(size - 1) },
            (Some(first), None) if last.trim().is_empty() => RangeOutcome::Part { first, last: size - 1 },
            (None, Some(0)) if first.trim().is_empty() => RangeOutcome::Unsatisfiable,
            (None, Some(_)) if first.trim().is_empty() && size == 0 => RangeOutcome::Unsatisfiable,
            (None, Some(count)) if first.trim().is_empty() => {
                RangeOutcome::Part { first: size.saturating_sub(count), last: size - 1 }
            }
            _ => RangeOutcome::Whole,
        }
    }
}

fn is_open_or_number(text: &str) -> bool {
    text.trim().is_empty() || number(text).is_some()
}

/// A run of digits, and nothing else: `u64`'s own parser takes a sign too. No content has a position beyond `u64`, so
/// one that lies there may as well be the last.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Where a chunk of an upload belongs: `<first>-<last>`, both included (OCI distribution, "Pushing a blob in chunks").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// First byte.
    pub first: u64,
    /// Last byte; never before the first.
    pub last: u64,
}

/// A text is no such range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a range of the form '<first>-<last>'")]
pub struct ContentRangeError;

impl FromStr for ContentRange {
    type Err = ContentRangeError;

    /// Takes HTTP's own form `bytes <first>-<last>/<total>` as well, which some clients send.
    fn from_str(text: &str) -> Result<Self, ContentRangeError> {
        let text = text.trim();
        let text = text.strip_prefix("bytes ").unwrap_or(text);
        let text = text.split_once('/').map_or(text, |(range, _)| range);
        let (first, last) = text.split_once('-').ok_or(ContentRangeError)?;
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last && last < u64::MAX => Ok(Self { first, last }),
            _ => Err(ContentRangeError),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn downloads() {
        use RangeOutcome::{Part, Unsatisfiable, Whole};
        for (header, size, expected) in [
            ("bytes=0-9", 100, Part { first: 0, last: 9 }),
            ("bytes=90-", 100, Part { first: 90, last: 99 }),
            ("bytes=-10", 100, Part { first: 90, last: 99 }),
            ("bytes=-1000", 100, Part { first: 0, last: 99 }),
            ("bytes=50-1000", 100, Part { first: 50, last: 99 }),
            ("bytes=100-", 100, Unsatisfiable),
            ("bytes=100-200", 100, Unsatisfiable),
            ("bytes=-0", 100, Unsatisfiable),
            ("bytes=0-99999999999999999999999", 100, Part { first: 0, last: 99 }),
            ("bytes=-99999999999999999999999", 100, Part { first: 0, last: 99 }),
            ("bytes=99999999999999999999998-99999999999999999999999", 100, Unsatisfiable),
            ("bytes=99999999999999999999999-", 100, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-5", 0, Unsatisfiable),
            ("bytes=9-5", 100, Whole),
            ("bytes=a-b", 100, Whole),
            ("bytes=0-1,3-4", 100, Whole),
            ("items=0-1", 100, Whole),
            ("Bytes=0-1", 100, Part { first: 0, last: 1 }),
            ("bytes=+1-2", 100, Whole),
            ("bytes=-", 100, Whole),
        ] {
            assert_eq!(ByteRange::parse(header, size), expected, "{header} of {size}");
        }
    }

    #[test]
    fn chunks() {
        assert_eq!("0-9".parse(), Ok(ContentRange { first: 0, last: 9 }));
        assert_eq!("bytes 5-9/10".parse(), Ok(ContentRange { first: 5, last: 9 }));
        for bad in ["", "9-5", "a-b", "-5", "5-", "5", "+1-2", "0-99999999999999999999"] {
            assert_eq!(bad.parse::<ContentRange>(), Err(ContentRangeError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_content(header in "bytes=[0-9]{0,4}-[0-9]{0,4}", size in 0_u64..5000) {
            if let RangeOutcome::Part { first, last } = ByteRange::parse(&header, size) {
                prop_assert!(first <= last && last < size);
            }
        }

        #[test]
        fn parsing_never_panics(text: String, size: u64) {
            let _ = ByteRange::parse(&text, size);
            let _ = text.parse::<ContentRange>();
        }
    }
}
