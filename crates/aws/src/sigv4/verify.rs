//! Checking a signature, in the order of AWS's front end (reference/wire.md 3).

use super::authorization::Presented;
use super::canonical::canonical_request;
use super::error::SigV4Error;
use super::signature::{SigningKey, is_equal};
use super::{RequestParts, TERMINATOR, header};
use crate::time;

/// reference/wire.md 3: 'Skew window'.
const SKEW_MS: i64 = 5 * 60 * 1000;

fn invalid(text: impl Into<String>) -> SigV4Error {
    SigV4Error::InvalidSignature(text.into())
}

fn mismatch() -> SigV4Error {
    invalid(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    )
}

/// The host as most signers write it, in lower case and without the port that its scheme has anyway; none if it came
/// like that. What makes the connection may write the same host in another way than what signed the request.
fn plain_host(request: &RequestParts<'_>) -> Option<String> {
    let host = header(request.headers, "host")?;
    let plain = [":443", ":80"].iter().find_map(|port| host.strip_suffix(port)).unwrap_or(host).to_ascii_lowercase();
    (plain != host).then_some(plain)
}

impl Presented {
    /// Checks that the holder of a secret signed this request for `service`, in a region that is valid, just now.
    /// `signing_key` gives what [`SigningKey::derive`] makes of the secret, for a date and a region.
    pub fn verify(
        &self,
        request: &RequestParts<'_>,
        signing_key: impl FnOnce(&str, &str) -> SigningKey,
        service: &str,
        is_valid_region: impl Fn(&str) -> bool,
        now_ms: i64,
    ) -> Result<(), SigV4Error> {
        self.verify_scope(service, is_valid_region)?;
        self.verify_time(now_ms)?;
        if let Some(claimed) = header(request.headers, "x-amz-content-sha256")
            && claimed != request.body_sha256
        {
            return Err(mismatch());
        }
        let scope = format!("{}/{}/{service}", self.date, self.region);
        let key = signing_key(&self.date, &self.region);
        let is_signed = |host: Option<&str>| {
            let canonical = canonical_request(request, &self.signed_headers, host, self.expires_seconds.is_some());
            is_equal(&key.sign(&self.amz_date, &scope, &canonical), &self.signature)
        };
        if is_signed(None) || plain_host(request).is_some_and(|host| is_signed(Some(&host))) {
            Ok(())
        } else {
            Err(mismatch())
        }
    }

