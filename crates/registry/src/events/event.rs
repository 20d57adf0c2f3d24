//! Events in the shape that EventBridge gives them (reference/scanning.md 5): those of ECR, and of Wharf those that ECR's
//! users miss.

use oci::{Digest, MediaType, RepositoryName};
use serde_json::{Map, Value, json};
use store::tables::registry_id::RegistryId;

use crate::images::changes::ChangedImage;

/// ECR's own events.
const ECR: &str = "aws.ecr";
/// Those of Amazon Inspector, which enhanced scans are.
const INSPECTOR: &str = "aws.inspector2";
/// Wharf's own events.
const WHARF: &str = "wharf";
/// The detail type of pulls: they are many, so only who names it gets them.
pub const IMAGE_PULL: &str = "Wharf Image Pull";

/// Where something happened.
#[derive(Clone, Copy, Debug)]
pub struct EventRepository<'a> {
    /// The registry.
    pub registry: &'a RegistryId,
    /// The repository.
    pub repository: &'a RepositoryName,
}

impl EventRepository<'_> {
    fn arn(&self) -> String {
        self.registry.repository_arn(self.repository.as_str())
    }
}

impl<'a> From<&'a store::tables::repositories::Repository> for EventRepository<'a> {
    fn from(repository: &'a store::tables::repositories::Repository) -> Self {
        Self { registry: &repository.spec.registry, repository: &repository.spec.name }
    }
}

/// Whether what an event tells of worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Success {
    /// It did.
    Yes,
    /// It did not.
    No,
}

/// What a pull through cache rule did (reference/scanning.md 5).
#[derive(Clone, Copy, Debug)]
pub struct UpstreamSync<'a> {
    /// The rule's `ecrRepositoryPrefix`.
    pub prefix: &'a str,
    /// The rule's `upstreamRegistryUrl`.
    pub upstream_registry_url: &'a str,
    /// The tag that was asked for.
    pub tag: Option<&'a str>,
    /// The image that came; unknown where nothing came.
    pub digest: Option<&'a Digest>,
}

/// A repository that is scanned more or less often than before, by the API's names of frequencies.
#[derive(Clone, Copy, Debug)]
pub struct FrequencyChange<'a> {
    /// The repository.
    pub repository: &'a RepositoryName,
    /// How often it was scanned.
    pub before: &'static str,
    /// How often it is.
    pub now: &'static str,
}

/// An image whose scan has ended.
#[derive(Clone, Copy, Debug)]
pub struct ScannedImage<'a> {
    /// Its digest.
    pub digest: &'a Digest,
    /// Its tags.
    pub tags: &'a [String],
    /// What came of the scan.
    pub status: &'a str,
    /// How many findings there are, by the API's names of severities.
    pub counts: &'a [(&'static str, i64)],
}

impl ScannedImage<'_> {
    /// The counts of the severities that there are findings of.
    fn present_counts(&self) -> Map<String, Value> {
        let present = self.counts.iter().filter(|(_, count)| *count > 0);
        present.map(|(severity, count)| ((*severity).to_owned(), Value::from(*count))).collect()
    }
}

/// One event. Its id stays the same however often it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    id: uuid::Uuid,
    detail_type: &'static str,
    source: &'static str,
    registry: RegistryId,
    at_ms: i64,
    resources: Vec<String>,
    detail: Map<String, Value>,
}

impl Event {
    fn new(source: &'static str, detail_type: &'static str, registry: &RegistryId, at_ms: i64, detail: Value) -> Self {
        let detail = match detail {
            Value::Object(detail) => detail,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        let id = runtime::random::uuid();
        Self { id, detail_type, source, registry: registry.clone(), at_ms, resources: Vec::new(), detail }
    }

    /// With a member of the detail, if there is a value.
    fn with(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.detail.insert(name.to_owned(), value.into());
        }
        self
    }

    fn with_media_types(self, image: ChangedImage<'_>) -> Self {
        self.with("manifest-media-type", image.media_type.map(MediaType::as_str))
            .with("artifact-media-type", image.artifact_media_type)
    }

    fn about(mut self, place: EventRepository<'_>) -> Self {
        self.resources.push(place.arn());
        self
    }

    fn image_action(
        place: EventRepository<'_>,
        at_ms: i64,
        action: &str,
        image: ChangedImage<'_>,
        tag: Option<&str>,
    ) -> Self {
        let detail = json!({
            "result": "SUCCESS",
            "repository-name": place.repository.as_str(),
            "image-digest": image.digest.to_string(),
            "action-type": action,
        });
        Self::new(ECR, "ECR Image Action", place.registry, at_ms, detail).with("image-tag", tag).with_media_types(image)
    }

