//! Sending spans: many in one request, again and again while the collector is away for a moment.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use reqwest::{Client, redirect};
use tokio::sync::{mpsc, watch};

use super::settings::TelemetrySettings;
use super::{Span, Telemetry, otlp};
use crate::boxed;
use crate::outbound::cause_of;
use crate::shutdown::stopped;

/// Spans of one request.
const BATCH: usize = 512;
/// What waits is sent so often.
const SEND_EVERY: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pauses before the attempts after the first (OTLP, 'Retryable responses').
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// Sends the spans of a node until `stop` turns true, and then what is left, once.
#[boxed]
pub async fn run(telemetry: Arc<Telemetry>, node_id: String, mut stop: watch::Receiver<bool>) {
    let Some(exporter) = &telemetry.exporter else { return };
    let taken = exporter.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut waiting) = taken else { return };
    let client =
        Client::builder().redirect(redirect::Policy::none()).connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).build();
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            tracing::error!("spans cannot be sent: {}", cause_of(&error));
            return;
        }
    };
    let mut is_failing = false;
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let is_over = tokio::select! {
            () = stopped(&mut stop) => true,
            () = collect(&mut waiting, &mut batch) => false,
        };
        while is_over && batch.len() < BATCH {
            let Ok(span) = waiting.try_recv() else { break };
            batch.push(span);
        }
        if !batch.is_empty() {
            let pauses = if is_over || is_failing { &[][..] } else { &PAUSES[..] };
            let sent = send(&client, &exporter.settings, &node_id, &batch, pauses).await;
            if let Err(text) = &sent {
                telemetry.dropped.add(batch.len() as u64);
                if !is_failing {
                    tracing::warn!("{} spans were not taken by the collector: {text}", batch.len());
                }
            }
            is_failing = sent.is_err();
            batch.clear();
        }
        if is_over {
            return;
        }
    }
}

/// Gathers spans until there are enough, or the first of them has waited long enough.
async fn collect(waiting: &mut mpsc::Receiver<Span>, batch: &mut Vec<Span>) {
    match waiting.recv().await {
        Some(span) => batch.push(span),
        // The server holds the other end for as long as this runs.
        None => return std::future::pending().await,
    }
    let fill = async {
        while batch.len() < BATCH {
            let Some(span) = waiting.recv().await else { return };
            batch.push(span);
        }
    };
    let _ = tokio::time::timeout(SEND_EVERY, fill).await;
}

async fn send(
    client: &Client,
    settings: &TelemetrySettings,
    instance: &str,
    batch: &[Span],
    pauses: &[Duration],
) -> Result<(), String> {
    let body = otlp::request(&settings.service_name, instance, batch).to_string();
    let mut pauses = pauses.iter();
    loop {
        let request = client.post(settings.traces_url.clone()).headers(settings.headers.clone());
        let sent = request.header(CONTENT_TYPE, "application/json").body(body.clone()).send().await;
        let failure = match sent {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => {
                let text = format!("the answer was {}", answer.status().as_u16());
                let may_pass = matches!(
                    answer.status(),
                    StatusCode::TOO_MANY_REQUESTS
                        | StatusCode::BAD_GATEWAY
                        | StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::GATEWAY_TIMEOUT
                );
                if !may_pass {
                    return Err(text);
                }
                text
            }
            Err(error) => cause_of(&error),
        };
        let Some(pause) = pauses.next() else { return Err(failure) };
        tokio::time::sleep(*pause).await;
    }
}
