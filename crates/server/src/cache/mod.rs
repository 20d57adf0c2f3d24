//! The pull through cache: fills repositories from upstream registries when their images are asked for.
//!
//! An image is visible here as soon as its manifest is stored; its blobs come when they are first read, are sent on while
//! they are stored, and are known by their digests before anybody gets the last of them.

pub mod blobs;
mod challenge;
pub mod credentials;
pub mod failure;
mod flights;
mod import;
pub mod pull;
pub mod settings;
pub mod upstream;
pub mod upstream_registry;

use oci::RepositoryName;
use store::tables::pull_through_cache_rules::PullThroughCacheRule;

use crate::app::App;
use blobs::BlobFetches;
use credentials::CredentialsError;
use failure::CacheFailure;
use flights::Flights;
use pull::Outages;
use settings::CacheSettings;
use upstream::{UpstreamClient, UpstreamRepository};

/// What one node's cache is made of.
pub struct Cache {
    /// What the configuration says.
    pub settings: CacheSettings,
    /// Asks upstreams.
    pub upstream: UpstreamClient,
    /// Blobs on their way.
    pub blobs: BlobFetches,
    imports: Flights<Result<(), CacheFailure>>,
    outages: Outages,
}

impl Cache {
    /// With nothing under way.
    pub fn new(settings: CacheSettings) -> Self {
        Self {
            upstream: UpstreamClient::new(&settings),
            settings,
            blobs: BlobFetches::default(),
            imports: Flights::default(),
            outages: Outages::default(),
        }
    }
}

/// Where a rule leads for a repository of that name upstream.
pub async fn upstream_of(
    app: &App,
    rule: &PullThroughCacheRule,
    name: RepositoryName,
) -> Result<UpstreamRepository, CredentialsError> {
    let upstream: upstream_registry::UpstreamUrl = rule.upstream_url.parse().map_err(|_| {
        let context = format!("the rule for {} has an upstream that is no URL", rule.prefix);
        CredentialsError::Store(store::error::StoreError::new(store::error::StoreErrorKind::Corrupt, context))
    })?;
    let credentials = match &rule.credential_arn {
        Some(arn) => Some(credentials::read(app, &rule.registry, arn).await?),
        None => None,
    };
    Ok(UpstreamRepository { endpoint: app.cache.settings.endpoint(&upstream).clone(), name, credentials })
}
