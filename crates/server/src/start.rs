//! Starting and stopping: from a configuration to a server that answers, and back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use access::Access;
use access::action_names::ActionNames;
use access::audit;
use access::audit::Audit;
use access::auth::accounts::Accounts;
use access::auth::directory::Identities;
use access::auth::failures::Failures;
use access::auth::last_uses::LastUses;
use access::nodes::{self, Membership};
use access::web_identity::Issuers;
use config::credentials;
use config::credentials::{Making, RootAccessKey, RunningServer};
use config::settings::Config;
use futures_util::future::BoxFuture;
use registry::events::Events;
use registry::replication::remote::Remotes;
use registry::{Registry, followers};
use runtime::Runtime;
use runtime::ballast::Ballast;
use runtime::clock::{Clock, DatabaseClock};
use runtime::config_error::ConfigError;
use runtime::full_disk;
use runtime::http::budget::RequestBudget;
use runtime::http::certificate_authority::Authority;
use runtime::http::certificates::Certificates;
use runtime::http::finish::Unfinished;
use runtime::http::hosts::Hosts;
use runtime::http::machine::Means;
use runtime::http::tls::{self, TlsSource};
use runtime::http::{listener, spool};
use runtime::limits::Limits;
use runtime::metrics::Metrics;
use runtime::private_files::replace_private;
use runtime::rates::Rates;
use runtime::readiness::Readiness;
use runtime::root_keys;
use runtime::root_keys::{NotOpened, RootKeys, WrappingKey};
use runtime::start_error::StartError;
use runtime::telemetry::{self, Telemetry};
use runtime::work::Work;
use store::blob::{KeyRing, ServiceKey};
use store::db::pages::{self, Conversion};
use store::db::{Db, DbConfig, Dialect, Reserve as _};
use store::error::StoreError;
use store::tables::storage_moves;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use upkeep::background;
use upkeep::storage_check::documents;

use crate::data_dir::{lock_data_dir, open_data_dir};
use crate::dispatch::{self, Dispatcher};
use crate::local_socket::LocalSocket;
use crate::maintenance::place;
use crate::services::SERVICES;
use crate::{local_socket, scans, scrape};

const HOUR_MS: i64 = 60 * 60 * 1000;

/// A running server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The base URL that it is reached at on this machine.
    pub url: String,
    /// The base URL that clients use: the configured one, else that of this machine.
    pub public_url: String,
    /// The data folder, as an absolute path.
    pub data_dir: PathBuf,
    /// The certificate that the server made for itself, if it speaks TLS with that.
    pub certificate: Option<PathBuf>,
    /// Whether this start has made the registry.
    pub is_new: bool,
    /// The accounts, the default first.
    pub accounts: Vec<String>,
    /// The regions, the default first.
    pub regions: Vec<String>,
    pub(crate) app: Arc<Registry>,
    stop: watch::Sender<bool>,
    listening: JoinHandle<()>,
    working: JoinHandle<()>,
    work: Work,
    _lock: std::fs::File,
}

