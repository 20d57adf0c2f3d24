//! The `Link` header of paged lists (RFC 5988; OCI distribution, "Listing Tags").

/// The value that leads to the next page.
pub fn next_link(url: &str) -> String {
    format!("<{url}>; rel=\"next\"")
}

/// Where a `Link` header leads to the next page, if it does. Targets and quoted texts may hold what else parts links and
/// their parameters.
pub fn next_target(header: &str) -> Option<&str> {
    let mut rest = header.trim_start();
    while !rest.is_empty() {
        let bracketed = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (target, after) = bracketed.map_or((None, rest), |(target, after)| (Some(target), after));
        let (parameters, others) = split_unquoted(after, ',');
        if target.is_some() && is_next(parameters) {
            return target;
        }
        rest = others.trim_start();
    }
    None
}

/// Whether one of the relations that a link's parameters name is the next page.
fn is_next(mut parameters: &str) -> bool {
    while !parameters.is_empty() {
        let (parameter, others) = split_unquoted(parameters, ';');
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
        if name.trim().eq_ignore_ascii_case("rel") && relations.any(|relation| relation.eq_ignore_ascii_case("next")) {
            return true;
        }
        parameters = others;
    }
    false
}

/// What is before the first such sign outside of quotes, and what is after it (RFC 9110, 5.6.4: quoted strings).
fn split_unquoted(text: &str, sign: char) -> (&str, &str) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if character == sign && !is_quoted => return (&text[..at], &text[at + sign.len_utf8()..]),
            _ => {}
        }
    }
    (text, "")
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
            // Servers put what they like into where they continue.
            ("</a?last=b,c;d>; rel=\"next\"", Some("/a?last=b,c;d")),
            ("</a>; title=\"b, <c>; rel=next\", </d>; rel=next", Some("/d")),
            ("</a>; title=\"\\\", </b>; \"; rel=next", Some("/a")),
            ("</a>; rel=\"last next\"", Some("/a")),
            ("/a, </b>; rel=next", Some("/b")),
            ("</a, </b>; rel=next", Some("/a, </b")),
            ("</a>; rel=\"next", Some("/a")),
            ("</a>", None),
            ("/a; rel=\"next\"", None),
            ("", None),
        ] {
            assert_eq!(next_target(header), target, "{header}");
        }
    }
}
