//! Headers of other registries and of clients, changed.

use mutate::Form;
use oci::{Challenge, Digest, if_none_match, next_link, next_target};

const CHALLENGES: [&str; 7] = [
    r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#,
    r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:user/image:pull""#,
    r#"Bearer realm="https://gitlab.com/jwt/auth",service="container_registry",error="invalid_token""#,
    r#"Basic realm="https://123456789012.dkr.ecr.us-east-1.amazonaws.com/",service="ecr.amazonaws.com""#,
    r#"Basic realm="Sonatype Nexus Repository Manager""#,
    r#"Negotiate, Basic realm=x, Bearer realm="https://a/\"b\"" , service=c"#,
    "Digest realm=\"x\", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", qop=\"auth, auth-int\"",
];

const LINKS: [&str; 7] = [
    r#"</v2/_catalog?last=team%2Fapp&n=100>; rel="next""#,
    r#"<https://registry.example.com/v2/a/tags/list?n=2&last=b>; rel="next""#,
    r#"</v2/a/tags/list?next_page=gAAAAABl,x;y>; rel="next"; title="the next, and last""#,
    "<../a>; rel=prev, </b>; REL=Next",
    "</v2/a/referrers/sha256:00?artifactType=x>; rel=\"last next\"",
    "<>; rel=\"next\"",
    "/v2/_catalog?last=a",
];

const KNOWN: [&str; 5] = [
    r#""sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#,
    r#"W/"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "x""#,
    "*",
    r#""a", W/"b", "c,*,d""#,
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

/// As a registry would write it.
fn written(challenge: &Challenge) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    match challenge {
        Challenge::Basic => "Basic realm=\"x\"".to_owned(),
        Challenge::Bearer { realm, service, scope } => {
            let parts = [("realm", Some(realm)), ("service", service.as_ref()), ("scope", scope.as_ref())];
            let parts = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", quoted(value?))));
            format!("Bearer {}", parts.collect::<Vec<_>>().join(","))
        }
    }
}

#[test]
fn challenges() {
    mutate::texts(Form::Text, &CHALLENGES, 3_000, |header| {
        let chosen = Challenge::choose([header].into_iter());
        assert_eq!(Challenge::choose([header].into_iter()), chosen);
        if let Some(challenge) = chosen {
            let again = written(&challenge);
            assert_eq!(Challenge::choose([again.as_str()].into_iter()), Some(challenge), "{again}");
        }
        // A token goes before a password, wherever it stands.
        let bearer = "Bearer realm=\"https://a\"";
        for headers in [[header, bearer], [bearer, header]] {
            assert!(matches!(Challenge::choose(headers.into_iter()), Some(Challenge::Bearer { .. })));
        }
    });
}

#[test]
fn links() {
    mutate::texts(Form::Text, &LINKS, 8_000, |header| {
        let target = next_target(header);
        assert_eq!(next_target(header), target);
        // A target ends with its bracket, and holds anything before.
        for target in target.into_iter().chain(header.split('>').take(4)) {
            let link = next_link(target);
            assert_eq!(next_target(&link), Some(target), "{link}");
            assert_eq!(next_target(&format!("</a>; title=\"b, <c>; rel=next\"; rel=prev,{link}")), Some(target));
        }
    });
}

#[test]
fn what_a_client_has() {
    let digest = Digest::sha256_of(b"");
    mutate::texts(Form::Text, &KNOWN, 8_000, |header| {
        let is_known = if_none_match(header, &digest);
        assert_eq!(if_none_match(header, &digest), is_known);
        assert!(!is_known || header.contains('*') || header.contains(&digest.to_string()), "{header}");
        for tag in header.split('"').take(4) {
            let is_same = tag == digest.to_string();
            assert_eq!(if_none_match(&format!("\"{tag}\""), &digest), is_same, "{tag}");
            assert!(if_none_match(&format!("W/\"{tag}\", \"{digest}\""), &digest), "{tag}");
        }
    });
}