impl Server {
    /// Opens storage, makes what the first start must make, and listens. `clock` counts where the database is embedded:
    /// nodes that share a database go by its clock.
    pub fn start(config: &Config, clock: Arc<dyn Clock>) -> BoxFuture<'_, Result<Self, StartError>> {
        Self::start_with(config, clock, Work::All)
    }

    /// As [`start`](Self::start), with some background work only.
    pub fn start_with(config: &Config, clock: Arc<dyn Clock>, work: Work) -> BoxFuture<'_, Result<Self, StartError>> {
        Box::pin(async move {
            let started = Self::open(config, clock, work).await;
            started.map_err(|error| {
                let data_dir = config.data_dir().unwrap_or_default();
                let archive = config.archive_dir(&data_dir).unwrap_or_else(|| data_dir.clone());
                full_disk::explain(error, &[&data_dir, &archive], full_disk::IN_PLACE)
            })
        })
    }

    async fn open(config: &Config, clock: Arc<dyn Clock>, work: Work) -> Result<Self, StartError> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(ConfigError(problems.join("\n  ")).into());
        }
        let data_dir = std::path::absolute(config.data_dir()?).map_err(|error| StartError::Other(error.to_string()))?;
        match work {
            Work::All => {
                place::refuse_lost_database(config, &data_dir)?;
                place::refuse_foreign_folder(config, &data_dir)?;
            }
            Work::ChecksOnly { .. } => place::require_registry(config, &data_dir)?,
        }
        open_data_dir(&data_dir)?;
        let lock = lock_data_dir(&data_dir)?;
        for exposure in config.exposures(&data_dir).warnings {
            tracing::warn!("{exposure}");
        }
        RunningServer::forget(&data_dir);
        let regions = config.regions()?;
        let tls_source = config.tls_source()?;
        let database = match &config.database.url {
            Some(url) => DbConfig::Postgres { url: url.expose().to_owned(), pool_size: config.pool_size() },
            None => DbConfig::Sqlite { path: data_dir.join("wharf.db") },
        };
        // Before the database is opened, which takes space.
        let ballast = open_ballast(config, &data_dir, work);
        let db = runtime::tasks::spawn_blocking(move || {
            let mended = match (&database, work) {
                (DbConfig::Sqlite { path }, Work::All) => {
                    let mended = pages::mend_schema(path)?;
                    add_page_checksums(path);
                    mended
                }
                (DbConfig::Sqlite { path }, Work::ChecksOnly { mends_pages: true }) => pages::mend_file(path)?,
                (DbConfig::Sqlite { .. } | DbConfig::Postgres { .. }, _) => Vec::new(),
            };
            let db = Db::open(&database)?;
            db.note_mended_pages(mended);
            Ok::<_, StoreError>(db)
        });
        let db = db.await.map_err(|error| StartError::Other(error.to_string()))??;
        if let Some(ballast) = ballast.clone() {
            db.set_reserve(ballast);
        }
        if db.read(storage_moves::is_begun).await? {
            return Err(StartError::Other(
                "a migration into this database has not come to its end: run `wharf migrate` again, which goes on with it"
                    .to_owned(),
            ));
        }
        match work {
            Work::All => {
                place::refuse_empty_database(config, &data_dir, &db).await?;
                place::refuse_lost_objects(config, &data_dir, &db).await?;
            }
            Work::ChecksOnly { .. } => place::require_filled(&db).await?,
        }
        tell_of_page_checksums(&db).await?;
        documents::mark_changed(&db).await?;
        let database_clock = DatabaseClock::of(&db).await?;
        let clock = database_clock.clone().map_or(clock, |shared| shared);
        // Before anything else is made in the folder: a wrong key must leave no trace.
        let is_new = !root_keys::exist(&db).await?;
        let (root_keys, key_ring) = open_root_keys(config, &data_dir, &db, clock.now_ms()).await?;
        let making = match work {
            Work::All if is_new => Making::First,
            Work::All => Making::Anew,
            Work::ChecksOnly { .. } => Making::ForNow,
        };
        let root_credentials = credentials::find_or_create(
            &config.root_key_settings(),
            &config.data_dir()?,
            root_keys.wrapping_key(),
            root_keys.previous(),
            clock.now_ms(),
            making,
        )
        .await?;
        let accounts = Accounts::new(credentials::root_keys(&root_credentials)?, regions.clone());
        let defaults = Limits::default();
        let limits = Limits {
            upload_expiry_ms: config.upload_expiry_hours.map_or(defaults.upload_expiry_ms, |h| i64::from(h) * HOUR_MS),
            lifecycle_interval_ms: config
                .lifecycle
                .interval_hours
                .map_or(defaults.lifecycle_interval_ms, |hours| i64::from(hours) * HOUR_MS),
            blob_grace_ms: config.blob_grace_hours.map_or(defaults.blob_grace_ms, |h| i64::from(h) * HOUR_MS),
            object_grace_ms: i64::from(config.object_grace_seconds()) * 1000,
            root_key_rotation_ms: config.root_key_rotation_days.map(|days| i64::from(days) * 24 * HOUR_MS),
            restore_window_days: config.restore_window_days.map_or(defaults.restore_window_days, i64::from),
            scrub_bytes_per_second: config.scrub.bytes_per_second(),
            scrub_interval_ms: config.scrub.interval_ms(),
            ..defaults
        };
        let hosts = Hosts {
            domains: config.domains.iter().map(|domain| domain.to_ascii_lowercase()).collect(),
            public_url: config.public_url()?,
            is_tls: tls_source.is_some(),
        };
        let certificates = match &tls_source {
            None => None,
            Some(TlsSource::Files { certificate, key }) => Some(Certificates::of_files(certificate, key)?),
            Some(TlsSource::SelfSigned) => {
                let authority = Authority::open_or_make(&data_dir, &root_keys, clock.now_ms()).await?;
                let names = hosts.certificate_names(accounts.regions(), config.listen().ip());
                Some(Certificates::of_authority(authority, names, clock.now_ms())?)
            }
        };
        let acceptor = certificates.as_ref().map(Certificates::acceptor).transpose()?;
        let listener = runtime::http::listener::listen(config.listen())
            .map_err(|error| StartError::listen(config.listen(), &error))?;
        let address = listener.local_addr().map_err(|error| StartError::Other(error.to_string()))?;
        let metrics_listener = match config.metrics.listen {
            None => None,
            // Checks of what is stored may run beside nobody, and are not watched.
            Some(_) if work != Work::All => None,
            Some(listen) => Some(
                runtime::network::listen(listen)
                    .await
                    .map_err(|error| StartError::Other(format!("cannot listen at {listen} for metrics: {error}")))?,
            ),
        };
        let (blobs, archive) = match work {
            Work::All => config.open_stores(&data_dir).await?,
            Work::ChecksOnly { .. } => config.find_stores(&data_dir).await?,
        };
        if work == Work::All {
            let (now_ms, grace_ms) = (clock.now_ms(), limits.object_grace_ms);
            full_disk::free_due_objects(&db, [&blobs, &archive], &data_dir, now_ms, now_ms - grace_ms).await?;
        }
        let membership = Membership::new(&db, nodes::shown_address(address), clock.now_ms());
        let events = Arc::new(Events::new(&config.events)?);
        let readiness = Readiness::new(db.clone(), [blobs.clone(), archive.clone()], membership.node_id());
        let runtime = Arc::new(Runtime {
            db,
            data_folder: config.data_folder(&data_dir),
            ballast,
            blobs,
            archive,
            key_ring,
            clock,
            limits,
            listener: config.listener_settings(Means::raise())?,
            request_budget: RequestBudget::new(config.requests.budget()?),
            spool_folder: spool::make_folder(&data_dir).map_err(|error| StartError::io(&data_dir, error))?,
            rates: Rates::new(config.rates.per_second()),
            wake_jobs: Arc::default(),
            metrics: Metrics::new(config.metrics.settings()?, dispatch::operations()),
            telemetry: Arc::new(Telemetry::new(config.telemetry.settings()?)),
            readiness,
            unfinished: Unfinished::default(),
        });
        let access = Arc::new(Access {
            runtime,
            root_keys,
            kms_keys: access::kms::loaded::LoadedKeys::default(),
            accounts,
            hosts,
            membership,
            identities: Identities::default(),
            policies: Arc::default(),
            opened_tokens: access::auth::opened_tokens::OpenedTokens::default(),
            signing_keys: access::auth::signing_keys::SigningKeys::default(),
            failures: Failures::new(config.authentication_failures_per_minute()),
            last_uses: LastUses::default(),
            oidc_issuers: Issuers::new(config.oidc_sources()?),
            audit: Audit::open(config.audit.settings()?)?,
            repository_access: access::auth::repository_access::access_cache(),
            action_names: ActionNames::of(SERVICES.operations()),
        });
        let app = Arc::new(Registry {
            access,
            quotas: config.quotas_in_force()?,
            advisories: config.advisory_settings()?,
            upload_locks: registry::images::uploads::UploadLocks::default(),
            read_caches: registry::images::read_caches::ReadCaches::default(),
            shared_manifests: registry::images::shared_manifests::SharedManifests::default(),
            pull_times: registry::images::pull_times::PullTimes::default(),
            cache: registry::cache::Cache::new(config.cache_settings()?, config.mirror_settings()?),
            followers: Arc::new(followers::all(&events, scanning::followers::all())),
            events,
            replication: Remotes::new(config.replication_remotes()?),
        });
        if work == Work::All {
            registry::cache::mirror::require_no_open_root(&app).await?;
        }
        app.join_nodes().await?;
        let extensions = config.replication_extensions()?;
        app.db.make_room(move |tx| extensions.store(tx)).await?;
        let root_access_keys = root_credentials.iter().map(|root| RootAccessKey {
            account_id: root.account_id.clone(),
            access_key_id: root.access_key_id.clone(),
        });
        let root_access_keys = root_access_keys.collect();
        let local_socket = listen_locally(&data_dir);
        let (stop, stopped) = watch::channel(false);
        let deadline = Duration::from_secs(config.shutdown_deadline_seconds());
        let scanning = scans::of(config, &app)?;
        if work == Work::All {
            scans::tell_of_confinement(&scanning);
        }
        let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&app)));
        let listening =
            listener::serve(Arc::clone(&app.runtime), dispatcher, listener, acceptor, stopped.clone(), deadline);
        let listening = runtime::tasks::spawn(listening);
        let working = runtime::tasks::spawn({
            let jobs = background::run(scanning, stopped.clone(), work);
            let audit = audit::run(Arc::clone(&app.access), stopped.clone());
            let node_id = app.membership.node_id().to_owned();
            let spans = telemetry::run(Arc::clone(&app.telemetry), node_id, stopped.clone());
            let metrics = {
                let (app, stopped) = (Arc::clone(&app), stopped.clone());
                async move {
                    if let Some(listener) = metrics_listener {
                        scrape::listener::serve(app, listener, stopped).await;
                    }
                }
            };
            let certificates = {
                let (app, stopped) = (Arc::clone(&app), stopped.clone());
                async move {
                    if let Some(certificates) = certificates {
                        certificates.renew(Arc::clone(&app.clock), stopped).await;
                    }
                }
            };
            let local_socket = {
                let stopped = stopped.clone();
                async move {
                    if let Some(socket) = local_socket {
                        socket.serve(root_credentials, stopped).await;
                    }
                }
            };
            let time = async move {
                if let Some(clock) = database_clock {
                    clock.follow(stopped).await;
                }
            };
            async move {
                tokio::join!(jobs, audit, spans, metrics, certificates, local_socket, time);
            }
        });
        let scheme = if tls_source.is_some() { "https" } else { "http" };
        let host = shown_host(address);
        let url = format!("{scheme}://{host}");
        let server = Self {
            address,
            public_url: app
                .hosts
                .public_url
                .as_ref()
                .map_or_else(|| url.clone(), |public| format!("{}://{}", public.scheme, public.authority)),
            url,
            certificate: matches!(tls_source, Some(TlsSource::SelfSigned)).then(|| tls::authority_path(&data_dir)),
            data_dir,
            is_new,
            accounts: app.accounts.ids().iter().map(ToString::to_string).collect(),
            regions: app.accounts.regions().iter().map(ToString::to_string).collect(),
            app,
            stop,
            listening,
            working,
            work,
            _lock: lock,
        };
        // The local URL for scripts that started with port 0, the rest for `wharf credentials`.
        let running = RunningServer {
            pid: std::process::id(),
            url: server.public_url.clone(),
            regions: server.regions.clone(),
            certificate: server.certificate.clone(),
            accounts: root_access_keys,
        };
        let endpoint = server.data_dir.join("endpoint");
        let write_files = || {
            let written = running.write(&server.data_dir);
            written.and_then(|()| replace_private(&endpoint, format!("{}\n", server.url).as_bytes()))
        };
        // Whoever is to make room must find the server.
        let has_room = || server.app.ballast.as_ref().is_some_and(|ballast| ballast.release());
        let written = write_files().or_else(|error| if has_room() { write_files() } else { Err(error) });
        if let Err(error) = written {
            // The server serves without them; an old one would lead commands astray.
            let _ = runtime::files::remove_file(&endpoint);
            tracing::warn!(
                "commands on this machine cannot find the server by its data folder, and have to be told where it is with \
                 --endpoint: {error}"
            );
        }
        Ok(server)
    }

    /// Ends listening, lets what is in flight finish within the deadline, and stores what is only in memory.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        Box::pin(self.end())
    }

    async fn end(self) {
        self.stop.send_replace(true);
        let _ = self.listening.await;
        let _ = self.working.await;
        if let Err(error) = self.app.pull_times.flush(&self.app).await {
            tracing::warn!("last pull times were not stored: {error}", error = runtime::with_causes(&error));
        }
        if let Err(error) = self.app.events.flush_pulls(&self.app).await {
            tracing::warn!("last events of pulls were not stored: {error}", error = runtime::with_causes(&error));
        }
        if let Err(error) = self.app.last_uses.flush(&self.app.db).await {
            tracing::warn!("last uses of keys were not stored: {error}", error = runtime::with_causes(&error));
        }
        if let Err(error) = self.app.audit.flush(&self.app.db).await {
            tracing::warn!("last audit events were not stored: {error}", error = runtime::with_causes(&error));
        }
        if let Err(error) = self.app.leave_nodes().await {
            tracing::warn!("the other nodes were not told of the end: {error}", error = runtime::with_causes(&error));
        }
        self.app.audit.close();
        if self.work != Work::All {
            // Nobody is to find this one.
            RunningServer::forget(&self.data_dir);
            let _ = runtime::files::remove_file(self.data_dir.join("endpoint"));
        }
    }
}

