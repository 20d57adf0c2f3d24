//! `If-None-Match` against content that is named by its digest (RFC 9110, 13.1.2).

use crate::digest::Digest;

/// Whether the client has the content already. Some clients leave the quotes of a tag out.
pub fn if_none_match(header: &str, digest: &Digest) -> bool {
    let known = digest.to_string();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if rest.is_empty() {
            return false;
        }
        let tag = rest.strip_prefix("W/").unwrap_or(rest);
        // What is in quotes may hold commas, and is no star.
        let quoted = tag.strip_prefix('"').and_then(|tag| tag.split_once('"'));
        let (is_known, others) = match quoted {
            Some((tag, others)) => (tag == known, others),
            None => {
                let (tag, others) = tag.split_once(',').unwrap_or((tag, ""));
                let tag = tag.trim();
                (tag == "*" || tag == known, others)
            }
        };
        if is_known {
            return true;
        }
        rest = others;
    }
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
            (format!("\"other\" ,W/\"{digest}\""), true),
            ("\"other\", *".to_owned(), true),
            ("\"other\"".to_owned(), false),
            ("\"other,*,one\"".to_owned(), false),
            (format!("\"other,{digest},one\""), false),
            ("\"".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(if_none_match(&header, &digest), expected, "{header}");
        }
    }
}
