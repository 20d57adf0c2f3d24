//! Signed requests as botocore sends them, changed: a signature is good for what was signed and for nothing else.

use std::collections::BTreeMap;

use aws::SecretAccessKey;
use aws::sigv4::{Presented, RequestParts, SigV4Error, SigningKey, sha256_hex};
use http::{HeaderMap, HeaderName, HeaderValue};
use mutate::Form;

/// Signed on 29 November 2026 at 20:58:47 with the key of AWS's documentation.
const SEEDS: [&str; 4] = [
    include_str!("seeds/describe_images.http"),
    include_str!("seeds/describe_images_session.http"),
    include_str!("seeds/assume_role.http"),
    include_str!("seeds/presigned.http"),
];
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SIGNED_AT_MS: i64 = 1_795_985_927_000;
const SERVICES: [&str; 2] = ["ecr", "sts"];

/// A request as it came over the connection.
struct Request {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Reads a request as far as HTTP lets it through; lines that are no header are left out.
fn request(input: &[u8]) -> Option<Request> {
    let end = input.windows(2).position(|two| two == b"\n\n").unwrap_or(input.len());
    let (head, body) = (&input[..end], input.get(end + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let value = line[at + 1..].trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body: body.to_vec() })
}

/// What a request presents, and whether it is signed.
fn check(request: &Request) -> Result<(Presented, Result<(), SigV4Error>), SigV4Error> {
    let Request { method, path, query, headers, body } = request;
    let parts = RequestParts { method, path, query, headers, body_sha256: &sha256_hex(body) };
    let presented = Presented::from_request(&parts)?;
    let service = SERVICES.into_iter().find(|service| *service == presented.service).unwrap_or("ecr");
    let secret = SecretAccessKey::new(SECRET.to_owned());
    let key = |date: &str, region: &str| SigningKey::derive(&secret, date, region, service);
    let verified = presented.verify(&parts, key, service, |region| region == "us-east-1", SIGNED_AT_MS + 1_000);
    Ok((presented, verified))
}

/// Everything that a signature covers, as the server goes on to read it.
#[derive(Debug, PartialEq)]
struct Meaning {
    method: String,
    path: String,
    query: Vec<(Vec<u8>, Vec<u8>)>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    scope: [String; 4],
    amz_date: String,
    expires_seconds: Option<u32>,
    session_token: Option<String>,
    signature: String,
}

fn meaning(request: &Request, presented: &Presented) -> Meaning {
    let decoded = |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
    let pairs = request.query.split('&').filter(|pair| !pair.is_empty());
    let mut query: Vec<_> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    query.sort();
    let values = |name: &str| {
        let name = if name == ":authority" { "host" } else { name };
        let values = request.headers.get_all(name).iter().map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            text.split(' ')
                .filter(|word| !word.is_empty())
                .map(|word| word.trim_matches('\t'))
                .collect::<Vec<_>>()
                .join(" ")
        });
        values.collect::<Vec<_>>().join(",")
    };
    let mut headers: BTreeMap<String, String> =
        presented.signed_headers.iter().map(|name| (name.clone(), values(name))).collect();
    // What makes the connection may write the host in another way than what signs.
    if let Some(host) = headers.get_mut("host") {
        let plain = [":443", ":80"].iter().find_map(|port| host.strip_suffix(port)).unwrap_or(host.as_str());
        *host = plain.to_ascii_lowercase();
    }
    let Presented { date, region, service, terminator, .. } = presented;
    Meaning {
        method: request.method.clone(),
        path: if request.path.is_empty() { "/".to_owned() } else { request.path.clone() },
        query,
        headers,
        body: request.body.clone(),
        scope: [date, region, service, terminator].map(Clone::clone),
        amz_date: presented.amz_date.clone(),
        expires_seconds: presented.expires_seconds,
        session_token: presented.session_token.clone(),
        signature: presented.signature.clone(),
    }
}

fn signed(seed: &str) -> Meaning {
    let request = request(seed.as_bytes()).expect("a request");
    let (presented, verified) = check(&request).expect("readable");
    assert_eq!(verified, Ok(()), "{seed}");
    meaning(&request, &presented)
}