/// What is kept back of the disk of the embedded database. A check makes nothing, and may use what is there.
fn open_ballast(config: &Config, data_dir: &Path, work: Work) -> Option<Arc<Ballast>> {
    let is_embedded = config.database.url.is_none();
    let bytes = if is_embedded { config.ballast_bytes() } else { 0 };
    let ballast = match work {
        Work::All => Ballast::open(data_dir, bytes),
        Work::ChecksOnly { .. } => Ballast::open_existing(data_dir, bytes),
    };
    ballast.map(Arc::new)
}

/// Gives checksums to the pages of a database from before there were any. Where that fails, the server does without.
fn add_page_checksums(path: &Path) {
    match pages::add_checksums(path) {
        Ok(Conversion::NotNeeded) => {}
        Ok(Conversion::Done) => tracing::info!("the pages of the database {} have checksums now", path.display()),
        Err(error) => tracing::warn!(
            "the pages of the database {} got no checksums, so damage to them is not always noticed; the next start tries \
             again, for which its folder needs room for a second copy: {}",
            path.display(),
            runtime::with_causes(&error)
        ),
    }
}

/// Says so where PostgreSQL would not notice that its disk changes what it has written.
async fn tell_of_page_checksums(db: &Db) -> Result<(), StoreError> {
    if db.has_page_checksums().await? {
        return Ok(());
    }
    if db.dialect() == Dialect::Postgres {
        tracing::warn!(
            "PostgreSQL runs without data checksums, so pages that a disk damages are not noticed: switch them on with \
             pg_checksums --enable while it is stopped (see docs/operations.md)"
        );
    }
    Ok(())
}

