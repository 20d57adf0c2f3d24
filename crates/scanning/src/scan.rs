//! Scans an image: has its layers analysed, folds what is known of them, compares the packages with advisories, and notes what
//! was found.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aws::AccountId;
use oci::{Digest, Manifest};
use registry::images::encryption::{self, Use};
use registry::images::errors::RegistryError;
use registry::images::repositories::reference;
use runtime::jobs::handler::Handle;
use runtime::jobs::job::{self, Attempt, JobError};
use scan::facts::LayerFacts;
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::image_scans::{self, ScanCause, ScanStatus};
use store::tables::images::ImageStatus;
use store::tables::repositories::Repository;
use store::tables::scanning_configurations::ScanType;

use crate::advisory_state::{self, AdvisoryState};
use crate::analyse_layer::AnalyseLayer;
use crate::configuration::{Configuration, Frequency};
use crate::context::Scanning;
use crate::image_layers::{ImageLayer, ImageLayers};
use crate::judgement::{Compared, judge};
use crate::layer_facts::{self, Known, OpenFacts};
use crate::report::FirstSeen;
use crate::scan_end::{End, Subject, told};
use crate::scan_image::ScanImage;
use crate::statements::are_statements;
use crate::{advisory_index, assessment, update_advisories};

/// What waits for advisories looks again after so long, if nobody wakes it.
const LOOK_AGAIN_MS: i64 = 30 * 1000;
/// What waits for its layers is woken by them; this is for what nobody has thought of.
const LAYERS_LOOK_AGAIN_MS: i64 = 60 * 1000;
impl Handle<Scanning> for ScanImage {
    const AT_ONCE: usize = 2;
    const MAX_ATTEMPTS: i64 = 10;

    async fn run(self, app: Arc<Scanning>, attempt: Attempt) -> Result<(), JobError> {
        let Self { image_id, scan_type, .. } = self;
        let found = app.db.read(move |tx| Subject::find(tx, image_id, scan_type)).await?;
        // The image is gone, or its scan has ended.
        let Some(subject) = found else { return Ok(()) };
        let end = match scan(&app, &subject).await {
            Ok(Progress::Ended(end)) => *end,
            Ok(Progress::NoImage(what)) => {
                tracing::debug!("image {} is not scanned: {what}", subject.image.digest);
                return Ok(subject.call_off(&app).await?);
            }
            Ok(Progress::Waits { status, description, until_ms }) => {
                let now_ms = app.now_ms();
                app.db
                    .write(move |tx| {
                        image_scans::note_progress(tx, image_id, scan_type, status, Some(&description), now_ms)
                    })
                    .await
                    .map_err(|error: StoreError| JobError::from(error))?;
                return Err(JobError::TooEarly { until_ms });
            }
            // The KMS key cannot be used: nothing that is wrong with the image may be told.
            Err(RegistryError::Kms(error)) => End::failed(error.to_string()),
            Err(
                error @ (RegistryError::LayersNotFound(..)
                | RegistryError::LayerNotFound(..)
                | RegistryError::ManifestInvalid(_)),
            ) => End::failed(error.to_string()),
            Err(error) if attempt.is_last => End::failed(told(&error)),
            Err(RegistryError::Store(error)) => return Err(JobError::Store(error)),
            Err(error) => return Err(JobError::Failed(error.to_string())),
        };
        subject.end(&app, end).await.map_err(JobError::from)
    }
}

/// How far a scan came.
enum Progress {
    /// It has come to its end.
    Ended(Box<End>),
    /// There is nothing to scan: it is no image, and says what it is.
    NoImage(String),
    /// It goes on when something is there.
    Waits { status: ScanStatus, description: String, until_ms: i64 },
}

