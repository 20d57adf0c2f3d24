//! `If-None-Match` against content that is named by its digest (RFC 9110, 13.1.2).

use crate::digest::Digest;

/// Whether the client has the content already.
pub fn if_none_match(header: &str, digest: &Digest) -> bool {
    let known = digest.to_string();
    header.split(',').map(str::trim).any(|tag| {
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || tag.trim_matches('"') == known
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let digest = Digest::sha256_of(b"x");
        for (header, expected) in [
            (format!("\"{digest}\""), true),
            (format!("W/\"{digest}\""), true),
            (format!("\"other\", \"{digest}\""), true),
            ("*".to_owned(), true),
            (digest.to_string(), true),
            ("\"other\"".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(if_none_match(&header, &digest), expected, "{header}");
        }
    }
}
