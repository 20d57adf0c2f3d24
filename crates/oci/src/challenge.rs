//! Challenges of registries: the `WWW-Authenticate` header (RFC 9110, 11.6.1), as far as registries use it.

use std::collections::HashMap;

/// How a registry wants to be logged in at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// User name and password with every request.
    Basic,
    /// A token from a token server (OCI distribution, "Authentication"; RFC 6750).
    Bearer {
        /// The token server's URL.
        realm: String,
        /// Whom the token is for.
        service: Option<String>,
        /// What the token is for.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The first challenge that can be answered; tokens go before passwords.
    pub fn choose<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Self> {
        let mut found: Vec<Self> = headers.flat_map(parse).collect();
        let first_bearer = found.iter().position(|challenge| *challenge != Self::Basic);
        match first_bearer {
            Some(at) => Some(found.swap_remove(at)),
            None => found.pop(),
        }
    }
}

/// Every known challenge of one header, which may hold several: `Scheme name="value", name=value, Scheme …`.
fn parse(header: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, HashMap<String, String>)> = Vec::new();
    let mut rest = header.trim_start_matches([' ', ',', '\t']);
    while !rest.is_empty() {
        let end = rest.find([' ', ',', '=', '\t']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match (after.strip_prefix('='), found.last_mut()) {
            (Some(value), Some((_, parameters))) => {
                let (value, after) = parse_value(value);
                parameters.insert(word.to_ascii_lowercase(), value);
                rest = after;
            }
            // A parameter of no scheme means nothing, and neither does what is no word.
            (Some(_), None) => return Vec::new(),
            (None, _) if word.is_empty() => return Vec::new(),
            (None, _) => {
                found.push((word.to_ascii_lowercase(), HashMap::new()));
                rest = after;
            }
        }
        rest = rest.trim_start_matches([' ', ',', '\t']);
    }
    found.into_iter().filter_map(|(scheme, parameters)| known(&scheme, parameters)).collect()
}

fn known(scheme: &str, mut parameters: HashMap<String, String>) -> Option<Challenge> {
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service"),
            scope: parameters.remove("scope"),
        }),
        _ => None,
    }
}

/// A token or a quoted string, and what follows.
fn parse_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', ',', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let text = |part: Option<&str>| part.map(str::to_owned);
        Challenge::Bearer { realm: realm.to_owned(), service: text(service), scope: text(scope) }
    }

    #[test]
    fn challenges() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        for (headers, expected) in [
            (&[r#"Basic realm="x""#][..], Some(Challenge::Basic)),
            (&["basic"], Some(Challenge::Basic)),
            (
                &[hub],
                Some(bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:a/b:pull,push"),
                )),
            ),
            (&[r#"Bearer realm="https://a/token""#], Some(bearer("https://a/token", None, None))),
            (&[r"bearer realm=https://a/token , service=b"], Some(bearer("https://a/token", Some("b"), None))),
            (
                &[r#"Basic realm="x", Bearer realm="https://a", service="b""#],
                Some(bearer("https://a", Some("b"), None)),
            ),
            (&[r#"Basic realm="x""#, r#"Bearer realm="https://a""#], Some(bearer("https://a", None, None))),
            (&[r#"Bearer realm="https://a\"b""#], Some(bearer("https://a\"b", None, None))),
            (&["Bearer"], None),
            (&["Negotiate"], None),
            (&[""], None),
            (&["=a"], None),
            (&[r#"realm="x""#], None),
            (&[], None),
        ] {
            assert_eq!(Challenge::choose(headers.iter().copied()), expected, "{headers:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(header: String) {
            let _ = Challenge::choose([header.as_str()].into_iter());
        }
    }
}