/// Does as much of a scan as can be done now.
async fn scan(app: &Arc<Scanning>, subject: &Subject) -> Result<Progress, RegistryError> {
    let Subject { repository, image, manifest, scan } = subject;
    let ended = |end| Ok(Progress::Ended(Box::new(end)));
    if image.status != ImageStatus::Active {
        return ended(End::failed("The image is archived: it is scanned when it is restored".to_owned()));
    }
    encryption::require(app, repository, Use::Pull).await?;
    let place = reference(repository);
    let opened = encryption::open_manifest(app, &place, &image.digest, manifest).await?;
    let parsed = Manifest::parse(&opened, image.media_type.as_ref()).map_err(RegistryError::ManifestInvalid)?;
    let layers = match ImageLayers::of(&parsed) {
        ImageLayers::Statements(layers) if are_statements(app, repository, &layers).await? => {
            return Ok(Progress::NoImage("it holds statements, and no files".to_owned()));
        }
        ImageLayers::Layers(layers) | ImageLayers::Statements(layers) => layers,
        ImageLayers::Artifact(what) => return Ok(Progress::NoImage(what)),
        ImageLayers::List => return ended(End::unsupported("The image is a list of images")),
    };
    // Who asks has layers read again that could be read in part alone.
    let partial_since_ms = (scan.cause == ScanCause::Manual).then_some(scan.requested_at_ms);
    let Some(known) = known_layers(app, repository, &layers, partial_since_ms).await? else {
        return Ok(Progress::Waits {
            status: ScanStatus::InProgress,
            description: "Layers are being analysed".to_owned(),
            until_ms: app.now_ms() + LAYERS_LOOK_AGAIN_MS,
        });
    };
    let facts = facts_of(app, repository, &layers, &known).await?;
    let Some(facts) = facts else {
        // Facts went between the two looks.
        return Ok(Progress::Waits {
            status: ScanStatus::InProgress,
            description: "Layers are being analysed again".to_owned(),
            until_ms: app.now_ms(),
        });
    };
    let digests = layers.iter().map(|layer| layer.digest.to_string()).collect();
    let fold = move || assessment::inventory(digests, &facts.in_order());
    let report = runtime::tasks::blocking("folding an image's layers", fold).await?;
    if report.system.is_none() && report.packages.is_empty() && report.problems.is_empty() {
        return ended(End::unsupported("The operating system '' version '' is not supported"));
    }
    let places = assessment::places(&report);
    update_advisories::want(app, &places).await?;
    let (node, now_ms, asked) = (Arc::clone(app), app.now_ms(), places.clone());
    let state = app
        .db
        .read(move |tx| advisory_state::find(tx, &node.advisories, &asked, now_ms))
        .await
        .map_err(|error: StoreError| RegistryError::from(error))?;
    match state {
        AdvisoryState::Current(_) => {}
        AdvisoryState::Coming(description) => {
            let until_ms = now_ms + LOOK_AGAIN_MS;
            return Ok(Progress::Waits { status: ScanStatus::Pending, description, until_ms });
        }
        AdvisoryState::Missing(why) => return ended(End::failed(why)),
    }
    let before = first_seen(app, image.id, scan.scan_type).await?;
    let of = repository.clone();
    let effective = app.db.read(move |tx| Ok(Configuration::find(tx, &of.spec.registry)?.of(&of))).await;
    let effective = effective.map_err(|error: StoreError| RegistryError::from(error))?;
    let is_watched = scan.scan_type == ScanType::Enhanced && effective.frequency == Frequency::Continuous;
    let Some((report, uncovered)) = advisory_index::compare(app, report, before, &places).await? else {
        // They went between the two looks.
        let description = "Advisories are being looked for again".to_owned();
        return Ok(Progress::Waits { status: ScanStatus::Pending, description, until_ms: app.now_ms() });
    };
    let compared = Compared { places: &places, uncovered: &uncovered, feeds: &app.advisories.feeds };
    ended(judge(report, &compared, is_watched))
}

/// The rows of the image's layers, from the lowest on; none while some are not analysed, which is begun then.
async fn known_layers(
    app: &Scanning,
    repository: &Repository,
    layers: &[ImageLayer],
    partial_since_ms: Option<i64>,
) -> Result<Option<Vec<Option<i64>>>, RegistryError> {
    let readable: Vec<Option<Digest>> =
        layers.iter().map(|layer| layer.problem.is_none().then_some(layer.digest)).collect();
    let repository = repository.clone();
    let now_ms = app.now_ms();
    let asked = repository.clone();
    let look = move |tx: &mut dyn Tx| {
        let repository = &asked;
        let account = &repository.spec.registry.account;
        let mut known = Vec::with_capacity(readable.len());
        let (mut missing, mut absent) = (BTreeSet::new(), Vec::new());
        for digest in &readable {
            let Some(digest) = digest else {
                known.push(None);
                continue;
            };
            match layer_facts::find_known(tx, account, repository.id, digest, partial_since_ms)? {
                Known::Analysed { blob_id } => known.push(Some(blob_id)),
                Known::NotAnalysed => drop(missing.insert(*digest)),
                Known::Missing => absent.push(*digest),
            }
        }
        Ok::<_, StoreError>((missing, absent, known))
    };
    let (missing, absent, known) = app.db.read(look).await?;
    if !absent.is_empty() {
        return Err(RegistryError::LayersNotFound(reference(&repository), absent));
    }
    if missing.is_empty() {
        return Ok(Some(known));
    }
    app.db
        .write(move |tx| {
            // One may have been analysed since: then the job finds that out.
            missing.iter().try_for_each(|digest| {
                job::enqueue(tx, &AnalyseLayer::new(&repository, digest, partial_since_ms), now_ms, now_ms)
            })
        })
        .await
        .map_err(|error: StoreError| RegistryError::from(error))?;
    app.wake_jobs.wake();
    Ok(None)
}

