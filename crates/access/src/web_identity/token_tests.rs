use proptest::prelude::*;
use serde_json::{Value, json};

use super::keys::Keys;
use super::test_issuer::{EC_KEY, RSA_KEY, TestIssuer};
use super::token::{MAX_TOKEN_CHARS, Token, TokenError, WebIdentity};

const NOW: i64 = 1_767_225_600;

fn claims() -> Value {
    json!({
        "iss": "https://token.example.com/ci", "sub": "repo:org/app:ref:refs/heads/main", "aud": "sts.amazonaws.com",
        "iat": NOW - 10, "exp": NOW + 300, "nbf": NOW - 10, "repository": "org/app", "run_attempt": 3, "SUB": "other",
        "amr": ["pwd", "mfa"],
    })
}

fn but(changes: Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            members.remove(name)
        } else {
            members.insert(name.clone(), value.clone())
        };
    }
    claims
}

fn read(issuer: &TestIssuer, token: &str) -> Result<WebIdentity, TokenError> {
    let keys = Keys::parse(issuer.key_set().to_string().as_bytes()).expect("keys");
    let client_ids = ["sts.amazonaws.com".to_owned(), "app".to_owned()];
    Token::parse(token)?.verify(&keys, &client_ids, NOW * 1000)
}

#[test]
fn what_is_believed() {
    let issuer = TestIssuer::generate();
    for (alg, kid) in [("RS256", RSA_KEY), ("PS256", RSA_KEY), ("ES256", EC_KEY)] {
        let identity = read(&issuer, &issuer.token_with(&json!({"alg": alg, "kid": kid}), &claims())).expect(alg);
        assert_eq!(identity.subject, "repo:org/app:ref:refs/heads/main");
        assert_eq!(identity.audience, "sts.amazonaws.com");
        let key = |name: &str| {
            let name = format!("token.example.com/ci:{name}");
            identity.keys.iter().filter(|(key, _)| *key == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(key("sub"), ["repo:org/app:ref:refs/heads/main"]);
        assert_eq!(key("repository"), ["org/app"]);
        assert_eq!(key("amr"), ["pwd", "mfa"]);
        assert!(key("run_attempt").is_empty() && key("SUB").is_empty(), "{:?}", identity.keys);
    }
}

#[test]
fn audiences() {
    let issuer = TestIssuer::generate();
    let rows = [
        (json!({"aud": "app"}), Ok("app")),
        (json!({"aud": ["other", "app"]}), Ok("app")),
        (json!({"aud": ["other"]}), Err(TokenError::Audience)),
        (json!({"aud": "sts.amazonaws.com.evil"}), Err(TokenError::Audience)),
        (json!({"aud": "other", "azp": "app"}), Ok("app")),
        (json!({"aud": "app", "azp": "other"}), Err(TokenError::Audience)),
        (json!({"aud": "app", "azp": 1}), Err(TokenError::Missing("azp"))),
        (json!({"aud": null}), Err(TokenError::Missing("aud"))),
        (json!({"aud": []}), Err(TokenError::Missing("aud"))),
        (json!({"aud": 1}), Err(TokenError::Missing("aud"))),
    ];
    for (changes, expected) in rows {
        let given = read(&issuer, &issuer.token(&but(changes.clone()))).map(|identity| identity.audience);
        assert_eq!(given.as_deref(), expected.as_ref().map(|audience| &**audience), "{changes}");
    }
}

#[test]
fn times() {
    let issuer = TestIssuer::generate();
    let expired = |expires_at| Err(TokenError::Expired { now: NOW, expires_at });
    let early = |valid_from| Err(TokenError::NotYet { now: NOW, valid_from });
    let rows = [
        ("ends in a second", json!({"exp": NOW + 1}), Ok(())),
        ("with a fraction", json!({"exp": NOW as f64 + 1.5}), Ok(())),
        ("ends now", json!({"exp": NOW}), expired(NOW)),
        ("ended", json!({"exp": NOW - 200}), expired(NOW - 200)),
        ("no end", json!({"exp": null}), Err(TokenError::Missing("exp"))),
        ("an end in words", json!({"exp": "tomorrow"}), Err(TokenError::Missing("exp"))),
        ("an end out of range", json!({"exp": -1e300}), expired(i64::MIN)),
        ("no beginning", json!({"iat": null}), Err(TokenError::Missing("iat"))),
        ("without nbf", json!({"nbf": null}), Ok(())),
        ("a clock that runs ahead", json!({"nbf": NOW + 300, "iat": NOW + 299}), Ok(())),
        ("nbf in the future", json!({"nbf": NOW + 301}), early(NOW + 301)),
        ("issued in the future", json!({"iat": NOW + 301, "nbf": null}), early(NOW + 301)),
        ("issued out of range", json!({"iat": 1e300}), early(i64::MAX)),
    ];
    for (row, changes, expected) in rows {
        assert_eq!(read(&issuer, &issuer.token(&but(changes))).map(drop), expected, "{row}");
    }
}

#[test]
fn forgeries() {
    let issuer = TestIssuer::generate();
    let headers = [
        (json!({"alg": "none", "kid": RSA_KEY}), TokenError::Algorithm),
        (json!({"alg": "None", "kid": RSA_KEY}), TokenError::Algorithm),
        (json!({"alg": "", "kid": RSA_KEY}), TokenError::Algorithm),
        // The public key as the secret of an HMAC.
        (json!({"alg": "HS256", "kid": RSA_KEY}), TokenError::Algorithm),
        (json!({"alg": "EdDSA", "kid": RSA_KEY}), TokenError::Algorithm),
        (json!({"alg": "PS512", "kid": RSA_KEY}), TokenError::Algorithm),
        // A key of another type, and one that is limited to another algorithm.
        (json!({"alg": "RS256", "kid": EC_KEY}), TokenError::NoKey),
        (json!({"alg": "ES256", "kid": RSA_KEY}), TokenError::NoKey),
        (json!({"alg": "RS256", "kid": "rs512-only"}), TokenError::NoKey),
        (json!({"alg": "RS256", "kid": "encryption"}), TokenError::NoKey),
        (json!({"alg": "RS256", "kid": "unknown"}), TokenError::NoKey),
        (json!({"alg": "RS256"}), TokenError::NoKey),
        (json!({"alg": "RS256", "kid": 1}), TokenError::NotAToken),
        (json!({"kid": RSA_KEY}), TokenError::NotAToken),
        (json!({"alg": "RS256", "kid": RSA_KEY, "crit": ["b64"], "b64": false}), TokenError::NotAToken),
        // Said to be PS256, signed with nothing.
        (json!({"alg": "RS384", "kid": RSA_KEY}), TokenError::Signature),
    ];
    for (header, expected) in headers {
        assert_eq!(read(&issuer, &issuer.token_with(&header, &claims())), Err(expected), "{header}");
    }
    // Signed by somebody else's key of that name, and changed after it was signed.
    assert_eq!(read(&issuer, &TestIssuer::generate().token(&claims())), Err(TokenError::Signature));
    let (signed, other) = (issuer.token(&claims()), issuer.token(&but(json!({"sub": "root"}))));
    let part = |token: &str, at: usize| token.split('.').nth(at).expect("three parts").to_owned();
    let changed = format!("{}.{}.{}", part(&signed, 0), part(&other, 1), part(&signed, 2));
    assert_eq!(read(&issuer, &changed), Err(TokenError::Signature));
    let unsigned = format!("{}.{}.", part(&signed, 0), part(&signed, 1));
    assert_eq!(read(&issuer, &unsigned), Err(TokenError::Signature));
}

#[test]
fn what_is_no_token() {
    let issuer = TestIssuer::generate();
    let good = issuer.token(&claims());
    let rows = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "é.é.é".to_owned(),
        format!("{good}.{good}"),
        good.replace('.', ""),
        "e30.e30.e30".to_owned(),
        issuer.token_with(&json!([]), &claims()),
        issuer.token_with(&json!({"alg": "RS256", "kid": RSA_KEY}), &json!("text")),
        "a".repeat(MAX_TOKEN_CHARS + 1),
        issuer.token(&but(json!({"padding": "a".repeat(MAX_TOKEN_CHARS)}))),
    ];
    for token in rows {
        let shown = token.get(..40.min(token.len())).unwrap_or_default().to_owned();
        assert_eq!(read(&issuer, &token), Err(TokenError::NotAToken), "{shown}");
    }
    for claim in ["iss", "sub"] {
        for value in [Value::Null, json!(""), json!(7), json!(["a"])] {
            let token = issuer.token(&but(json!({claim: value})));
            let expected = if claim == "iss" { TokenError::Missing("iss") } else { TokenError::Missing("sub") };
            assert_eq!(read(&issuer, &token), Err(expected), "{claim}: {value}");
        }
    }
}

/// 1,024 bits of RSA can be forged.
#[test]
fn short_keys_do_not_count() {
    const MODULUS: &str = "uanFADk4eIFSy6Q4ha8UOZIc7e8zc-zAA4faD4UM1HccOPi0xF8gjaPKvX5mB6HOvKrrdNDEf5E6Pli5kYxLZjfLD2aWh1g4UXuF\
        E8vCd-gvApnK9gn4syDJYjPWxKsyAPacXkca6wQg3ODuyQdtQXRhYRkln90lGByF4Dtq03k";
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6IndlYWsifQ.eyJpc3MiOiJodHRwczovL2EiLCJzdWIiOiJzIiwiYXVkIjoiYXBwIiwiaWF0I\
        joxNzY3MjI1NjAwLCJleHAiOjE3NjcyMjU5MDB9.ZxRWeLnLuc45G3dCBtlXExP47Hcg_EA0Rn9XndM5BsU3ugsVi5uka8eawZmp\
        5aOQ3868nBPpfiaYIYwIpwNO410oBybRdCi5QIWnB6zT6N9m08Kld-PtDH8nsIIEMxIRMgm37FEqnccxYR9_TY-bKOJnqXURvNYA\
        RPl4UPCfKuY";
    let weak = json!({"keys": [{"kty": "RSA", "kid": "weak", "n": MODULUS, "e": "AQAB"}]});
    let keys = Keys::parse(weak.to_string().as_bytes()).expect("a set");
    let verified = Token::parse(TOKEN).expect("a token").verify(&keys, &["app".to_owned()], NOW * 1000);
    assert_eq!(verified, Err(TokenError::Signature));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = Token::parse(&text).map(drop);
    }

    #[test]
    fn any_header_and_claims_are_read_or_refused(header in ".{0,60}", claims in "\\PC{0,60}", signature in ".{0,20}") {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let _ = Token::parse(&format!("{}.{}.{signature}", encode(&header), encode(&claims))).map(drop);
        let claims = json!({"iss": claims, "exp": header, "aud": [signature]});
        let token = format!("{}.{}.{signature}", encode(r#"{"alg":"RS256","kid":"a"}"#), encode(&claims.to_string()));
        let keys = Keys::parse(br#"{"keys": [{"kid": "a", "kty": "RSA", "n": "AQAB", "e": "AQAB"}]}"#).expect("keys");
        if let Ok(token) = Token::parse(&token) {
            let _ = token.verify(&keys, &[], NOW * 1000);
        }
    }

    #[test]
    fn any_key_set_is_read_or_refused(text in ".{0,200}", member in "kid|kty|n|e|x|y|crv|alg", value in ".{0,20}") {
        let _ = Keys::parse(text.as_bytes());
        let mut key = json!({"kid": "a", "kty": "EC", "crv": "P-256", "n": "", "e": "", "x": "AA", "y": ""});
        key[member] = json!(value);
        let _ = Keys::parse(json!({"keys": [key]}).to_string().as_bytes());
    }
}