/// The host by which this machine's programs reach the address. `localhost` leads to 127.0.0.1 and to no other address
/// that programs on this machine may listen at.
fn shown_host(address: SocketAddr) -> String {
    if address.ip() == std::net::Ipv4Addr::LOCALHOST || address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

/// The socket for commands on this machine. Without it they need the root's keys from elsewhere, and all else works.
fn listen_locally(data_dir: &Path) -> Option<LocalSocket> {
    match LocalSocket::listen(data_dir) {
        Ok(socket) => Some(socket),
        Err(error) => {
            tracing::warn!(
                %error,
                "commands on this machine cannot ask the server for the root's keys: {}: {error}",
                data_dir.join(local_socket::FILE).display()
            );
            None
        }
    }
}

/// What wraps the root keys: a KMS, or the service key from the configuration or its file. A file is made only for a
/// database that has no root keys: all that is encrypted would be lost behind a new one.
async fn find_wrapping_key(config: &Config, path: &Path, db: &Db) -> Result<WrappingKey, StartError> {
    if let Some(endpoint) = config.service_key_endpoint()? {
        return Ok(WrappingKey::Kms(Box::new(endpoint)));
    }
    if let Some(key) = config.service_key()? {
        return Ok(WrappingKey::Configured(key));
    }
    let key = match ServiceKey::load(path)? {
        Some(key) => key,
        None if root_keys::exist(db).await? => {
            return Err(StartError::Other(format!(
                "the service key file {} is missing, and what the database refers to is encrypted with that \
                 key: put the file back from a backup or from another node, or give the key with \
                 WHARF_SERVICE_KEY; no other key opens what is stored",
                path.display()
            )));
        }
        None => ServiceKey::load_or_create(path)?,
    };
    Ok(WrappingKey::File(key, path.to_owned()))
}

/// The root keys of the database, which only the right service key unwraps.
async fn open_root_keys(
    config: &Config,
    data_dir: &Path,
    db: &Db,
    now_ms: i64,
) -> Result<(RootKeys, KeyRing), StartError> {
    let path = data_dir.join("service.key");
    let wrapping_key = find_wrapping_key(config, &path, db).await?;
    let origin = wrapping_key.origin();
    RootKeys::open(db, wrapping_key, config.previous_service_keys()?, now_ms).await.map_err(|error| match error {
        NotOpened::WrongKey => StartError::Other(format!(
            "the service key in {origin} is not the one that this database was set up with: give that one, with the \
             file {} or with WHARF_SERVICE_KEY (all nodes of one database need the same; to change it, give the old \
             one as WHARF_PREVIOUS_SERVICE_KEY), or use another database",
            path.display()
        )),
        NotOpened::Store(error) => error.into(),
    })
}