/// What the facts of an image's layers may take, each as often as the image names it: hostile images reach this, real ones do not.
const IMAGE_FACTS_BYTES: usize = 512 << 20;

/// The facts of an image's layers.
#[derive(Default)]
struct ImageFacts {
    /// Those of each layer, once.
    facts: Vec<LayerFacts>,
    /// Which of them each layer of the image has, from the lowest on.
    order: Vec<usize>,
}

impl ImageFacts {
    fn push(&mut self, facts: LayerFacts) {
        self.order.push(self.facts.len());
        self.facts.push(facts);
    }

    fn in_order(&self) -> Vec<&LayerFacts> {
        self.order.iter().filter_map(|at| self.facts.get(*at)).collect()
    }
}

/// The facts of the image's layers; none if some of them are not there any more.
async fn facts_of(
    app: &Scanning,
    repository: &Repository,
    layers: &[ImageLayer],
    known: &[Option<i64>],
) -> Result<Option<ImageFacts>, RegistryError> {
    let account = &repository.spec.registry.account;
    let mut all = ImageFacts::default();
    // By the row of a layer's blob: which facts it has, and what they take.
    let mut seen: HashMap<i64, (usize, usize)> = HashMap::new();
    let mut left = IMAGE_FACTS_BYTES;
    let unread = |why: &str| LayerFacts { problems: vec![why.to_owned()], ..LayerFacts::default() };
    for (layer, blob_id) in layers.iter().zip(known) {
        let blob_id = match (layer.problem, blob_id) {
            (Some(problem), _) => {
                all.push(unread(problem));
                continue;
            }
            (None, None) => return Ok(None),
            (None, Some(blob_id)) => *blob_id,
        };
        let (at, bytes) = match seen.get(&blob_id) {
            Some(known) => *known,
            None => {
                let Some(opened) = open_facts(app, account, blob_id, layer).await? else { return Ok(None) };
                all.facts.push(opened.facts);
                *seen.entry(blob_id).or_insert((all.facts.len() - 1, opened.bytes))
            }
        };
        match left.checked_sub(bytes) {
            Some(rest) => {
                left = rest;
                all.order.push(at);
            }
            None => {
                all.push(unread("what is known of the image's layers is more than is put together"));
                return Ok(Some(all));
            }
        }
    }
    Ok(Some(all))
}

/// Opens the facts of a layer; none if there are none, or they are damaged: they are made anew then.
async fn open_facts(
    app: &Scanning,
    account: &AccountId,
    blob_id: i64,
    layer: &ImageLayer,
) -> Result<Option<OpenFacts>, RegistryError> {
    match layer_facts::open(app, account, blob_id, app.reader.limits()).await {
        Err(RegistryError::Store(error)) if error.kind() == StoreErrorKind::Corrupt => {
            tracing::warn!(error = %error, "facts of layer {} are made anew: {error}", layer.digest);
            let account = *account;
            let delete = move |tx: &mut dyn Tx| store::tables::layer_facts::delete(tx, &account, blob_id);
            app.db.write(delete).await.map_err(|error: StoreError| RegistryError::from(error))?;
            Ok(None)
        }
        opened => opened,
    }
}

/// When findings were found first, as the scan before knew. One that cannot be read is as none.
async fn first_seen(app: &Scanning, image_id: i64, scan_type: ScanType) -> Result<FirstSeen, RegistryError> {
    let found = app.db.read(move |tx| image_scans::find_report(tx, image_id, scan_type)).await?;
    let Some(document) = found else { return Ok(FirstSeen::default()) };
    let opened = async {
        let bytes = encryption::open_document(app, &document).await?;
        Ok(runtime::tasks::blocking("reading the report before", move || FirstSeen::from_bytes(&bytes)).await??)
    };
    match opened.await {
        Ok(first_seen) => Ok(first_seen),
        Err(RegistryError::Store(error)) if error.kind() == StoreErrorKind::Corrupt => {
            tracing::warn!(error = %error, "the report of an earlier scan is lost: {error}");
            Ok(FirstSeen::default())
        }
        Err(error) => Err(error),
    }
}