fn keeps_to_its_limits(request: &Request, presented: &Presented) {
    assert!(presented.signed_headers.iter().any(|name| name == "host" || name == ":authority"));
    assert!(presented.signed_headers.iter().all(|name| *name == name.to_ascii_lowercase()));
    assert!(presented.expires_seconds.is_none_or(|seconds| (1..=604_800).contains(&seconds)));
    assert!(aws::time::parse_amz_date(&presented.amz_date).is_some(), "{presented:?}");
    let Presented { access_key_id, date, region, service, terminator, .. } = presented;
    assert!([access_key_id, date, region, service, terminator].iter().all(|part| !part.contains('/')));
    // Whoever stands between can change what is not signed.
    for name in request.headers.keys().filter(|name| name.as_str().starts_with("x-amz-")) {
        let is_signed = presented.signed_headers.iter().any(|signed| signed == name.as_str());
        assert!(is_signed || name == "x-amz-user-agent", "{name}");
    }
}

/// The same, as a client writes it.
fn written(presented: &Presented) -> String {
    let Presented { access_key_id, date, region, service, terminator, signed_headers, signature, .. } = presented;
    format!(
        "AWS4-HMAC-SHA256 Credential={access_key_id}/{date}/{region}/{service}/{terminator}, SignedHeaders={}, Signature={signature}",
        signed_headers.join(";")
    )
}

#[test]
fn requests() {
    let signed: Vec<Meaning> = SEEDS.into_iter().map(signed).collect();
    mutate::inputs(Form::Text, &SEEDS, 2_000, |input| {
        let Some(request) = request(input) else { return };
        let checked = check(&request);
        assert_eq!(check(&request), checked);
        let Ok((presented, verified)) = checked else { return };
        keeps_to_its_limits(&request, &presented);
        assert!(verified.is_err() || signed.contains(&meaning(&request, &presented)), "nobody signed this");
        if presented.expires_seconds.is_none() {
            let mut again = request;
            let authorization = HeaderValue::from_str(&written(&presented)).expect("of a header");
            again.headers.insert(http::header::AUTHORIZATION, authorization);
            assert_eq!(check(&again), Ok((presented, verified)));
        }
    });
}

/// What a request is for lies in its first line, as far as it is not in its body.
#[test]
fn first_lines() {
    let signed: Vec<Meaning> = SEEDS.into_iter().map(signed).collect();
    let lines = SEEDS.map(|seed| seed.lines().next().expect("a line"));
    mutate::inputs(Form::Text, &lines, 1_500, |line| {
        for seed in SEEDS {
            let rest = seed.split_once('\n').map_or("", |(_, rest)| rest);
            let Some(request) = request(&[line, b"\n", rest.as_bytes()].concat()) else { return };
            let Ok((presented, verified)) = check(&request) else { continue };
            keeps_to_its_limits(&request, &presented);
            assert!(verified.is_err() || signed.contains(&meaning(&request, &presented)), "nobody signed this");
        }
    });
}

#[test]
fn authorization_headers() {
    let headers: Vec<&str> = SEEDS
        .iter()
        .flat_map(|seed| seed.lines())
        .filter_map(|line| line.strip_prefix("Authorization: "))
        .chain(["AWS4-HMAC-SHA256 Credential=A/20150830/us-east-1/ecr/aws4_request,SignedHeaders=host;x-amz-date,Signature=0"])
        .chain(["Basic QVdTOnRva2Vu", "Bearer eyJhbGciOiJFUzI1NiJ9.e30.AA", "AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d"])
        .collect();
    mutate::inputs(Form::Text, &headers, 4_000, |input| {
        let Ok(value) = HeaderValue::from_bytes(input) else { return };
        let mut request = request(SEEDS[0].as_bytes()).expect("a request");
        request.headers.insert(http::header::AUTHORIZATION, value);
        let checked = check(&request);
        match &checked {
            Ok((presented, _)) => keeps_to_its_limits(&request, presented),
            Err(error) => assert!(!error.to_string().is_empty() && error.to_string().len() <= 2 * input.len() + 400),
        }
        assert_eq!(check(&request), checked);
    });
}
