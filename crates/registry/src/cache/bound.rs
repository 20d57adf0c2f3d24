//! What a secret is bound to: the registries, and the token servers of theirs, that a login may be sent to.

use super::settings::registry_host;
use super::upstream_registry::UpstreamUrl;

/// Registries whose token servers are at another host: their names, and that host. The others of ECR's list have them at
/// their own.
const TOKEN_SERVERS: [(&str, &str); 2] =
    [("registry-1.docker.io", "auth.docker.io"), ("registry.gitlab.com", "gitlab.com")];

/// One entry of a secret's `registry`: `HOST[:PORT]`, with `https://` or `http://` in front if need be. Without a scheme it
/// is reached by https, or if it is this machine by either.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bound(pub String);

impl Bound {
    /// Whether the login may be sent to a registry or token server.
    pub fn allows(&self, place: &UpstreamUrl) -> bool {
        let Some(bound) = self.url() else { return false };
        let is_scheme = match (bound.is_plain(), place.is_plain()) {
            (true, is_plain) => is_plain,
            (false, false) => true,
            (false, true) => !self.0.contains("://") && place.is_loopback(),
        };
        is_scheme && registry_host(bound.authority()) == registry_host(place.authority())
    }

    /// Whether a place is the token server that the registry is known to have.
    pub fn has_token_server(&self, place: &UpstreamUrl) -> bool {
        let Some(bound) = self.url().filter(|bound| !bound.is_plain() && !place.is_plain()) else { return false };
        TOKEN_SERVERS.contains(&(registry_host(bound.authority()), place.authority()))
    }

    fn url(&self) -> Option<UpstreamUrl> {
        self.0.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed() {
        for (bound, place, is_allowed) in [
            ("quay.io", "https://quay.io", true),
            ("quay.io", "http://quay.io", false),
            ("https://quay.io", "quay.io", true),
            ("http://quay.io", "http://quay.io", true),
            ("http://quay.io", "https://quay.io", false),
            ("docker.io", "registry-1.docker.io", true),
            ("registry-1.docker.io", "index.docker.io", true),
            ("docker.io", "auth.docker.io", false),
            ("127.0.0.1:5000", "http://127.0.0.1:5000", true),
            ("127.0.0.1:5000", "http://127.0.0.1:5001", false),
            ("localhost:5000", "http://localhost:5000", true),
            ("https://localhost:5000", "http://localhost:5000", false),
            ("[::1]:5000", "http://[::1]:5000", true),
            ("10.0.0.1:5000", "http://10.0.0.1:5000", false),
            ("quay.io", "quay.io:8443", false),
            ("quay.io", "quay.io.example.com", false),
            ("ftp://quay.io", "quay.io", false),
            ("quay.io/v2", "quay.io", false),
        ] {
            let place: UpstreamUrl = place.parse().expect(place);
            assert_eq!(Bound(bound.to_owned()).allows(&place), is_allowed, "{bound} {place}");
        }
    }

    #[test]
    fn token_servers() {
        for (bound, place, is_known) in [
            ("docker.io", "https://auth.docker.io", true),
            ("docker.io", "http://auth.docker.io", false),
            ("docker.io", "https://gitlab.com", false),
            ("registry.gitlab.com", "https://gitlab.com", true),
            ("quay.io", "https://auth.docker.io", false),
        ] {
            let place: UpstreamUrl = place.parse().expect(place);
            assert_eq!(Bound(bound.to_owned()).has_token_server(&place), is_known, "{bound} {place}");
        }
    }
}
