//! The pull through cache: fills repositories from upstream registries when their images are asked for.
//!
//! An image is visible here as soon as its manifest is stored; its blobs come when they are first read, are sent on while
//! they are stored, and are known by their digests before anybody gets the last of them.
//!
//! `pull` decides before each pull whether the image must be imported or its tag compared; `fetches` brings a layer once per
//! node, and `coming` lets every reader follow the object while it grows. Which layers are upstream is for `layers` to say.
//! Images, tags and blobs carry where the cache had them from: a pull of the mirror without a token (`anonymous`) sees nothing
//! else, and has what is not marked shown by upstream first.

pub mod anonymous;
pub mod bound;
pub mod coming;
pub mod config;
pub mod credentials;
pub mod failure;
pub mod fetches;
mod import;
pub mod mirror;
pub mod pull;
pub mod referrers;
pub mod settings;
mod single_flight;
pub mod upstream;
pub mod upstream_registry;

use access::secret_values::MeantSecret;
use oci::RepositoryName;
use runtime::boxed;
use store::error::{StoreError, StoreErrorKind};
use store::tables::pull_through_cache_rules::PullThroughCacheRule;

use crate::Registry;
use credentials::CredentialsError;
use failure::CacheFailure;
use fetches::LayerFetches;
use mirror::MirrorSettings;
use pull::Outages;
use referrers::Listed;
use settings::CacheSettings;
use single_flight::SingleFlight;
use upstream::{UpstreamClient, UpstreamRepository};
use upstream_registry::UpstreamUrl;

/// What one node's cache is made of.
pub struct Cache {
    /// What the configuration says.
    pub settings: CacheSettings,
    /// Who may use the transparent mirror without a token.
    pub mirror: MirrorSettings,
    /// Asks upstreams.
    pub upstream: UpstreamClient,
    /// Layers on their way.
    pub fetches: LayerFetches,
    imports: SingleFlight<Result<(), CacheFailure>>,
    outages: Outages,
    listed: Listed,
}

impl Cache {
    /// With nothing under way.
    pub fn new(settings: CacheSettings, mirror: MirrorSettings) -> Self {
        Self {
            upstream: UpstreamClient::new(&settings),
            settings,
            mirror,
            fetches: LayerFetches::default(),
            imports: SingleFlight::default(),
            outages: Outages::default(),
            listed: Listed::default(),
        }
    }
}

/// The upstream of a rule, which was read when the rule was made.
pub fn upstream_url(rule: &PullThroughCacheRule) -> Result<UpstreamUrl, StoreError> {
    rule.upstream_url.parse().map_err(|_| {
        StoreError::new(StoreErrorKind::Corrupt, format!("the rule for {} has an upstream that is no URL", rule.prefix))
    })
}

/// Where a rule leads for a repository of that name upstream.
#[boxed]
pub async fn upstream_of(
    app: &Registry,
    rule: &PullThroughCacheRule,
    name: RepositoryName,
) -> Result<UpstreamRepository, CredentialsError> {
    let upstream = upstream_url(rule).map_err(CredentialsError::Store)?;
    let credentials = match &rule.credential_arn {
        Some(arn) => {
            let meant = MeantSecret { arn: arn.clone(), checked_at_ms: rule.updated_at_ms };
            Some(credentials::read(app, &rule.registry, &meant, &upstream).await?)
        }
        None => None,
    };
    Ok(UpstreamRepository { endpoint: app.cache.settings.endpoint(&upstream).clone(), name, credentials })
}
