//! The `Link` header of paged lists (RFC 5988; OCI distribution, "Listing Tags").

/// The value that leads to the next page.
pub fn next_link(url: &str) -> String {
    format!("<{url}>; rel=\"next\"")
}

/// Where a `Link` header leads to the next page, if it does.
pub fn next_target(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |parameter: &str| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
        };
        parameters.split(';').any(is_next).then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_pages() {
        for (header, target) in [
            (next_link("/v2/_catalog?n=2&last=b").as_str(), Some("/v2/_catalog?n=2&last=b")),
            ("</a>; rel=prev, </b>; title=\"x\"; REL=Next", Some("/b")),
            ("</a>; rel=\"prev\"", None),
            ("</a>", None),
            ("/a; rel=\"next\"", None),
            ("", None),
        ] {
            assert_eq!(next_target(header), target, "{header}");
        }
    }
}
