//! The section `events` of the configuration, as it is written: which sinks there are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use runtime::hidden::Hidden;
use serde::{Deserialize, Serialize};

/// Where events go. Without any sink none are made.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EventsConfig {
    /// HTTP receivers.
    #[serde(default)]
    pub webhooks: Vec<WebhookConfig>,
    /// A file.
    pub file: Option<EventFileConfig>,
    /// NATS servers.
    #[serde(default)]
    pub nats: Vec<NatsConfig>,
}

impl EventsConfig {
    /// Files that must be readable, and the keys that name them.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let webhooks = self.webhooks.iter().filter_map(|one| Some(("events.webhooks.ca_file", one.ca_file.as_ref()?)));
        webhooks.chain(self.nats.iter().flat_map(|one| {
            let files = [("events.nats.ca_file", &one.ca_file), ("events.nats.credentials", &one.credentials)];
            files.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?)))
        }))
    }
}

/// An HTTP receiver.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where events are posted to; any network is allowed. Must be given.
    #[serde(default)]
    pub url: String,
    /// By which its jobs are listed. Default: made of the URL. A sink of another name is another one.
    pub name: Option<String>,
    /// The key of the signatures, at least 16 bytes. Without it requests are not signed.
    pub secret: Option<Hidden>,
    /// An EventBridge pattern, as a table or as JSON in a text. Default: every event but pulls.
    pub filter: Option<serde_json::Value>,
    /// PEM file of the authorities to trust, in place of those of the machine.
    pub ca_file: Option<PathBuf>,
    /// Headers of every request, such as Authorization.
    #[serde(default)]
    pub headers: BTreeMap<String, Hidden>,
}

/// A file of events, one JSON text per line.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EventFileConfig {
    /// The file. Its folder must be there.
    pub path: PathBuf,
    /// As of webhooks.
    pub filter: Option<serde_json::Value>,
    /// Size in MiB at which another file is begun. Default: 100.
    pub rotate_mib: Option<u64>,
    /// Full files that are kept beside it, as `<path>.1` and so on. Default: 10.
    pub keep_files: Option<u32>,
}

/// A subject of a NATS server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NatsConfig {
    /// `nats://host:4222`, or `tls://host:4222`; with `user:password@` or `token@` where the server wants them. Must
    /// be given.
    #[serde(default)]
    pub url: Hidden,
    /// Under which events are published. Must be given.
    #[serde(default)]
    pub subject: String,
    /// As of webhooks.
    pub name: Option<String>,
    /// As of webhooks.
    pub filter: Option<serde_json::Value>,
    /// A `.creds` file with a user's JWT and key.
    pub credentials: Option<PathBuf>,
    /// As of webhooks.
    pub ca_file: Option<PathBuf>,
    /// Whether a stream of JetStream must confirm each event.
    #[serde(default)]
    pub jetstream: bool,
}
