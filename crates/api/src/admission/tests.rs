//! Who is let in by what, and for which registry: tables of (host, namespace, credentials).

use std::sync::Arc;

use access::auth::{sigv4, token};
use access::request::RequestContext;
use access::web_identity::SourceConfig;
use aws::sigv4::{SigV4Error, Signer, SigningRequest, sha256_hex, sign_headers};
use aws::{Region, SecretAccessKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use oci::RepositoryName;
use registry::cache::mirror::MirrorSettings;
use registry::testing::{ACCOUNT, OTHER_ACCOUNT, TestRegistry, root_key};
use store::tables::pull_through_cache_rules::{self, PullThroughCacheRule};
use store::tables::registry_id::RegistryId;
use store::tables::{iam::access_keys, identity_version};

use super::*;

const BODY: &[u8] = b"{}";
const US: &str = "us-east-1";
const EU: &str = "eu-west-1";

/// A server whose first account has a rule for quay.io, open to all; ghcr.io is open to all as well, and has no rule.
async fn server() -> TestRegistry {
    let mut test = TestRegistry::new(SourceConfig::default()).await;
    let registry = test.registry();
    let rule = PullThroughCacheRule {
        registry: registry.clone(),
        prefix: "quay".parse().expect("a prefix"),
        upstream_url: "quay.io".to_owned(),
        upstream_registry: Some("quay".parse().expect("a kind")),
        upstream_prefix: None,
        credential_arn: None,
        custom_role_arn: None,
        created_at_ms: 0,
        updated_at_ms: 0,
    };
    let written = test.db.write(move |tx| pull_through_cache_rules::insert(tx, &rule)).await;
    assert!(written.expect("stored"), "the prefix is free");
    let open =
        MirrorSettings { anonymous: Some(registry), registries: vec!["quay.io".to_owned(), "ghcr.io".to_owned()] };
    Arc::get_mut(&mut test.app).expect("nobody else has it").cache.mirror = open;
    test
}

/// The token that a key gets in a region, for an account's registry.
fn token(test: &TestRegistry, key: &str, region: &str, account: &str) -> String {
    let caller = Caller { region: region.parse().expect("a region"), ..test.caller(key) };
    token::issue(test, &caller, account.parse().expect("an account")).0
}

fn with_authorization(test: &TestRegistry, host: &str, authorization: Option<&str>) -> RequestContext {
    let mut http = test.request();
    host.clone_into(&mut http.authority);
    if let Some(authorization) = authorization {
        let value = HeaderValue::from_str(authorization).expect("a header");
        http.headers.insert(header::AUTHORIZATION, value);
    }
    http
}

/// What came of it, in words: who, in which registry, and as what of another registry.
fn told(result: Result<Admitted, Refused>) -> String {
    let refused = match result {
        Ok(Admitted { caller, registry, mirrored }) => {
            let mirrored = mirrored.map_or_else(String::new, |here| format!(", {} of {}", here.name, here.upstream));
            return format!("{} in {registry}{mirrored}", caller.arn());
        }
        Err(refused) => refused,
    };
    match refused {
        Refused::NoToken(None) => "no token".to_owned(),
        Refused::NoToken(Some(named)) => format!("no token for {named}"),
        Refused::InvalidToken => "invalid".to_owned(),
        Refused::ExpiredToken => "expired".to_owned(),
        Refused::OtherRegion => "of another region".to_owned(),
        Refused::NotServed(region) => format!("{region} is not served"),
        Refused::NotMirrored(upstream) => format!("{upstream} is not mirrored"),
        Refused::Signature(error) => error.json_type().to_owned(),
        Refused::Store(error) => panic!("storage fails: {error}"),
    }
}

/// What comes of a request to a registry for `app`, which names it by another registry or not.
async fn asked(test: &TestRegistry, host: &str, upstream: Option<&str>, authorization: Option<&str>) -> String {
    let http = with_authorization(test, host, authorization);
    let name: RepositoryName = "app".parse().expect("a name");
    let namespace = upstream.map(|upstream| Namespace { upstream: upstream.to_owned(), name: &name });
    let asking = Asking { host, namespace, credentials: Shown::to_registry(&http) };
    told(admit(&test.app, &http, asking).await)
}

#[tokio::test]
async fn who_shows_a_token_is_let_in_by_it() {
    let test = server().await;
    let (root, other_root) = (root_key(ACCOUNT), root_key(OTHER_ACCOUNT));
    let user = test.user(ACCOUNT, "ann", None).await;
    let basic = |key: &str, region, account| Some(format!("Basic {}", token(&test, key, region, account)));
    let shown = |text: &str| Some(text.to_owned());
    let encoded = |text: &str| Some(format!("Basic {}", STANDARD.encode(text)));
    let own_host = format!("{ACCOUNT}.dkr.ecr.{US}.localhost:5000");
    let other_host = format!("{OTHER_ACCOUNT}.dkr.ecr.{US}.localhost");
    let eu_host = format!("{ACCOUNT}.dkr.ecr.{EU}.amazonaws.com");
    let far_host = format!("{ACCOUNT}.dkr.ecr.ap-south-1.amazonaws.com");
    let rows = [
        ("localhost", basic(&root, US, ACCOUNT), "arn:aws:iam::123456789012:root in 123456789012/us-east-1"),
        ("localhost", basic(&root, EU, ACCOUNT), "arn:aws:iam::123456789012:root in 123456789012/eu-west-1"),
        ("localhost", basic(&user, US, ACCOUNT), "arn:aws:iam::123456789012:user/ann in 123456789012/us-east-1"),
        // Whose token it is and whose registry is asked are two things: policies decide whether one may use the other.
        ("localhost", basic(&user, US, OTHER_ACCOUNT), "arn:aws:iam::123456789012:user/ann in 210987654321/us-east-1"),
        (&other_host, basic(&user, US, ACCOUNT), "arn:aws:iam::123456789012:user/ann in 210987654321/us-east-1"),
        (&own_host, basic(&other_root, US, OTHER_ACCOUNT), "arn:aws:iam::210987654321:root in 123456789012/us-east-1"),
        (
            "localhost",
            basic(&other_root, US, OTHER_ACCOUNT),
            "arn:aws:iam::210987654321:root in 210987654321/us-east-1",
        ),
        (&eu_host, basic(&root, EU, ACCOUNT), "arn:aws:iam::123456789012:root in 123456789012/eu-west-1"),
        (&eu_host, basic(&root, US, ACCOUNT), "of another region"),
        (&far_host, basic(&root, US, ACCOUNT), "ap-south-1 is not served"),
        ("localhost", None, "no token"),
        (&eu_host, None, "no token for 123456789012/eu-west-1"),
        ("localhost", shown("Basic"), "no token"),
        ("localhost", shown("Basic ***"), "no token"),
        (&own_host, encoded("AWS"), "no token for 123456789012/us-east-1"),
        ("localhost", encoded("AWS:x"), "invalid"),
        ("localhost", encoded("AWS:wharf_x"), "invalid"),
        (&far_host, encoded("AWS:x"), "invalid"),
        ("localhost", encoded("ann:secret"), "invalid"),
        ("localhost", shown("AWS4-HMAC-SHA256 Credential=x"), "no token"),
        ("localhost", Some(format!("Basic {}", "A".repeat(token::MAX_HEADER_BYTES))), "no token"),
    ];
    for (host, authorization, expected) in rows {
        let answer = asked(&test, host, None, authorization.as_deref()).await;
        assert_eq!(answer, expected, "{authorization:?} at {host}");
    }
}

#[tokio::test]
async fn registries_of_accounts_take_a_token_as_basic_alone() {
    let test = server().await;
    let good = token(&test, &root_key(ACCOUNT), US, ACCOUNT);
    let host = format!("{ACCOUNT}.dkr.ecr.{US}.localhost");
    let in_it = "arn:aws:iam::123456789012:root in 123456789012/us-east-1";
    for (scheme, expected, at_host) in [
        ("Basic", in_it, in_it),
        ("bAsIc", in_it, in_it),
        ("Bearer", "no token", "no token for 123456789012/us-east-1"),
        ("bearer", "no token", "no token for 123456789012/us-east-1"),
        ("Digest", "no token", "no token for 123456789012/us-east-1"),
    ] {
        let shown = format!("{scheme} {good}");
        assert_eq!(asked(&test, "localhost", None, Some(&shown)).await, expected, "{scheme}");
        assert_eq!(asked(&test, &host, None, Some(&shown)).await, at_host, "{scheme}");
        // Who shows anything at all is not nobody.
        let mirrored = asked(&test, "localhost", Some("quay.io"), Some(&shown)).await;
        assert_eq!(mirrored.starts_with("no token"), expected == "no token", "{scheme}: {mirrored}");
    }
}

#[tokio::test]
async fn nobody_is_let_in_to_what_is_open_to_all() {
    let test = server().await;
    let basic = |key: &str, account| Some(format!("Basic {}", token(&test, key, US, account)));
    let (of_owner, of_other) = (basic(&root_key(ACCOUNT), ACCOUNT), basic(&root_key(OTHER_ACCOUNT), OTHER_ACCOUNT));
    let own_host = format!("{ACCOUNT}.dkr.ecr.{US}.localhost");
    let other_host = format!("{OTHER_ACCOUNT}.dkr.ecr.{EU}.localhost");
    let open = "anonymous in 123456789012/us-east-1, quay/app of quay.io";
    let own = "arn:aws:iam::123456789012:root in 123456789012/us-east-1";
    let mirrored = "arn:aws:iam::123456789012:root in 123456789012/us-east-1, quay/app of quay.io";
    let rows = [
        ("localhost", "quay.io", None, open),
        (&own_host, "quay.io", None, open),
        // What is open to all is one registry's, whichever host is asked.
        (&other_host, "quay.io", None, open),
        ("localhost", "ghcr.io", None, "ghcr.io is not mirrored"),
        ("localhost", "docker.io", None, "no token"),
        (&other_host, "docker.io", None, "no token for 210987654321/eu-west-1"),
        ("localhost", "quay.io", of_owner.as_deref(), mirrored),
        ("localhost", "ghcr.io", of_owner.as_deref(), "ghcr.io is not mirrored"),
        // A registry that has no rule takes no notice.
        ("localhost", "quay.io", of_other.as_deref(), "arn:aws:iam::210987654321:root in 210987654321/us-east-1"),
        ("localhost", "quay.io", Some("Basic QVdTOng="), "invalid"),
        // A client that has this server as a mirror of itself.
        ("localhost", "localhost", of_owner.as_deref(), own),
        ("localhost", "localhost", None, "no token"),
        ("localhost", &own_host, of_owner.as_deref(), own),
        ("localhost", &own_host, None, "no token"),
    ];
    for (host, upstream, authorization, expected) in rows {
        let answer = asked(&test, host, Some(upstream), authorization).await;
        assert_eq!(answer, expected, "{authorization:?} at {host} for {upstream}");
    }
    let registry = test.registry();
    let name: RepositoryName = "app".parse().expect("a name");
    let http = test.request();
    let namespace = Some(Namespace { upstream: "quay.io".to_owned(), name: &name });
    let asking = Asking { host: "localhost", namespace, credentials: Shown::Nothing };
    let Admitted { caller, .. } = admit(&test.app, &http, asking).await.expect("open to all");
    let pull = caller.anonymous().expect("nobody");
    assert_eq!(pull.place, registry.repository(&"quay/app".parse().expect("a name")));
    assert_eq!(caller.principal.account(), None, "it is of no account");
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_with_its_key() {
    let test = server().await;
    let user = test.user(ACCOUNT, "ann", None).await;
    let [of_user, of_root] = [&user, &root_key(ACCOUNT)].map(|key| format!("Basic {}", token(&test, key, US, ACCOUNT)));
    let in_it = "arn:aws:iam::123456789012:root in 123456789012/us-east-1";
    assert!(asked(&test, "localhost", None, Some(&of_user)).await.starts_with("arn:"));
    let written = test.db.write(move |tx| {
        access_keys::set_active(tx, &user, false)?;
        identity_version::increment(tx)
    });
    written.await.expect("stored");
    test.load_identities().await.expect("readable");
    assert_eq!(asked(&test, "localhost", None, Some(&of_user)).await, "invalid");
    assert_eq!(asked(&test, "localhost", None, Some(&of_root)).await, in_it);
    test.clock.advance_ms(test.limits.token_lifetime_ms);
    for (host, upstream) in [("localhost", None), ("localhost", Some("quay.io"))] {
        assert_eq!(asked(&test, host, upstream, Some(&of_root)).await, "expired", "{upstream:?}");
    }
}

/// What comes of a request that a key signs for a service in a region.
async fn signed(test: &TestRegistry, host: &str, key: &str, secret: &str, scope: (&str, &str)) -> String {
    let (region, service) = scope;
    let mut http = with_authorization(test, host, None);
    http.headers.insert(header::HOST, HeaderValue::from_str(host).expect("a header"));
    let request = SigningRequest {
        method: http.method.as_str(),
        path: &http.path,
        query: &http.query,
        headers: &http.headers,
        body: BODY,
    };
    let secret = SecretAccessKey::new(secret.to_owned());
    let signer =
        Signer { access_key_id: key, secret: &secret, session_token: None, region, service, now_ms: test.now_ms() };
    let headers = sign_headers(&request, &signer);
    http.headers.extend(headers);
    let claim = match sigv4::find_key(&http) {
        Ok(claim) => claim,
        Err(error) => return told(Err(error.into())),
    };
    let credentials = Shown::Signature(Signature { claim, body_sha256: &sha256_hex(BODY), service: "ecr" });
    told(admit(&test.app, &http, Asking { host, namespace: None, credentials }).await)
}

#[tokio::test]
async fn who_signs_asks_the_registry_of_the_account() {
    let test = server().await;
    let user = test.user(OTHER_ACCOUNT, "ben", None).await;
    let (root, other_root) = (root_key(ACCOUNT), root_key(OTHER_ACCOUNT));
    let (api, eu_api) = (format!("api.ecr.{US}.amazonaws.com"), format!("api.ecr.{EU}.amazonaws.com"));
    let registry_host = format!("{ACCOUNT}.dkr.ecr.{EU}.localhost");
    let invalid = "InvalidSignatureException";
    let rows = [
        (
            "localhost",
            root.as_str(),
            "root secret",
            (US, "ecr"),
            "arn:aws:iam::123456789012:root in 123456789012/us-east-1",
        ),
        ("localhost", &root, "root secret", (EU, "ecr"), "arn:aws:iam::123456789012:root in 123456789012/eu-west-1"),
        (
            "localhost",
            &other_root,
            "root secret",
            (US, "ecr"),
            "arn:aws:iam::210987654321:root in 210987654321/us-east-1",
        ),
        (
            "localhost",
            &user,
            "user secret",
            (US, "ecr"),
            "arn:aws:iam::210987654321:user/ben in 210987654321/us-east-1",
        ),
        (&api, &user, "user secret", (US, "ecr"), "arn:aws:iam::210987654321:user/ben in 210987654321/us-east-1"),
        // Whose registry a host names says nothing of who calls the API there.
        (
            &registry_host,
            &user,
            "user secret",
            (US, "ecr"),
            "arn:aws:iam::210987654321:user/ben in 210987654321/us-east-1",
        ),
        (&eu_api, &user, "user secret", (US, "ecr"), invalid),
        ("localhost", &user, "user secret", ("ap-south-1", "ecr"), invalid),
        ("localhost", &user, "user secret", (US, "kms"), invalid),
        ("localhost", &user, "root secret", (US, "ecr"), invalid),
        ("localhost", "AKIANOBODYSKEY000000", "root secret", (US, "ecr"), "UnrecognizedClientException"),
    ];
    for (host, key, secret, scope, expected) in rows {
        assert_eq!(signed(&test, host, key, secret, scope).await, expected, "{key} for {scope:?} at {host}");
    }
}

#[test]
fn who_tries_credentials_out_is_slowed_down() {
    let region: Region = US.parse().expect("a region");
    let registry = RegistryId { account: ACCOUNT.parse().expect("an account"), region: region.clone() };
    for (refused, is_guess) in [
        (Refused::Signature(SigV4Error::UnrecognizedClient), true),
        (Refused::Signature(SigV4Error::InvalidSignature(String::new())), true),
        (Refused::Signature(SigV4Error::MissingAuthenticationToken), false),
        (Refused::Signature(SigV4Error::ExpiredToken), false),
        (Refused::InvalidToken, true),
        (Refused::NoToken(Some(registry)), false),
        (Refused::ExpiredToken, false),
        // Its token is good, if not here.
        (Refused::OtherRegion, false),
        (Refused::NotServed(region), false),
        (Refused::NotMirrored("quay.io".to_owned()), false),
    ] {
        assert_eq!(refused.is_guess(), is_guess, "{refused:?}");
    }
}
