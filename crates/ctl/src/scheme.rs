//! Whether a server speaks http where it was asked in https, or the other way round: every command tells it alike.

use reqwest::Url;

/// What rustls says of an answer that is no TLS.
const NO_TLS: [&str; 2] = ["InvalidContentType", "InvalidMessage"];
/// What servers answer in clear to a request that should have come in TLS: Wharf, nginx, and those written in Go.
const WANT_TLS: [&str; 3] = ["speaks https", "sent to HTTPS port", "to an HTTPS server"];
/// As much of an answer is looked at.
pub(crate) const LOOKED_AT: usize = 1024;

/// What a server speaks, if it is not what it was asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    spoken: &'static str,
}

impl Mismatch {
    /// Of why a request to an endpoint failed.
    pub(crate) fn of_cause(endpoint: &Url, cause: &str) -> Option<Self> {
        let is_clear = endpoint.scheme() == "https" && NO_TLS.iter().any(|sign| cause.contains(sign));
        is_clear.then_some(Self { spoken: "http" })
    }

    /// Of an answer of an endpoint.
    pub(crate) fn of_answer(endpoint: &Url, status: u16, body: &str) -> Option<Self> {
        let beginning: String = body.chars().take(LOOKED_AT).collect();
        let is_tls =
            endpoint.scheme() == "http" && status == 400 && WANT_TLS.iter().any(|sign| beginning.contains(sign));
        is_tls.then_some(Self { spoken: "https" })
    }

    /// What the server does.
    pub(crate) fn cause(self) -> String {
        format!("it speaks {}", self.spoken)
    }

    /// What to do. `by` is what gave the URL.
    pub(crate) fn hint(self, by: &str) -> String {
        let place = match by {
            "" | "default" => String::new(),
            by => format!(" (it is from {by})"),
        };
        format!("write {}:// in the URL{place}", self.spoken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_speaks() {
        let url = |text: &str| Url::parse(text).expect("a URL");
        let (clear, tls) = (url("http://a:5000"), url("https://a:5000"));
        let answers = [
            "This port speaks https, and the request was sent with http: use https:// in the URL.",
            "<center>The plain HTTP request was sent to HTTPS port</center>",
            "Client sent an HTTP request to an HTTPS server.\n",
        ];
        for answer in answers {
            let found = Mismatch::of_answer(&clear, 400, answer).expect("known");
            assert_eq!(found.cause(), "it speaks https");
            assert_eq!(found.hint("AWS_ENDPOINT_URL"), "write https:// in the URL (it is from AWS_ENDPOINT_URL)");
            // Nobody is told to write what is written.
            assert_eq!(Mismatch::of_answer(&tls, 400, answer), None);
            assert_eq!(Mismatch::of_answer(&clear, 404, answer), None);
        }
        let cause = "received corrupt message of type InvalidContentType";
        assert_eq!(
            Mismatch::of_cause(&tls, cause).map(|found| found.hint("default")).as_deref(),
            Some("write http:// in the URL")
        );
        assert_eq!(Mismatch::of_cause(&clear, cause), None);
        assert_eq!(Mismatch::of_cause(&tls, "Connection refused"), None);
    }
}