    /// `ECR Image Action`, PUSH: one per push.
    pub fn image_pushed(place: EventRepository<'_>, at_ms: i64, image: ChangedImage<'_>, tag: Option<&str>) -> Self {
        Self::image_action(place, at_ms, "PUSH", image, tag)
    }

    /// `ECR Image Action`, DELETE: one per tag, or one for an image without any.
    pub fn image_deleted(place: EventRepository<'_>, at_ms: i64, image: ChangedImage<'_>, tag: Option<&str>) -> Self {
        Self::image_action(place, at_ms, "DELETE", image, tag)
    }

    /// `ECR Image Action`, UPDATE_STORAGE_CLASS, or for what refers to another image `ECR Referrer Action`.
    /// `is_archived` says to which class; back in STANDARD it is active since `at_ms`.
    pub fn storage_class_updated(
        place: EventRepository<'_>,
        at_ms: i64,
        image: ChangedImage<'_>,
        is_archived: bool,
    ) -> Self {
        let mut event = Self::image_action(place, at_ms, "UPDATE_STORAGE_CLASS", image, None)
            .with("target-storage-class", Some(if is_archived { "ARCHIVE" } else { "STANDARD" }))
            .with("last-activated-at", (!is_archived).then(|| iso8601_ms(at_ms)));
        if image.is_referrer {
            event.detail_type = "ECR Referrer Action";
        }
        event
    }

    /// `ECR Pull Through Cache Action`: a rule looked for an image upstream.
    pub fn pull_through_cache(
        place: EventRepository<'_>,
        at_ms: i64,
        success: Success,
        sync: UpstreamSync<'_>,
    ) -> Self {
        let detail = json!({
            "rule-version": "1",
            "sync-status": if success == Success::Yes { "SUCCESS" } else { "FAILURE" },
            "ecr-repository-prefix": sync.prefix,
            "repository-name": place.repository.as_str(),
            "upstream-registry-url": sync.upstream_registry_url,
        });
        Self::new(ECR, "ECR Pull Through Cache Action", place.registry, at_ms, detail)
            .with("image-tag", sync.tag)
            .with("image-digest", sync.digest.map(ToString::to_string))
            .about(place)
    }

    /// `ECR Replication Action`, sent in the destination, which is `place`.
    pub fn replication(
        place: EventRepository<'_>,
        at_ms: i64,
        success: Success,
        source: &RegistryId,
        digest: &Digest,
        tag: Option<&str>,
    ) -> Self {
        let detail = json!({
            "result": if success == Success::Yes { "SUCCESS" } else { "FAILED" },
            "repository-name": place.repository.as_str(),
            "image-digest": digest.to_string(),
            "source-account": source.account.as_str(),
            "action-type": "REPLICATE",
            "source-region": source.region.as_str(),
        });
        Self::new(ECR, "ECR Replication Action", place.registry, at_ms, detail).with("image-tag", tag).about(place)
    }

