//! Numbers of things, as people say them.

use std::fmt::Display;

/// The number with the form of the noun that goes with it: `1 image`, `2 images`.
pub fn counted<N: Copy + Display + From<u8> + PartialEq>(number: N, one: &str, many: &str) -> String {
    format!("{number} {}", if number == N::from(1) { one } else { many })
}

/// The first of a list, and how many more there are.
pub fn few(names: &[impl AsRef<str>], shown: usize) -> String {
    let text = names.iter().take(shown).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(shown) {
        Some(more @ 1..) => format!("{text} and {more} more"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{counted, few};

    #[test]
    fn lists() {
        assert_eq!(few(&["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(few(&["a", "b"], 2), "a, b");
        assert_eq!(few(&[""; 0], 2), "");
    }

    #[test]
    fn forms() {
        let images = |number: u64| counted(number, "image", "images");
        assert_eq!([images(0), images(1), images(2)], ["0 images", "1 image", "2 images"]);
        assert_eq!(counted(1_usize, "repository", "repositories"), "1 repository");
    }
}
