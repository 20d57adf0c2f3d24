//! `wharf health`: whether a server answers, for those who watch over it, such as a container's health check. It needs no
//! credentials.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::error::Error;
use crate::given::Given;
use crate::number;
use crate::options::{Options, Surroundings, resolve_endpoint};
use crate::output::Output;
use crate::scheme::{LOOKED_AT, Mismatch};
use crate::{Outcome, client};

#[derive(Args, Debug)]
pub struct HealthArgs {
    /// Whether the process answers at all, also if its database is away.
    #[arg(long)]
    live: bool,
    /// Seconds to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, allow_negative_numbers = true, value_parser = number::within(1_u64..=600))]
    timeout: u64,
}

/// What a server answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    endpoint: String,
    /// What was asked for: `ready`, or `alive`.
    question: &'static str,
    is_ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Health {
    fn text(&self) -> String {
        let Self { endpoint, question, reason, .. } = self;
        match reason {
            None => (*question).to_owned(),
            Some(reason) => format!("not {question}: {reason}, at {endpoint}"),
        }
    }
}

impl HealthArgs {
    /// Says what the server answers; no if it cannot serve now.
    pub(crate) async fn run(
        self,
        options: &Options,
        surroundings: &Surroundings<'_>,
        output: &mut Output<'_>,
    ) -> Result<Outcome, Error> {
        let (Given { value: endpoint, by }, trusted) = resolve_endpoint(options, surroundings)?;
        let url = endpoint
            .join(if self.live { "/healthz" } else { "/readyz" })
            .map_err(|error| Error::Usage(format!("endpoint: {error}")))?;
        let http = client::for_health(&endpoint, &trusted, Duration::from_secs(self.timeout))?;
        let question = if self.live { "alive" } else { "ready" };
        let mut health = Health { endpoint: endpoint.to_string(), question, is_ok: true, reason: None };
        let (reason, mismatch) = match http.get(url).send().await {
            Ok(answer) if answer.status().is_success() => {
                output.show(&health, Health::text)?;
                return Ok(Outcome::Done);
            }
            Ok(answer) => {
                let status = answer.status().as_u16();
                let body = first_bytes(answer).await;
                (format!("it answered {status}"), Mismatch::of_answer(&endpoint, status, &body))
            }
            Err(error) => {
                let cause = client::chain(&error);
                let mismatch = Mismatch::of_cause(&endpoint, &cause);
                (cause, mismatch)
            }
        };
        let reason = mismatch.map_or(reason, |mismatch| format!("{}: {}", mismatch.cause(), mismatch.hint(&by)));
        (health.is_ok, health.reason) = (false, Some(reason));
        output.show(&health, Health::text)?;
        Ok(Outcome::No)
    }
}

/// As much of an answer as tells what the server speaks.
async fn first_bytes(mut answer: reqwest::Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= LOOKED_AT {
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}