    /// `ECR Scan Resource Change`: repositories that are scanned more or less often now.
    pub fn scan_frequencies_changed(registry: &RegistryId, at_ms: i64, changes: &[FrequencyChange<'_>]) -> Self {
        let repositories = changes.iter().map(|change| {
            json!({
                "repository-name": change.repository.as_str(),
                "repository-arn": registry.repository_arn(change.repository.as_str()),
                "scan-frequency": change.now,
                "previous-scan-frequency": change.before,
            })
        });
        let detail = json!({
            "action-type": "SCAN_FREQUENCY_CHANGE",
            "repositories": repositories.collect::<Vec<_>>(),
            "resource-type": "REPOSITORY",
            "scan-type": "ENHANCED",
        });
        Self::new(ECR, "ECR Scan Resource Change", registry, at_ms, detail)
    }

    /// `ECR Image Scan`: a basic scan of an image has ended.
    pub fn image_scanned(place: EventRepository<'_>, at_ms: i64, scanned: &ScannedImage<'_>) -> Self {
        let detail = json!({
            "scan-status": scanned.status,
            "repository-name": place.repository.as_str(),
            "finding-severity-counts": scanned.present_counts(),
            "image-digest": scanned.digest.to_string(),
            "image-tags": scanned.tags,
        });
        Self::new(ECR, "ECR Image Scan", place.registry, at_ms, detail).about(place)
    }

    /// `Inspector2 Scan`: the first enhanced scan of an image has ended, or a later one.
    pub fn image_inspected(place: EventRepository<'_>, at_ms: i64, scanned: &ScannedImage<'_>) -> Self {
        let mut counts = scanned.present_counts();
        counts.insert("TOTAL".to_owned(), scanned.counts.iter().map(|(_, count)| count).sum::<i64>().into());
        let detail = json!({
            "scan-status": scanned.status,
            "repository-name": place.arn(),
            "finding-severity-counts": counts,
            "image-digest": scanned.digest.to_string(),
            "image-tags": scanned.tags,
        });
        Self::new(INSPECTOR, "Inspector2 Scan", place.registry, at_ms, detail).about(place)
    }

    fn of_wharf(detail_type: &'static str, place: EventRepository<'_>, at_ms: i64, actor: &str) -> Self {
        let detail = json!({ "repository-name": place.repository.as_str(), "actor": actor, "result": "SUCCESS" });
        Self::new(WHARF, detail_type, place.registry, at_ms, detail).about(place)
    }

    fn of_wharf_image(
        detail_type: &'static str,
        place: EventRepository<'_>,
        at_ms: i64,
        actor: &str,
        image: ChangedImage<'_>,
        tag: Option<&str>,
    ) -> Self {
        Self::of_wharf(detail_type, place, at_ms, actor)
            .with("image-digest", Some(image.digest.to_string()))
            .with("image-tag", tag)
            .with_media_types(image)
    }

    /// `Wharf Repository Action`, CREATE or DELETE.
    pub fn repository(place: EventRepository<'_>, at_ms: i64, actor: &str, is_created: bool) -> Self {
        let action = if is_created { "CREATE" } else { "DELETE" };
        Self::of_wharf("Wharf Repository Action", place, at_ms, actor).with("action-type", Some(action))
    }

    /// [`IMAGE_PULL`]: a manifest was read.
    pub fn image_pulled(
        place: EventRepository<'_>,
        at_ms: i64,
        actor: &str,
        image: ChangedImage<'_>,
        tag: Option<&str>,
    ) -> Self {
        Self::of_wharf_image(IMAGE_PULL, place, at_ms, actor, image, tag)
    }

    /// `Wharf Image Replicated`: an image has arrived from another registry.
    pub fn image_replicated(
        place: EventRepository<'_>,
        at_ms: i64,
        image: ChangedImage<'_>,
        tag: Option<&str>,
    ) -> Self {
        Self::of_wharf_image("Wharf Image Replicated", place, at_ms, "replication", image, tag)
    }

    /// `Wharf Image Restored`: an image that was deleted is back, with these tags.
    pub fn image_restored(
        place: EventRepository<'_>,
        at_ms: i64,
        actor: &str,
        image: ChangedImage<'_>,
        tags: &[String],
    ) -> Self {
        Self::of_wharf_image("Wharf Image Restored", place, at_ms, actor, image, None)
            .with("image-tags", Some(tags.to_vec()))
    }

    /// `Wharf Test`: says only that events arrive.
    pub fn test(registry: &RegistryId, at_ms: i64) -> Self {
        Self::new(WHARF, "Wharf Test", registry, at_ms, json!({ "message": "Events of Wharf arrive here." }))
    }

    /// Where it happened.
    pub fn registry(&self) -> &RegistryId {
        &self.registry
    }

    /// By which its receivers know it again.
    pub fn id(&self) -> uuid::Uuid {
        self.id
    }

    /// What people call it: the repository and what happened there.
    pub fn title(&self) -> String {
        let detail = |name: &str| self.detail.get(name).and_then(Value::as_str);
        let what = detail("action-type").unwrap_or(self.detail_type);
        detail("repository-name").map_or_else(|| what.to_owned(), |repository| format!("{repository} {what}"))
    }

    /// As it is sent.
    pub fn to_json(&self) -> Value {
        json!({
            "version": "0",
            "id": self.id.to_string(),
            "detail-type": self.detail_type,
            "source": self.source,
            "account": self.registry.account.as_str(),
            "time": aws::time::iso8601(self.at_ms),
            "region": self.registry.region.as_str(),
            "resources": self.resources,
            "detail": self.detail,
        })
    }
}

/// `2025-10-10T19:13:02.740Z`.
fn iso8601_ms(at_ms: i64) -> String {
    let seconds = aws::time::iso8601(at_ms);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), at_ms.rem_euclid(1000))
}
