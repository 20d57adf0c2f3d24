//! Numbers of things, as people say them.

use std::fmt::Display;

/// The number with the form of the noun that goes with it: `1 image`, `2 images`.
pub fn counted<N: Copy + Display + From<u8> + PartialEq>(number: N, one: &str, many: &str) -> String {
    format!("{number} {}", if number == N::from(1) { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn forms() {
        let images = |number: u64| counted(number, "image", "images");
        assert_eq!([images(0), images(1), images(2)], ["0 images", "1 image", "2 images"]);
        assert_eq!(counted(1_usize, "repository", "repositories"), "1 repository");
    }
}
