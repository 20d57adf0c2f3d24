//! Digests of images as tables show them.

/// As much of a digest as people compare.
pub(crate) fn short(digest: &str) -> String {
    let length = "sha256:".len() + 12;
    match digest.char_indices().nth(length) {
        Some((at, _)) => format!("{}…", &digest[..at]),
        None => digest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(short("sha256:0123456789abcdef"), "sha256:0123456789ab…");
        assert_eq!(short("sha256:0123456789ab"), "sha256:0123456789ab");
    }
}
