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
use scan::ecosystem::Ecosystem;
use scan::facts::LayerFacts;
use scan::feeds::catalog::Feed;
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::image_scans::{self, ScanCause, ScanStatus};
use store::tables::images::ImageStatus;
use store::tables::repositories::Repository;
use store::tables::scanning_configurations::ScanType;

use crate::advisory_state::{self, AdvisoryState, Places};
use crate::analyse_layer::AnalyseLayer;
use crate::context::Scanning;
use crate::image_layers::{ImageLayer, ImageLayers};
use crate::layer_facts::{self, Known, OpenFacts};
use crate::report::Report;
use crate::scan_end::{End, Subject, told};
use crate::scan_image::ScanImage;
use crate::{advisory_index, assessment, update_advisories};

/// What waits for advisories looks again after so long, if nobody wakes it.
const LOOK_AGAIN_MS: i64 = 30 * 1000;
/// What waits for its layers is woken by them; this is for what nobody has thought of.
const LAYERS_LOOK_AGAIN_MS: i64 = 60 * 1000;
/// What ECR says of a scan that has ended (reference/scanning.md 3).
const COMPLETE: &str = "The scan was completed successfully.";
/// The same of an image that is watched from then on.
const ACTIVE: &str = "Continuous scan is selected for image.";

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
            Err(error @ (RegistryError::LayersNotFound(..) | RegistryError::ManifestInvalid(_))) => {
                End::failed(error.to_string())
            }
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
        ImageLayers::Layers(layers) => layers,
        ImageLayers::Unsupported(what) => {
            return ended(End::unsupported(&format!("The image is of a type that cannot be scanned: {what}")));
        }
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
    let before = earlier_report(app, image.id, scan.scan_type).await?;
    let Some((report, uncovered)) = advisory_index::compare(app, report, before, &places).await? else {
        // They went between the two looks.
        let description = "Advisories are being looked for again".to_owned();
        return Ok(Progress::Waits { status: ScanStatus::Pending, description, until_ms: app.now_ms() });
    };
    let compared = Compared { places: &places, uncovered: &uncovered, feeds: &app.advisories.feeds };
    ended(judge(report, &compared, scan.scan_type))
}

/// What an image has packages of, and how much of that was compared.
struct Compared<'a> {
    /// All of it.
    places: &'a Places,
    /// What there are no advisories for.
    uncovered: &'a Places,
    /// The feeds that there are.
    feeds: &'a [Feed],
}

/// What is said of an image that was compared with advisories: that nothing was found says something only if all of it was.
fn judge(report: Report, compared: &Compared<'_>, scan_type: ScanType) -> End {
    let Compared { places, uncovered, feeds } = compared;
    let packages_of_system = report.packages.iter().any(|package| package.package.kind.is_of_system());
    let is_known = report.system.as_ref().is_some_and(|os| scan::matching::place(os).is_some());
    if (report.system.is_some() || packages_of_system) && !is_known && report.problems.is_empty() {
        let (id, version) = report.system.as_ref().map_or(("", ""), |os| (os.id.as_str(), os.version.as_str()));
        let description =
            format!("UnsupportedImageError: The operating system '{id}' version '{version}' is not supported");
        return End { status: ScanStatus::UnsupportedImage, description: Some(description), report: Some(report) };
    }
    let list = |places: &[&(Ecosystem, String)]| {
        places.iter().map(|place| advisory_state::shown(place)).collect::<Vec<_>>().join(", ")
    };
    // Languages whose feeds are switched off are left out by whoever runs the server; the rest was to be compared.
    let is_left_out =
        |place: &&(Ecosystem, String)| !place.0.is_distribution() && advisory_state::is_left_out(feeds, place);
    let (left_out, lacking): (Vec<_>, Vec<_>) = uncovered.iter().partition(is_left_out);
    // An image of which nothing was compared is not clean, whoever wants it so.
    let is_nothing_left = lacking.is_empty() && !left_out.is_empty() && uncovered.len() == places.len();
    let lacking = if is_nothing_left { &left_out } else { &lacking };
    if !lacking.is_empty() {
        let why = format!("There are no advisories for {}", list(lacking));
        return End { status: ScanStatus::Failed, description: Some(why), report: Some(report) };
    }
    let (status, ended) = match scan_type {
        ScanType::Basic => (ScanStatus::Complete, COMPLETE),
        ScanType::Enhanced => (ScanStatus::Active, ACTIVE),
    };
    let ended = match left_out.as_slice() {
        [] => ended.to_owned(),
        left_out => format!("{ended} Packages of {} were not compared: their feeds are switched off.", list(left_out)),
    };
    if report.problems.is_empty() {
        return End { status, description: Some(ended), report: Some(report) };
    }
    let shown: BTreeSet<&str> = report.problems.iter().take(5).map(|problem| problem.what.as_str()).collect();
    let more = report.problems.len().saturating_sub(5);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let description =
        format!("The image was analysed in part: {}{more}", shown.into_iter().collect::<Vec<_>>().join("; "));
    // A part that holds findings tells them; one that holds none must not look clean.
    let status = if report.findings.is_empty() { ScanStatus::Failed } else { status };
    End { status, description: Some(description), report: Some(report) }
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

/// What the scan before found. One that cannot be read is as none.
async fn earlier_report(app: &Scanning, image_id: i64, scan_type: ScanType) -> Result<Option<Report>, RegistryError> {
    let found = app.db.read(move |tx| image_scans::find_report(tx, image_id, scan_type)).await?;
    let Some(document) = found else { return Ok(None) };
    let opened = async {
        let bytes = encryption::open_document(app, &document).await?;
        Ok(runtime::tasks::blocking("reading the report before", move || Report::from_bytes(&bytes)).await??)
    };
    match opened.await {
        Ok(report) => Ok(Some(report)),
        Err(RegistryError::Store(error)) if error.kind() == StoreErrorKind::Corrupt => {
            tracing::warn!(error = %error, "the report of an earlier scan is lost: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