    fn verify_scope(&self, service: &str, is_valid_region: impl Fn(&str) -> bool) -> Result<(), SigV4Error> {
        if self.service != service {
            return Err(invalid(format!("Credential should be scoped to correct service: '{service}'.")));
        }
        if !is_valid_region(&self.region) {
            return Err(SigV4Error::InvalidRegion);
        }
        let day = self.amz_date.get(..8).unwrap_or_default();
        if self.date != day {
            return Err(invalid(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{day}', from '{}'.",
                self.date, self.amz_date
            )));
        }
        if self.terminator != TERMINATOR {
            return Err(invalid(format!("Credential should be scoped with a valid terminator: '{TERMINATOR}'.")));
        }
        Ok(())
    }

    fn verify_time(&self, now_ms: i64) -> Result<(), SigV4Error> {
        let signed_ms = time::parse_amz_date(&self.amz_date).ok_or_else(mismatch)?;
        let now = time::amz_date(now_ms);
        let expires_ms = signed_ms + self.expires_seconds.map_or(SKEW_MS, |seconds| i64::from(seconds) * 1000);
        if now_ms > expires_ms {
            let text = match self.expires_seconds {
                None => format!(
                    "Signature expired: {} is now earlier than {} ({now} - 5 min.)",
                    self.amz_date,
                    time::amz_date(now_ms - SKEW_MS)
                ),
                Some(_) => format!("Signature expired: {} is now earlier than {now}", time::amz_date(expires_ms)),
            };
            return Err(invalid(text));
        }
        if signed_ms > now_ms + SKEW_MS {
            return Err(invalid(format!(
                "Signature not yet current: {} is still later than {} ({now} + 5 min.)",
                self.amz_date,
                time::amz_date(now_ms + SKEW_MS)
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::super::{Signer, SigningRequest, sha256_hex, sign_headers};
    use super::*;
    use crate::identity::SecretAccessKey;

    const NOW_MS: i64 = 1_440_938_160_000;

    fn secret() -> SecretAccessKey {
        SecretAccessKey::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned())
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().expect("a name");
            map.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        map
    }

    fn check(
        method: &str,
        path: &str,
        query: &str,
        headers: &HeaderMap,
        body: &[u8],
        service: &str,
        now_ms: i64,
    ) -> Result<(), SigV4Error> {
        let request = RequestParts { method, path, query, headers, body_sha256: &sha256_hex(body) };
        let presented = Presented::from_request(&request)?;
        let key = |date: &str, region: &str| SigningKey::derive(&secret(), date, region, service);
        presented.verify(&request, key, service, |region| region == "us-east-1", now_ms)
    }

    const SCOPE: &str = "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";

    /// Cases of AWS's published test suite, with their signatures.
    #[test]
    fn published_vectors() {
        let date = ("x-amz-date", "20150830T123600Z");
        let host = ("host", "example.amazonaws.com");
        for (name, method, query, signature) in [
            ("get-vanilla", "GET", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "get-vanilla-query-order-key",
                "GET",
                "Param1=value2&Param1=Value1",
                "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1",
            ),
            ("post-vanilla", "POST", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ] {
            let authorization =
                format!("AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders=host;x-amz-date, Signature={signature}");
            let pairs = [host, date, ("authorization", authorization.as_str())];
            let result = check(method, "/", query, &headers(&pairs), b"", "service", NOW_MS);
            assert_eq!(result, Ok(()), "{name}");
        }
    }

    fn signed(now_ms: i64, service: &str, region: &str, body: &[u8]) -> HeaderMap {
        let mut map = headers(&[("host", "localhost:5000"), ("x-amz-target", "T.Op")]);
        let added = sign_headers(
            &SigningRequest { method: "POST", path: "/", query: "", headers: &map, body },
            &Signer { access_key_id: "AKIDEXAMPLE", secret: &secret(), session_token: None, region, service, now_ms },
        );
        for (name, value) in added {
            map.insert(name, value);
        }
        map
    }

    #[test]
    fn every_refusal_has_its_text() {
        let good = signed(NOW_MS, "ecr", "us-east-1", b"{}");
        assert_eq!(check("POST", "/", "", &good, b"{}", "ecr", NOW_MS), Ok(()));
        let says = |name: &str, result: Result<(), SigV4Error>, text: &str| {
            let error = result.expect_err(name).to_string();
            assert!(error.contains(text), "{name}: {error}");
        };
        says("unsigned", check("POST", "/", "", &HeaderMap::new(), b"", "ecr", NOW_MS), "Missing Authentication Token");
        says("service", check("POST", "/", "", &good, b"{}", "sts", NOW_MS), "scoped to correct service: 'sts'.");
        let elsewhere = signed(NOW_MS, "ecr", "eu-west-1", b"{}");
        says("region", check("POST", "/", "", &elsewhere, b"{}", "ecr", NOW_MS), "scoped to a valid Region.");
        says("body", check("POST", "/", "", &good, b"{ }", "ecr", NOW_MS), "does not match the signature you provided");
        says(
            "late",
            check("POST", "/", "", &good, b"{}", "ecr", NOW_MS + 600_000),
            "Signature expired: 20150830T123600Z is now earlier than 20150830T124100Z (20150830T124600Z - 5 min.)",
        );
        says(
            "early",
            check("POST", "/", "", &good, b"{}", "ecr", NOW_MS - 600_000),
            "Signature not yet current: 20150830T123600Z is still later than 20150830T123100Z (20150830T122600Z + 5 min.)",
        );
        let with = |authorization: &str| {
            let mut map = good.clone();
            map.insert("authorization", HeaderValue::from_str(authorization).expect("a value"));
            check("POST", "/", "", &map, b"{}", "ecr", NOW_MS)
        };
        says(
            "no parts",
            with("AWS4-HMAC-SHA256 x=y"),
            "requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization=",
        );
        says("no equal-sign", with("AWS4-HMAC-SHA256 abc"), "'abc' not a valid key=value pair (missing equal-sign)");
        says("scope", with("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0"), "exactly 5");
        says(
            "day",
            with(
                "AWS4-HMAC-SHA256 Credential=A/20150829/us-east-1/ecr/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0",
            ),
            "'20150829' != '20150830', from '20150830T123600Z'.",
        );
        says(
            "terminator",
            with(
                "AWS4-HMAC-SHA256 Credential=A/20150830/us-east-1/ecr/aws4, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0",
            ),
            "valid terminator: 'aws4_request'.",
        );
        says(
            "host unsigned",
            with(
                "AWS4-HMAC-SHA256 Credential=A/20150830/us-east-1/ecr/aws4_request, SignedHeaders=x-amz-date, Signature=0",
            ),
            "'Host'",
        );
    }

    /// As [`signed`], by a client that signs these headers and sends them with others.
    fn signed_as(signed: &[(&str, &str)], sent: &[(&str, &str)]) -> HeaderMap {
        let signing = headers(signed);
        let mut map = headers(sent);
        let secret = secret();
        let added = sign_headers(
            &SigningRequest { method: "POST", path: "/", query: "", headers: &signing, body: b"{}" },
            &Signer {
                access_key_id: "AKIDEXAMPLE",
                secret: &secret,
                session_token: None,
                region: "us-east-1",
                service: "ecr",
                now_ms: NOW_MS,
            },
        );
        for (name, value) in added {
            map.insert(name, value);
        }
        map
    }

    #[test]
    fn a_host_may_be_written_in_several_ways() {
        let good = [
            ("localhost:5000", "localhost:5000"),
            ("localhost:5000", "LocalHost:5000"),
            ("LocalHost:5000", "LocalHost:5000"),
            ("api.ecr.us-east-1.amazonaws.com", "API.ecr.us-east-1.amazonaws.com:443"),
            ("localhost", "localhost:80"),
            ("localhost:443", "localhost:443"),
        ];
        for (signed, sent) in good {
            let map = signed_as(&[("host", signed)], &[("host", sent)]);
            assert_eq!(check("POST", "/", "", &map, b"{}", "ecr", NOW_MS), Ok(()), "{signed} {sent}");
        }
        for (signed, sent) in [("localhost:5000", "localhost"), ("localhost", "localhost:8443"), ("a", "b"), ("a", "")]
        {
            let map = signed_as(&[("host", signed)], &[("host", sent)]);
            assert!(check("POST", "/", "", &map, b"{}", "ecr", NOW_MS).is_err(), "{signed} {sent}");
        }
    }

    #[test]
    fn what_means_something_to_aws_must_be_signed() {
        let target = ("x-amz-target", "A.B");
        let unsigned = signed_as(&[("host", "h")], &[("host", "h"), target]);
        assert_eq!(
            check("POST", "/", "", &unsigned, b"{}", "ecr", NOW_MS),
            Err(invalid("'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."))
        );
        for free in ["x-amz-user-agent", "x-amzn-trace-id", "content-type", "amz-sdk-request", "accept"] {
            let map = signed_as(&[("host", "h"), target], &[("host", "h"), target, (free, "x")]);
            assert_eq!(check("POST", "/", "", &map, b"{}", "ecr", NOW_MS), Ok(()), "{free}");
        }
    }

    /// A client of HTTP/2 may sign the pseudo-header by its own name.
    #[test]
    fn authority_is_host() {
        let request_headers = headers(&[("host", "h:1"), ("x-amz-date", "20150830T123600Z")]);
        let hash = sha256_hex(b"{}");
        let request =
            RequestParts { method: "POST", path: "/", query: "", headers: &request_headers, body_sha256: &hash };
        let names = [":authority".to_owned(), "x-amz-date".to_owned()];
        let canonical = canonical_request(&request, &names, None, false);
        assert!(
            canonical.starts_with("POST\n/\n\n:authority:h:1\nx-amz-date:20150830T123600Z\n\n:authority;x-amz-date\n"),
            "{canonical}"
        );
    }

    proptest! {
        #[test]
        fn a_signed_request_is_accepted_and_a_changed_one_is_not(body: Vec<u8>, at: usize, flip in 1_u8..) {
            let map = signed(NOW_MS, "ecr", "us-east-1", &body);
            prop_assert_eq!(check("POST", "/", "", &map, &body, "ecr", NOW_MS), Ok(()));
            if !body.is_empty() {
                let mut changed = body.clone();
                let at = at % changed.len();
                changed[at] ^= flip;
                prop_assert!(check("POST", "/", "", &map, &changed, "ecr", NOW_MS).is_err());
            }
            prop_assert!(check("PUT", "/", "", &map, &body, "ecr", NOW_MS).is_err());
            prop_assert!(check("POST", "/", "a=b", &map, &body, "ecr", NOW_MS).is_err());
        }

        #[test]
        fn reading_never_panics(authorization in "AWS4-HMAC-SHA256 [ -~]{0,80}|[ -~]{0,80}", query in "[ -~]{0,80}") {
            let map = headers(&[("authorization", &authorization), ("x-amz-date", "20150830T123600Z")]);
            let _ = check("POST", "/", &query, &map, b"", "ecr", NOW_MS);
            let _ = check("GET", "/", &query, &HeaderMap::new(), b"", "ecr", NOW_MS);
        }
    }
}
