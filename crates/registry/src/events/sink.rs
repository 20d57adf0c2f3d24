//! A sink: what it is called, which events it wants, and how they get there.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use aws_lc_rs::digest;
use runtime::boxed;
use runtime::clock::Clock;
use runtime::config_error::ConfigError;
use runtime::jobs::job::{EVENT_KIND_PREFIX, JobError};
use serde_json::Value;
use tokio::sync::Mutex;

use super::config::EventsConfig;
use super::event::IMAGE_PULL;
use super::event_file::EventFile;
use super::nats::Nats;
use super::pattern::Pattern;
use super::webhook::Webhook;

/// Events of one repository wait for each other here, others do not.
const LANES: usize = 16;

/// Where events go.
pub struct Sink {
    job_kind: String,
    filter: Option<Pattern>,
    target: Target,
    lanes: [Mutex<()>; LANES],
}

enum Target {
    Webhook(Box<Webhook>),
    File(EventFile),
    Nats(Box<Nats>),
}

/// An event that was sent, or not, for a test.
pub struct Attempted {
    /// The sink.
    pub sink: String,
    /// Why it did not arrive.
    pub failure: Option<String>,
    /// How long it took.
    pub elapsed_ms: i64,
}

impl Sink {
    /// Every sink of the configuration.
    pub fn all(config: &EventsConfig) -> Result<Vec<Self>, ConfigError> {
        let webhooks = config.webhooks.iter().map(|one| {
            let target = Webhook::new(one);
            let host = target.as_ref().map_or("", Webhook::host);
            let name = one.name.clone().unwrap_or_else(|| named_after("webhook", host, &[&one.url]));
            let target = target.map(|target| Target::Webhook(Box::new(target)));
            Self::new("webhooks", name, one.filter.as_ref(), target)
        });
        let file = config.file.iter().map(|one| {
            let target = EventFile::new(one).map(Target::File).map_err(|error| vec![error]);
            Self::new("file", "file".to_owned(), one.filter.as_ref(), target)
        });
        let nats = config.nats.iter().map(|one| {
            let target = Nats::new(one);
            let host = target.as_ref().map_or("", Nats::host);
            let name = one.name.clone().unwrap_or_else(|| named_after("nats", host, &[one.url.expose(), &one.subject]));
            Self::new("nats", name, one.filter.as_ref(), target.map(|target| Target::Nats(Box::new(target))))
        });
        let sinks = ConfigError::gather(webhooks.chain(file).chain(nats))?;
        for (at, sink) in sinks.iter().enumerate() {
            if sinks[..at].iter().any(|other| other.job_kind == sink.job_kind) {
                return Err(ConfigError(format!(
                    "events: two sinks are called '{}': give each a name of its own",
                    sink.name()
                )));
            }
        }
        Ok(sinks)
    }

    /// A sink whose target may be none; all that is wrong with it is told.
    fn new(
        section: &str,
        name: String,
        filter: Option<&Value>,
        target: Result<Target, Vec<String>>,
    ) -> Result<Self, ConfigError> {
        let mut faults = target.as_ref().err().cloned().unwrap_or_default();
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
        if !(1..=100).contains(&name.len()) || !name.bytes().all(is_good) {
            faults.push(format!("name '{name}' must have 1 to 100 letters, digits or . _ - :"));
        }
        let filter = filter.map(Pattern::read).transpose();
        faults.extend(filter.as_ref().err().map(|error| format!("filter of {name}: {error}")));
        ConfigError::all(faults.into_iter().map(|fault| wrong(section, fault)))?;
        let target = target.map_err(|faults| wrong(section, faults.join("; ")))?;
        let filter = filter.map_err(|error| wrong(section, error))?;
        Ok(Self {
            job_kind: format!("{EVENT_KIND_PREFIX}{name}"),
            filter,
            target,
            lanes: std::array::from_fn(|_| Mutex::new(())),
        })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        self.job_kind.strip_prefix(EVENT_KIND_PREFIX).unwrap_or(&self.job_kind)
    }

    /// The kind of the jobs that bring it events.
    pub fn job_kind(&self) -> &str {
        &self.job_kind
    }

    /// Whether it wants an event.
    pub fn wants(&self, event: &Value) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(event))
    }

    /// Whether it asks for pulls by their name; they are too many to be sent to who did not ask.
    pub fn wants_pulls(&self) -> bool {
        self.filter.as_ref().is_some_and(|filter| filter.names_detail_type(IMAGE_PULL))
    }

    /// Brings it an event, whose JSON text is `body`. Events of one repository go one after the other.
    pub async fn deliver(&self, event: &Value, body: String, clock: &dyn Clock) -> Result<(), JobError> {
        let mut hasher = DefaultHasher::new();
        [&event["account"], &event["region"], &event["detail"]["repository-name"]]
            .map(|part| part.as_str().unwrap_or_default())
            .hash(&mut hasher);
        let _turn = self.lanes[hasher.finish() as usize % LANES].lock().await;
        let id = event["id"].as_str().unwrap_or_default();
        match &self.target {
            Target::Webhook(webhook) => webhook.post(id, body, clock.now_ms()).await,
            Target::File(file) => file.append(body).await,
            Target::Nats(nats) => nats.publish(id, body).await,
        }
    }

    /// Brings it an event at once, whatever its filter says.
    #[boxed]
    pub async fn attempt(&self, event: &Value, clock: &dyn Clock) -> Attempted {
        let started_ms = clock.now_ms();
        let failure = match self.deliver(event, event.to_string(), clock).await {
            Ok(()) => None,
            Err(JobError::Failed(text) | JobError::Hopeless(text)) => Some(text),
            Err(JobError::TooEarly { .. }) => Some("it is busy".to_owned()),
            Err(JobError::Store(error)) => Some(error.to_string()),
        };
        Attempted { sink: self.name().to_owned(), failure, elapsed_ms: clock.now_ms() - started_ms }
    }
}

fn wrong(section: &str, cause: impl std::fmt::Display) -> ConfigError {
    let text = cause.to_string();
    match text.strip_suffix(" is missing") {
        Some(key) => ConfigError(format!("events.{section}.{key} is missing")),
        None => ConfigError(format!("events.{section}: {text}")),
    }
}

/// A name that stays the same when other sinks come and go, and shows no secret that a URL may hold.
fn named_after(kind: &str, host: &str, parts: &[&str]) -> String {
    let hash = digest::digest(&digest::SHA256, parts.join("\n").as_bytes());
    let short = hash.as_ref().iter().take(4).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let host: String =
        host.chars().map(|each| if each.is_ascii_alphanumeric() || each == '.' { each } else { '-' }).collect();
    let host = host.get(..60).unwrap_or(&host);
    format!("{kind}-{host}-{short}")
}
